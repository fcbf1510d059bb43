use std::collections::VecDeque;

use super::queue::QueueMessage;

/// A delivery of a channel that is not settled yet.
#[derive(Debug)]
pub(crate) struct UnsettledDelivery {
    /// Which consumer or `basic.get` it came through.
    pub(crate) source: usize,
    pub(crate) message: QueueMessage,
}

/// The unsettled deliveries of a channel by delivery tag.
///
/// Tags only grow, so a new one goes to the end. A settled one leaves a gap; gaps at the front
/// are dropped at once, the others when they are more than half of all places. So settling costs
/// the same in any order, and one delivery that stays unsettled for ever pins no memory.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    places: VecDeque<Place>,
    /// Places that are no gap.
    live: usize,
}

#[derive(Debug)]
struct Place {
    tag: u64,
    delivery: Option<UnsettledDelivery>,
}

impl Place {
    fn tagged(self) -> Option<(u64, UnsettledDelivery)> {
        Some((self.tag, self.delivery?))
    }
}

/// Below this many places gaps are left alone.
const COMPACT_MIN_PLACES: usize = 64;

impl Unsettled {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn push(&mut self, tag: u64, delivery: UnsettledDelivery) {
        debug_assert!(self.places.back().is_none_or(|last| last.tag < tag));
        self.places.push_back(Place { tag, delivery: Some(delivery) });
        self.live += 1;
    }

    /// Takes the delivery with this tag out.
    pub(crate) fn take(&mut self, tag: u64) -> Option<UnsettledDelivery> {
        let delivery = self.place_of(tag)?.delivery.take()?;
        self.live -= 1;
        self.drop_gaps();
        Some(delivery)
    }

    /// Takes all deliveries up to this tag out, oldest first; none if the tag itself is not
    /// among them.
    pub(crate) fn take_up_to(&mut self, tag: u64) -> Option<Vec<UnsettledDelivery>> {
        self.drain_up_to(tag, |place| place.delivery)
    }

    /// The same, each delivery with its tag.
    pub(crate) fn take_tagged_up_to(&mut self, tag: u64) -> Option<Vec<(u64, UnsettledDelivery)>> {
        self.drain_up_to(tag, Place::tagged)
    }

    /// Takes all deliveries out, oldest first.
    pub(crate) fn take_all(&mut self) -> Vec<UnsettledDelivery> {
        self.drain(|place| place.delivery)
    }

    /// The same, each delivery with its tag.
    pub(crate) fn take_all_tagged(&mut self) -> Vec<(u64, UnsettledDelivery)> {
        self.drain(Place::tagged)
    }

    /// Puts deliveries back that were taken out, in any order.
    pub(crate) fn put_back(&mut self, deliveries: Vec<(u64, UnsettledDelivery)>) {
        if deliveries.is_empty() {
            return;
        }
        let deliveries = deliveries.into_iter().chain(self.take_all_tagged());
        let mut places: Vec<_> =
            deliveries.map(|(tag, delivery)| Place { tag, delivery: Some(delivery) }).collect();
        places.sort_unstable_by_key(|place| place.tag);
        self.live = places.len();
        self.places = places.into();
    }

    fn drain_up_to<T>(
        &mut self,
        tag: u64,
        delivery: impl FnMut(Place) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.place_of(tag)?.delivery.as_ref()?;
        let end = self.places.partition_point(|place| place.tag <= tag);
        let mut taken = Vec::with_capacity(end.min(self.live));
        taken.extend(self.places.drain(..end).filter_map(delivery));
        self.live -= taken.len();
        self.drop_gaps();
        Some(taken)
    }

    fn drain<T>(&mut self, delivery: impl FnMut(Place) -> Option<T>) -> Vec<T> {
        self.live = 0;
        std::mem::take(&mut self.places).into_iter().filter_map(delivery).collect()
    }

    fn place_of(&mut self, tag: u64) -> Option<&mut Place> {
        let first = self.places.front()?.tag;
        // Without gaps dropped in the middle, the place is the distance to the first tag.
        let guess = usize::try_from(tag.checked_sub(first)?).ok()?;
        if self.places.get(guess).is_some_and(|place| place.tag == tag) {
            return self.places.get_mut(guess);
        }
        let place = self.places.binary_search_by_key(&tag, |place| place.tag).ok()?;
        self.places.get_mut(place)
    }

    fn drop_gaps(&mut self) {
        while self.places.front().is_some_and(|place| place.delivery.is_none()) {
            self.places.pop_front();
        }
        if self.places.len() >= COMPACT_MIN_PLACES && self.live * 2 < self.places.len() {
            self.places.retain(|place| place.delivery.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use springhare_amqp::{Message, ShortString};

    use super::*;
    use crate::model::message::PublishedMessage;

    fn delivery(position: u64) -> UnsettledDelivery {
        let message = Arc::new(PublishedMessage::new(
            ShortString::EMPTY,
            ShortString::EMPTY,
            Message::default(),
        ));
        let message = QueueMessage::waiting(position, message);
        UnsettledDelivery { source: 0, message }
    }

    fn positions(deliveries: Vec<UnsettledDelivery>) -> Vec<u64> {
        deliveries.into_iter().map(|delivery| delivery.message.position).collect()
    }

    #[test]
    fn one_that_stays_pins_no_memory() {
        let mut unsettled = Unsettled::default();
        unsettled.push(1, delivery(1));
        for tag in 2..100_000 {
            unsettled.push(tag, delivery(tag));
            assert!(unsettled.take(tag).is_some());
        }
        assert_eq!(unsettled.len(), 1);
        assert!(unsettled.places.len() <= COMPACT_MIN_PLACES);
    }

    #[test]
    fn a_tag_is_taken_once() {
        let mut unsettled = Unsettled::default();
        for tag in 1..=3 {
            unsettled.push(tag, delivery(tag));
        }
        assert!(unsettled.take(2).is_some());
        assert!(unsettled.take(2).is_none());
        assert!(unsettled.take_up_to(2).is_none(), "a settled tag covers nothing");
        assert_eq!(positions(unsettled.take_up_to(3).unwrap()), [1, 3]);
        assert!(unsettled.take(4).is_none());
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(steps in prop::collection::vec((0u8..7, 0u64..40), 1..300)) {
            let mut unsettled = Unsettled::default();
            let mut naive = std::collections::BTreeMap::new();
            let mut taken = Vec::new();
            let mut next = 1;
            for (step, pick) in steps {
                match step {
                    0 | 1 => {
                        unsettled.push(next, delivery(next));
                        naive.insert(next, next);
                        next += 1;
                    }
                    2 => {
                        let tag = next.saturating_sub(pick);
                        let got = unsettled.take(tag).map(|d| d.message.position);
                        prop_assert_eq!(got, naive.remove(&tag));
                    }
                    3 => {
                        let tag = next.saturating_sub(pick);
                        taken.extend(unsettled.take_tagged_up_to(tag).unwrap_or_default());
                        if naive.contains_key(&tag) {
                            naive = naive.split_off(&(tag + 1));
                        }
                    }
                    4 => {
                        let tag = next.saturating_sub(pick);
                        if let Some(delivery) = unsettled.take(tag) {
                            naive.remove(&tag);
                            taken.push((tag, delivery));
                        }
                    }
                    5 => {
                        naive.extend(taken.iter().map(|(tag, _)| (*tag, *tag)));
                        unsettled.put_back(std::mem::take(&mut taken));
                    }
                    _ => {
                        let tag = next.saturating_sub(pick);
                        let got = unsettled.take_up_to(tag).map(positions);
                        let expected = naive.contains_key(&tag).then(|| {
                            let later = naive.split_off(&(tag + 1));
                            std::mem::replace(&mut naive, later).into_keys().collect::<Vec<_>>()
                        });
                        prop_assert_eq!(got, expected);
                    }
                }
                prop_assert_eq!(unsettled.len(), naive.len());
            }
            prop_assert_eq!(positions(unsettled.take_all()), naive.into_keys().collect::<Vec<_>>());
        }
    }
}
