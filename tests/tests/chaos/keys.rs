use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use springhare::prelude::*;

use crate::ledger::Ledger;

/// What was called last of each key, and what is in hand.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    last: Mutex<BTreeMap<u64, u64>>,
    busy: Mutex<BTreeSet<u64>>,
}

/// A call with a message of this key, while it is there.
#[derive(Debug)]
pub(crate) struct Alone<'k> {
    keys: &'k Keys,
    key: u64,
}

impl Keys {
    /// A call begins: no other of its key is under way, and none with a later first delivery was.
    pub(crate) fn begin(
        &self,
        key: u64,
        number: u64,
        redelivered: Redelivered,
        ledger: &Ledger,
    ) -> Alone<'_> {
        if !self.busy.lock().unwrap().insert(key) {
            ledger.wrong(format!("two calls at a time of key {key}, the second with {number}"));
        }
        if !redelivered.is_redelivered() {
            let last = self.last.lock().unwrap().insert(key, number);
            if let Some(last) = last.filter(|last| *last > number) {
                ledger.wrong(format!("{number} was called after {last}, both delivered first"));
            }
        }
        Alone { keys: self, key }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.keys.busy.lock().unwrap().remove(&self.key);
    }
}
