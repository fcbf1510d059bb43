use crate::model::ids::ConsumerId;

/// Where the deliveries of a channel come from.
///
/// A delivery names its source by a number, so that it need not hold a queue handle of its own.
/// A source lives while its consumer does, or a delivery of it is unsettled.
#[derive(Debug)]
pub(super) struct Sources<Q> {
    places: Vec<Option<Source<Q>>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Source<Q> {
    queue: Q,
    consumer: Option<ConsumerId>,
    unsettled: usize,
    open: bool,
}

impl<Q> Default for Sources<Q> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<Q: Clone> Sources<Q> {
    pub(super) fn open(&mut self, queue: Q, consumer: Option<ConsumerId>) -> usize {
        let source = Some(Source { queue, consumer, unsettled: 0, open: true });
        if let Some(number) = self.free.pop() {
            if let Some(place) = self.places.get_mut(number) {
                *place = source;
            }
            return number;
        }
        self.places.push(source);
        self.places.len() - 1
    }

    pub(super) fn get(&self, number: usize) -> Option<(Q, Option<ConsumerId>)> {
        let source = self.places.get(number)?.as_ref()?;
        Some((source.queue.clone(), source.consumer))
    }

    /// Whether the source is this consumer's and open.
    pub(super) fn is_open_for(&self, number: usize, consumer: ConsumerId) -> bool {
        let source = self.places.get(number).and_then(Option::as_ref);
        source.is_some_and(|source| source.open && source.consumer == Some(consumer))
    }

    pub(super) fn delivered(&mut self, number: usize) {
        if let Some(Some(source)) = self.places.get_mut(number) {
            source.unsettled += 1;
        }
    }

    pub(super) fn settled(&mut self, number: usize) {
        if let Some(Some(source)) = self.places.get_mut(number) {
            source.unsettled -= 1;
        }
        self.free_if_done(number);
    }

    pub(super) fn close(&mut self, number: usize) {
        if let Some(Some(source)) = self.places.get_mut(number) {
            source.open = false;
        }
        self.free_if_done(number);
    }

    fn free_if_done(&mut self, number: usize) {
        let Some(place) = self.places.get_mut(number) else { return };
        if place.take_if(|source| !source.open && source.unsettled == 0).is_some() {
            self.free.push(number);
        }
    }

    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.places.iter().flatten().count()
    }
}
