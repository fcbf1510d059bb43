//! What a journal should have: a list of all that was appended, and what follows from a part of it.

use std::collections::{BTreeMap, BTreeSet};

/// What is kept, with all that is known of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Thing {
    Message { queue: u64, published_at: u64, body: Vec<u8> },
    Delayed { due: u64, body: Vec<u8> },
    Definition(Vec<u8>),
}

/// Bodies are long, and say nothing.
impl std::fmt::Debug for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message { queue, published_at, body } => {
                write!(f, "message for {queue} of {published_at}, {} bytes", body.len())
            }
            Self::Delayed { due, body } => write!(f, "delayed to {due}, {} bytes", body.len()),
            Self::Definition(content) => write!(f, "definition, {} bytes", content.len()),
        }
    }
}

/// A record.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Add(u64, Thing),
    Settle(Vec<u64>),
    Returned { reference: u64, delivery_count: u32, retry_at: Option<u64> },
}

/// Records that survive together or not at all.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) end: u64,
    pub(super) ops: Vec<Op>,
}

/// What is known of how often it came back: the last count, and the times that were said with it.
pub(super) type Returned = (u32, BTreeSet<Option<u64>>);

/// All that is alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) things: BTreeMap<u64, Thing>,
    pub(super) returned: BTreeMap<u64, Returned>,
}

impl State {
    pub(super) fn apply(&mut self, unit: &Unit) {
        for op in &unit.ops {
            match op {
                Op::Add(reference, thing) => {
                    let before = self.things.insert(*reference, thing.clone());
                    assert!(before.is_none(), "reference {reference} was given twice");
                }
                Op::Settle(references) => {
                    for reference in references {
                        self.things.remove(reference);
                        self.returned.remove(reference);
                    }
                }
                Op::Returned { reference, delivery_count, retry_at } => {
                    if self.things.contains_key(reference) {
                        let known = self.returned.entry(*reference).or_default();
                        if *delivery_count > known.0 {
                            known.1.clear();
                        }
                        *known = (*delivery_count, std::mem::take(&mut known.1));
                        known.1.insert(*retry_at);
                    }
                }
            }
        }
    }

    /// Whether this is what was found.
    pub(super) fn is(&self, found: &Found) -> bool {
        let is_returned = |(reference, (count, retry_at)): (&u64, &(u32, Option<u64>))| {
            let known = self.returned.get(reference);
            known.is_some_and(|(known, times)| known == count && times.contains(retry_at))
        };
        self.things == found.things
            && self.returned.len() == found.returned.len()
            && found.returned.iter().all(is_returned)
    }
}

/// What a journal has when it is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) things: BTreeMap<u64, Thing>,
    pub(super) returned: BTreeMap<u64, (u32, Option<u64>)>,
}

/// All that was appended, in order.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// What follows from what is on the disk for good.
    base: State,
    /// What was appended since the journal was opened.
    units: Vec<Unit>,
    /// What follows from all of it.
    pub(super) now: State,
    /// The highest reference that survived.
    highest: u64,
}

impl Model {
    pub(super) fn append(&mut self, unit: Unit) {
        for op in &unit.ops {
            if let Op::Add(reference, _) = op {
                let after = self.highest_now();
                assert!(*reference > after, "reference {reference} is given after {after}");
            }
        }
        self.now.apply(&unit);
        self.units.push(unit);
    }

    pub(super) fn highest_now(&self) -> u64 {
        let added = self.units.iter().rev().flat_map(|unit| unit.ops.iter().rev());
        let mut added = added.filter_map(|op| match op {
            Op::Add(reference, _) => Some(*reference),
            _ => None,
        });
        added.next().unwrap_or(self.highest)
    }

    /// Holds what was found against what there was: all up to `least`, and then as much as there may
    /// be, in order.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub(super) fn recover(&mut self, least: u64, found: &Found) -> Result<(), String> {
        let mut state = self.base.clone();
        let sure = self.units.iter().take_while(|unit| unit.end <= least).count();
        self.units.iter().take(sure).for_each(|unit| state.apply(unit));
        let closest = difference(&state, found);
        let mut count = sure;
        loop {
            if state.is(found) {
                break;
            }
            let Some(unit) = self.units.get(count) else {
                return Err(format!(
                    "what was found is no state after {sure} to {} units; {closest}; {}",
                    self.units.len(),
                    difference(&state, found),
                ));
            };
            state.apply(unit);
            count += 1;
        }
        self.units.truncate(count);
        self.highest = self.highest_now();
        self.units.clear();
        self.base = state.clone();
        self.now = state;
        Ok(())
    }
}

/// In a few words, how the two differ.
fn difference(state: &State, found: &Found) -> String {
    let missing: Vec<_> =
        state.things.keys().filter(|reference| !found.things.contains_key(reference)).collect();
    let foreign: Vec<_> =
        found.things.keys().filter(|reference| !state.things.contains_key(reference)).collect();
    let other: Vec<_> = state
        .things
        .iter()
        .filter(|(reference, thing)| found.things.get(reference).is_some_and(|it| it != *thing))
        .collect();
    format!(
        "missing {missing:?}, too many {foreign:?}, different {other:?}, returned {:?} and {:?}",
        state.returned, found.returned
    )
}
