//! Who waits for whom: one lane for each key, in which one is handled at a time. Pure.

use std::collections::{HashMap, VecDeque};

use super::key::PartitionKey;

/// What waits to be handled, by key.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: HashMap<LaneId, Lane<T>>,
    /// Lanes that nobody is handled in and somebody waits in, those that wait longest first.
    ready: VecDeque<LaneId>,
    waiting: usize,
    next_single: u64,
}

/// One lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum LaneId {
    Of(PartitionKey),
    /// Of one that has no key, and so waits for nobody.
    Single(u64),
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    /// Its first is being handled, or rests before it is handled again.
    is_busy: bool,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), ready: VecDeque::new(), waiting: 0, next_single: 0 }
    }
}

impl<T> Lanes<T> {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// One more, behind all others of its key.
    pub(super) fn push(&mut self, key: Option<PartitionKey>, item: T) {
        let id = key.map_or_else(|| self.single(), LaneId::Of);
        let lane = self.lanes.entry(id).or_insert_with(|| Lane::new(false));
        if !lane.is_busy && lane.waiting.is_empty() {
            self.ready.push_back(id);
        }
        lane.waiting.push_back(item);
        self.waiting += 1;
    }

    /// Takes out one that waits for nobody. No other of its key is taken out until its lane is
    /// [freed](Self::free).
    pub(super) fn pop(&mut self) -> Option<(LaneId, T)> {
        loop {
            let id = self.ready.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            let Some(item) = lane.waiting.pop_front() else { continue };
            lane.is_busy = true;
            self.waiting -= 1;
            return Some((id, item));
        }
    }

    /// The one that was taken out is done.
    pub(super) fn free(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.is_busy = false;
        if lane.waiting.is_empty() {
            self.lanes.remove(&id);
        } else {
            self.ready.push_back(id);
        }
    }

    /// The one that was taken out is to be handled again, before all others of its key.
    pub(super) fn put_back(&mut self, id: LaneId, item: T) {
        let lane = self.lanes.entry(id).or_insert_with(|| Lane::new(true));
        lane.is_busy = false;
        lane.waiting.push_front(item);
        self.waiting += 1;
        self.ready.push_front(id);
    }

    /// Closes the lane, and takes out who waits in it.
    pub(super) fn close(&mut self, id: LaneId) -> VecDeque<T> {
        let waiting = self.lanes.remove(&id).map(|lane| lane.waiting).unwrap_or_default();
        self.waiting -= waiting.len();
        waiting
    }

    /// Takes out those that wait and for which `is_taken`; nobody is handled in their place.
    pub(super) fn take_if(&mut self, mut is_taken: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for lane in self.lanes.values_mut() {
            let waiting = std::mem::take(&mut lane.waiting);
            for item in waiting {
                if is_taken(&item) {
                    taken.push(item);
                } else {
                    lane.waiting.push_back(item);
                }
            }
        }
        self.waiting -= taken.len();
        self.lanes.retain(|_, lane| lane.is_busy || !lane.waiting.is_empty());
        taken
    }

    fn single(&mut self) -> LaneId {
        self.next_single += 1;
        LaneId::Single(self.next_single)
    }
}

impl<T> Lane<T> {
    fn new(is_busy: bool) -> Self {
        Self { waiting: VecDeque::new(), is_busy }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        Pop,
        Free(prop::sample::Index),
        PutBack(prop::sample::Index),
        Close(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        let index = any::<prop::sample::Index>;
        prop_oneof![
            4 => (0_u8..5).prop_map(Step::Push),
            3 => Just(Step::Pop),
            2 => index().prop_map(Step::Free),
            1 => index().prop_map(Step::PutBack),
            1 => index().prop_map(Step::Close),
        ]
    }

    /// Items are a key and a number that grows; those of key 4 have none.
    #[derive(Debug, Default)]
    struct Model {
        lanes: Lanes<(u8, u32)>,
        next: u32,
        busy: Vec<(LaneId, (u8, u32))>,
        /// The last that was done of each key.
        done: BTreeMap<u8, u32>,
    }

    impl Model {
        fn pop(&mut self) -> bool {
            let Some((lane, (key, number))) = self.lanes.pop() else { return false };
            if key < 4 {
                assert!(self.busy.iter().all(|(_, (other, _))| *other != key), "one at a time");
                assert!(self.done.get(&key).is_none_or(|last| *last < number), "in order");
            }
            self.busy.push((lane, (key, number)));
            true
        }

        fn take(&mut self, index: &prop::sample::Index) -> Option<(LaneId, (u8, u32))> {
            let at = (!self.busy.is_empty()).then(|| index.index(self.busy.len()))?;
            Some(self.busy.remove(at))
        }

        fn done(&mut self, (key, number): (u8, u32)) {
            self.done.insert(key, number);
        }

        fn play(&mut self, step: &Step) {
            match *step {
                Step::Push(key) => {
                    self.next += 1;
                    let partition = (key < 4).then(|| PartitionKey::of(&key));
                    self.lanes.push(partition, (key, self.next));
                }
                Step::Pop => drop(self.pop()),
                Step::Free(ref index) => {
                    let Some((lane, item)) = self.take(index) else { return };
                    self.done(item);
                    self.lanes.free(lane);
                }
                Step::PutBack(ref index) => {
                    let Some((lane, item)) = self.take(index) else { return };
                    self.lanes.put_back(lane, item);
                }
                Step::Close(ref index) => {
                    let Some((lane, item)) = self.take(index) else { return };
                    self.done(item);
                    for behind in self.lanes.close(lane) {
                        assert_eq!(behind.0, item.0);
                        self.done(behind);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn of_each_key_one_at_a_time_is_handled_in_order_and_none_is_forgotten(
            steps in prop::collection::vec(step(), 0..150),
        ) {
            let mut model = Model::default();
            steps.into_iter().for_each(|step| model.play(&step));
            loop {
                while model.pop() {}
                let Some((lane, item)) = model.busy.pop() else { break };
                model.done(item);
                model.lanes.free(lane);
            }
            prop_assert_eq!(model.lanes.waiting(), 0);
            prop_assert!(model.lanes.lanes.is_empty(), "no lane is left");
        }
    }
}
