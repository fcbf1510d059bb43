//! Which deliveries are done and not yet acknowledged, so that one `basic.ack` can cover many.
//!
//! Pure. A `multiple` ack covers every earlier delivery of the channel, so it may only be sent
//! when none of those is still open: paused, being settled by hand, or in its handler. Handlers
//! that run side by side are done in any order.

use std::collections::BTreeSet;

use springhare_broker::Multiple;

/// Whether one ack may cover several deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covering {
    /// The listener's deliveries are the only ones on the channel.
    Allowed,
    /// The handler consumes on the channel too; its deliveries are not known here.
    Forbidden,
}

/// The deliveries of one channel that are done or stay open.
#[derive(Debug, Default)]
pub(crate) struct AckGather {
    /// Done, in the order of their tags.
    done: Vec<u64>,
    /// Neither settled nor done: they must not be covered.
    open: BTreeSet<u64>,
}

impl AckGather {
    /// The handler is done with it; it is acknowledged with the next flush. Every delivery before it
    /// is done, closed or said to stay open by then.
    pub(crate) fn done(&mut self, delivery_tag: u64) {
        if self.done.last().is_none_or(|last| *last < delivery_tag) {
            return self.done.push(delivery_tag);
        }
        let place = self.done.partition_point(|tag| *tag < delivery_tag);
        self.done.insert(place, delivery_tag);
    }

    /// It stays unsettled for now.
    pub(crate) fn stays_open(&mut self, delivery_tag: u64) {
        self.open.insert(delivery_tag);
    }

    /// It is settled by other means.
    pub(crate) fn closed(&mut self, delivery_tag: u64) {
        self.open.remove(&delivery_tag);
    }

    /// How many are done and not yet acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.done.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// Calls `ack` for as few acks as cover what is done, and forgets it.
    pub(crate) fn take(&mut self, covering: Covering, acks: &mut Vec<(u64, Multiple)>) {
        let first_open = match covering {
            Covering::Allowed => self.open.first().copied().unwrap_or(u64::MAX),
            Covering::Forbidden => 0,
        };
        let covered = self.done.partition_point(|tag| *tag < first_open);
        let mut done = self.done.drain(..);
        let mut last_covered = None;
        for _ in 0..covered {
            last_covered = done.next();
        }
        if let Some(tag) = last_covered {
            acks.push((tag, if covered == 1 { Multiple::One } else { Multiple::UpTo }));
        }
        acks.extend(done.map(|tag| (tag, Multiple::One)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn acks(gather: &mut AckGather, covering: Covering) -> Vec<(u64, Multiple)> {
        let mut acks = Vec::new();
        gather.take(covering, &mut acks);
        assert!(gather.is_empty());
        acks
    }

    fn gathered(done: &[u64], open: &[u64]) -> AckGather {
        let mut gather = AckGather::default();
        done.iter().for_each(|tag| gather.done(*tag));
        open.iter().for_each(|tag| gather.stays_open(*tag));
        gather
    }

    #[test]
    fn one_ack_covers_all_that_are_done() {
        let mut gather = gathered(&[1, 2, 3], &[]);
        assert_eq!(acks(&mut gather, Covering::Allowed), [(3, Multiple::UpTo)]);
        assert_eq!(acks(&mut gather, Covering::Allowed), []);
        assert_eq!(acks(&mut gathered(&[7], &[]), Covering::Allowed), [(7, Multiple::One)]);
    }

    #[test]
    fn what_stays_open_is_never_covered() {
        let mut gather = gathered(&[1, 2, 4, 5], &[3]);
        assert_eq!(
            acks(&mut gather, Covering::Allowed),
            [(2, Multiple::UpTo), (4, Multiple::One), (5, Multiple::One)]
        );
        gather.closed(3);
        gather.done(6);
        gather.done(7);
        assert_eq!(acks(&mut gather, Covering::Allowed), [(7, Multiple::UpTo)]);
    }

    #[test]
    fn a_channel_that_the_handler_consumes_on_is_acknowledged_one_by_one() {
        let mut gather = gathered(&[1, 3], &[]);
        assert_eq!(
            acks(&mut gather, Covering::Forbidden),
            [(1, Multiple::One), (3, Multiple::One)]
        );
    }

    /// What is done to one of the deliveries that are open, or to all.
    #[derive(Debug, Clone)]
    enum Step {
        /// The next one goes to a handler.
        Deliver,
        Done(prop::sample::Index),
        /// It fails, and is settled by itself.
        Settled(prop::sample::Index),
        Flush(Covering),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Deliver),
            3 => any::<prop::sample::Index>().prop_map(Step::Done),
            1 => any::<prop::sample::Index>().prop_map(Step::Settled),
            1 => Just(Step::Flush(Covering::Allowed)),
            1 => Just(Step::Flush(Covering::Forbidden)),
        ]
    }

    /// What the broker knows of each delivery, and what the handlers do.
    #[derive(Debug, Default)]
    struct Model {
        gather: AckGather,
        /// Unsettled at the broker, with whether their handlers are done.
        unsettled: BTreeMap<u64, bool>,
        next_tag: u64,
    }

    impl Model {
        fn open(&self, index: &prop::sample::Index) -> Option<u64> {
            let open: Vec<u64> =
                self.unsettled.iter().filter(|(_, done)| !**done).map(|(tag, _)| *tag).collect();
            (!open.is_empty()).then(|| *index.get(&open))
        }

        fn play(&mut self, step: &Step) {
            match *step {
                Step::Deliver => {
                    self.next_tag += 1;
                    self.unsettled.insert(self.next_tag, false);
                    self.gather.stays_open(self.next_tag);
                }
                Step::Done(ref index) => {
                    let Some(tag) = self.open(index) else { return };
                    self.gather.closed(tag);
                    self.gather.done(tag);
                    self.unsettled.insert(tag, true);
                }
                Step::Settled(ref index) => {
                    let Some(tag) = self.open(index) else { return };
                    self.gather.closed(tag);
                    self.unsettled.remove(&tag);
                }
                Step::Flush(covering) => self.flush(covering),
            }
        }

        fn flush(&mut self, covering: Covering) {
            let acks = acks(&mut self.gather, covering);
            let several = acks.iter().filter(|(_, multiple)| *multiple == Multiple::UpTo).count();
            assert!(several <= usize::from(covering == Covering::Allowed), "{acks:?}");
            for (tag, multiple) in acks {
                let from = if multiple == Multiple::UpTo { 0 } else { tag };
                let covered: Vec<u64> =
                    self.unsettled.range(from..=tag).map(|(tag, _)| *tag).collect();
                assert!(!covered.is_empty(), "an ack of {tag} for nothing closes the channel");
                for covered in covered {
                    assert_eq!(self.unsettled.remove(&covered), Some(true), "{covered} is lost");
                }
            }
            assert!(self.unsettled.values().all(|done| !done), "all that is done is acknowledged");
        }
    }

    proptest! {
        #[test]
        fn whatever_order_handlers_are_done_in_none_that_is_open_is_acknowledged(
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let mut model = Model::default();
            steps.into_iter().for_each(|step| model.play(&step));
            model.flush(Covering::Allowed);
        }
    }
}
