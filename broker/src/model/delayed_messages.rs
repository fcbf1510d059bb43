use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::ShortString;

use crate::model::message::PublishedMessage;
use crate::model::pager::Pager;
use crate::model::queue::{ColdMessage, Expires, PageOut, QueueMessage, Shelf, Shelved};
use crate::model::stored::{Place, Reference};

/// The messages that wait at delayed exchanges until they are due, those of the same time in the
/// order in which they came.
///
/// Times are counted from the start of the broker's clock.
#[derive(Debug, Default)]
pub(crate) struct DelayedMessages {
    exchanges: HashMap<ShortString, Waiting>,
    /// Of each exchange when its first message is due, and its number.
    firsts: BTreeSet<(Duration, u64, ShortString)>,
    last_number: u64,
    bytes: u64,
}

/// The messages of one exchange, by the time when they are due and a number.
#[derive(Debug, Default)]
struct Waiting {
    messages: Shelf<(Duration, u64)>,
    /// None of them is due before.
    not_before: Duration,
}

/// A message that waits.
#[derive(Debug)]
pub(crate) struct WaitingMessage {
    due: Duration,
    number: u64,
    pub(crate) message: Shelved,
}

impl DelayedMessages {
    /// The memory that they take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Puts a message to wait at `exchange`; its reference is what the journal knows it by, if it
    /// keeps it.
    pub(crate) fn push(
        &mut self,
        due: Duration,
        exchange: &ShortString,
        message: Arc<PublishedMessage>,
        reference: Option<Reference>,
    ) {
        let number = self.next_number();
        let message = QueueMessage {
            position: number,
            expires: Expires::NEVER,
            delivery_count: 0,
            charge: u32::try_from(message.charge()).unwrap_or(u32::MAX),
            priority: 0,
            redelivered: false,
            reference,
            message,
        };
        let message = Shelved::Warm(message);
        self.insert(exchange, WaitingMessage { due, number, message });
    }

    /// The same for a message that is on the disk alone.
    pub(crate) fn restore(
        &mut self,
        due: Duration,
        exchange: &ShortString,
        (reference, place): (Reference, Place),
        body_len: u64,
    ) {
        let number = self.next_number();
        let message = ColdMessage {
            position: number,
            reference,
            segment: place.segment,
            offset: place.offset,
            expires: Expires::NEVER,
            delivery_count: 0,
            redelivered: false,
            priority: 0,
            body_len,
        };
        let message = Shelved::Cold(message);
        self.insert(exchange, WaitingMessage { due, number, message });
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Puts a message back to its place that could not be routed: it, and all that come after it at
    /// this exchange, wait until then.
    pub(crate) fn put_back(
        &mut self,
        exchange: &ShortString,
        message: WaitingMessage,
        not_before: Duration,
    ) {
        let waiting = self.exchanges.entry(exchange.clone()).or_default();
        let before = waiting.first();
        waiting.not_before = not_before;
        let after = waiting.first();
        self.move_first(exchange, before, after);
        self.insert(exchange, message);
    }

    fn insert(&mut self, exchange: &ShortString, message: WaitingMessage) {
        let WaitingMessage { due, number, message } = message;
        self.bytes += message.charge();
        let waiting = self.exchanges.entry(exchange.clone()).or_default();
        let before = waiting.first();
        waiting.messages.insert((due, number), message);
        let after = waiting.first();
        self.move_first(exchange, before, after);
    }

    /// Takes messages of this exchange out of memory that the journal has, if there are many.
    pub(crate) fn page_out(&mut self, exchange: &str, pager: &dyn Pager, how: PageOut) {
        if let Some(waiting) = self.exchanges.get_mut(exchange) {
            self.bytes -= waiting.messages.charge();
            waiting.messages.page_out(pager, how);
            self.bytes += waiting.messages.charge();
        }
    }

    /// What the journal knows those by that it keeps.
    #[cfg(test)]
    pub(crate) fn references(&self) -> impl Iterator<Item = Reference> {
        let messages = self.exchanges.values().flat_map(|waiting| waiting.messages.contents());
        messages.filter_map(|message| message.reference)
    }

    /// When the first message is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.firsts.first().map(|(due, ..)| *due)
    }

    /// Takes the first message that is due, with the exchange that it waited at.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<(ShortString, WaitingMessage)> {
        let (_, _, exchange) = self.firsts.first().filter(|(due, ..)| *due <= now)?;
        let exchange = exchange.clone();
        let waiting = self.exchanges.get_mut(&exchange)?;
        let before = waiting.first();
        let (due, number) = waiting.messages.first_key()?;
        let message = waiting.messages.pop_first()?;
        let after = waiting.first();
        self.bytes -= message.charge();
        if after.is_none() {
            self.exchanges.remove(&exchange);
        }
        self.move_first(&exchange, before, after);
        Some((exchange, WaitingMessage { due, number, message }))
    }

    /// Drops the messages of the exchanges that are not to be kept.
    pub(crate) fn retain_exchanges(&mut self, is_kept: impl Fn(&str) -> bool) -> Forgotten {
        let mut forgotten = Forgotten::default();
        self.exchanges.retain(|exchange, waiting| {
            let is_kept = is_kept(exchange);
            if !is_kept {
                forgotten.bytes += waiting.messages.charge();
                let dropped = waiting.messages.drain();
                forgotten.references.extend(dropped.filter_map(|message| message.reference()));
            }
            is_kept
        });
        self.firsts.retain(|(_, _, exchange)| self.exchanges.contains_key(exchange));
        self.bytes -= forgotten.bytes;
        forgotten
    }

    fn move_first(
        &mut self,
        exchange: &ShortString,
        before: Option<(Duration, u64)>,
        after: Option<(Duration, u64)>,
    ) {
        if before == after {
            return;
        }
        if let Some((due, number)) = before {
            self.firsts.remove(&(due, number, exchange.clone()));
        }
        if let Some((due, number)) = after {
            self.firsts.insert((due, number, exchange.clone()));
        }
    }
}

/// Messages that were dropped.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    /// The bytes that they were charged with.
    pub(crate) bytes: u64,
    /// What the journal knows them by, as far as it keeps them.
    pub(crate) references: Vec<Reference>,
}

impl Waiting {
    fn first(&self) -> Option<(Duration, u64)> {
        self.messages.first_key().map(|(due, number)| (due.max(self.not_before), number))
    }
}

/// What a message counts while it waits, whoever else has it.
pub(crate) fn charge(message: &PublishedMessage) -> u64 {
    u64::try_from(message.charge()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use springhare_amqp::Message;

    use super::*;

    fn message(body: &str) -> Arc<PublishedMessage> {
        let message = Message::new(body.to_owned());
        Arc::new(PublishedMessage::new(ShortString::EMPTY, ShortString::EMPTY, message))
    }

    fn body(message: &Shelved) -> String {
        let Shelved::Warm(message) = message else { panic!("nothing is on the disk here") };
        String::from_utf8(message.message.message.body.to_vec()).unwrap()
    }

    fn exchange(number: u8) -> ShortString {
        ShortString::new(format!("x{number}")).unwrap()
    }

    /// Exchange and body of all that is due.
    fn due(delayed: &mut DelayedMessages, now: u64) -> Vec<(String, String)> {
        std::iter::from_fn(|| delayed.pop_due(Duration::from_millis(now)))
            .map(|(exchange, waiting)| (exchange.to_string(), body(&waiting.message)))
            .collect()
    }

    #[test]
    fn a_message_is_not_there_before_it_is_due() {
        let mut delayed = DelayedMessages::default();
        delayed.push(Duration::from_millis(5), &exchange(0), message("m"), None);
        assert_eq!(delayed.next_due(), Some(Duration::from_millis(5)));
        assert_eq!(delayed.bytes(), charge(&message("m")));
        assert!(due(&mut delayed, 4).is_empty());
        assert_eq!(due(&mut delayed, 5), [("x0".to_owned(), "m".to_owned())]);
        assert_eq!((delayed.next_due(), delayed.bytes()), (None, 0));
        assert!(delayed.is_empty());
    }

    #[test]
    fn what_is_put_back_keeps_its_place_and_holds_up_what_comes_after_it() {
        let mut delayed = DelayedMessages::default();
        let at = Duration::from_millis;
        for (due, to, body) in [(1, 0, "a"), (2, 0, "b"), (2, 1, "c"), (4, 0, "d")] {
            delayed.push(at(due), &exchange(to), message(body), None);
        }
        let (from, first) = delayed.pop_due(at(3)).unwrap();
        delayed.put_back(&from, first, at(10));
        assert_eq!(delayed.next_due(), Some(at(2)), "others go on");
        assert_eq!(due(&mut delayed, 9), [("x1".to_owned(), "c".to_owned())]);
        assert_eq!(delayed.next_due(), Some(at(10)));
        let x0 = |body: &str| ("x0".to_owned(), body.to_owned());
        assert_eq!(due(&mut delayed, 10), [x0("a"), x0("b"), x0("d")]);
        assert!(delayed.is_empty() && delayed.bytes() == 0);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u64, u8),
        PopTo(u64),
        Drop(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u64..20, 0u8..4).prop_map(|(due, exchange)| Step::Push(due, exchange)),
            2 => (0u64..20).prop_map(Step::PopTo),
            1 => (0u8..4).prop_map(Step::Drop),
        ]
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_sorted_list_does(steps in proptest::collection::vec(step(), 0..80)) {
            let mut delayed = DelayedMessages::default();
            let mut naive: Vec<(u64, usize, u8)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(due, to) => {
                        let body = format!("{number:04}");
                        delayed.push(Duration::from_millis(due), &exchange(to), message(&body), None);
                        naive.push((due, number, to));
                        naive.sort_unstable();
                    }
                    Step::PopTo(now) => {
                        let count = naive.partition_point(|(due, ..)| *due <= now);
                        let expected: Vec<_> = naive
                            .drain(..count)
                            .map(|(_, number, to)| (exchange(to).to_string(), format!("{number:04}")))
                            .collect();
                        prop_assert_eq!(due(&mut delayed, now), expected);
                    }
                    Step::Drop(gone) => {
                        let before = delayed.bytes();
                        naive.retain(|(_, _, to)| *to != gone);
                        let freed = delayed.retain_exchanges(|name| *exchange(gone) != *name);
                        prop_assert_eq!(before - freed.bytes, delayed.bytes());
                    }
                }
                let next = naive.first().map(|(due, ..)| Duration::from_millis(*due));
                prop_assert_eq!(delayed.next_due(), next);
                prop_assert_eq!(delayed.bytes(), naive.len() as u64 * charge(&message("0000")));
                prop_assert_eq!(delayed.is_empty(), naive.is_empty());
            }
        }
    }
}
