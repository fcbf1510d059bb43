//! What became of each message.

use std::mem;

use serde::Serialize;

/// One message.
#[derive(Debug, Clone, Copy)]
struct Entry {
    publish: Publish,
    /// Whether a handler got it.
    is_handled: bool,
}

/// What is known of the publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publish {
    /// It has not been answered yet.
    Open,
    /// The broker answers for it.
    Confirmed,
    /// The broker did not take it, or it is not known whether it did.
    Failed,
}

/// All messages of a drill, by their number.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    figures: Figures,
}

/// Sums over all messages; `cargo xtask drill` reads them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Figures {
    /// Messages that were published.
    pub(crate) sent: u64,
    /// Those that the broker answers for.
    pub(crate) confirmed: u64,
    /// Those whose publish ended with an error; they may be there all the same.
    pub(crate) failed: u64,
    /// Those that reached a handler.
    pub(crate) handled: u64,
    /// How often a handler got a message that it had had before.
    pub(crate) duplicates: u64,
    /// Those that were confirmed and have not reached a handler: at the end, those that are lost.
    pub(crate) lost: u64,
    /// Deliveries of messages that were never sent.
    pub(crate) foreign: u64,
}

impl Ledger {
    /// Enters a message before it is published; returns its number.
    pub(crate) fn send(&mut self) -> usize {
        self.figures.sent += 1;
        self.entries.push(Entry { publish: Publish::Open, is_handled: false });
        self.entries.len() - 1
    }

    /// The broker has confirmed it.
    pub(crate) fn confirm(&mut self, number: usize) {
        if let Some(entry) = self.open(number) {
            entry.publish = Publish::Confirmed;
            let is_missing = !entry.is_handled;
            self.figures.confirmed += 1;
            self.figures.lost += u64::from(is_missing);
        }
    }

    /// Its publish ended with an error.
    pub(crate) fn fail(&mut self, number: usize) {
        if let Some(entry) = self.open(number) {
            entry.publish = Publish::Failed;
            self.figures.failed += 1;
        }
    }

    /// A handler got it.
    pub(crate) fn handle(&mut self, number: usize) {
        let Some(entry) = self.entries.get_mut(number) else {
            self.figures.foreign += 1;
            return;
        };
        if mem::replace(&mut entry.is_handled, true) {
            self.figures.duplicates += 1;
        } else {
            self.figures.handled += 1;
            self.figures.lost -= u64::from(entry.publish == Publish::Confirmed);
        }
    }

    /// The sums.
    pub(crate) fn figures(&self) -> Figures {
        self.figures
    }

    fn open(&mut self, number: usize) -> Option<&mut Entry> {
        self.entries.get_mut(number).filter(|entry| entry.publish == Publish::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_confirmed_and_never_handled_is_lost() {
        let mut ledger = Ledger::default();
        let [early, late, missing, failed, last] = [(); 5].map(|()| ledger.send());
        ledger.handle(early);
        ledger.confirm(early);
        ledger.confirm(late);
        ledger.confirm(missing);
        ledger.fail(failed);
        assert_eq!(ledger.figures().lost, 2);
        ledger.handle(late);
        ledger.handle(late);
        // It failed, and was there all the same.
        ledger.handle(failed);
        ledger.handle(last + 1);
        let expected = Figures {
            sent: 5,
            confirmed: 3,
            failed: 1,
            handled: 3,
            duplicates: 1,
            lost: 1,
            foreign: 1,
        };
        assert_eq!(ledger.figures(), expected);
    }

    #[test]
    fn a_publish_ends_once() {
        let mut ledger = Ledger::default();
        let number = ledger.send();
        ledger.fail(number);
        ledger.confirm(number);
        assert_eq!((ledger.figures().confirmed, ledger.figures().failed), (0, 1));
    }
}
