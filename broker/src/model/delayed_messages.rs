use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::ShortString;

use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;

/// The messages that wait at delayed exchanges until they are due, those of the same time in the
/// order in which they came.
///
/// Times are counted from the start of the broker's clock.
#[derive(Debug, Default)]
pub(crate) struct DelayedMessages {
    exchanges: HashMap<ShortString, Waiting>,
    /// Of each exchange the first message that is due, and its number.
    firsts: BTreeSet<(Duration, u64, ShortString)>,
    last_number: u64,
    bytes: u64,
}

/// The messages of one exchange.
#[derive(Debug, Default)]
struct Waiting {
    messages: BinaryHeap<Reverse<Delayed>>,
    bytes: u64,
}

#[derive(Debug)]
struct Delayed {
    due: Duration,
    number: u64,
    waiting: WaitingMessage,
}

/// A message that waits.
#[derive(Debug)]
pub(crate) struct WaitingMessage {
    pub(crate) message: Arc<PublishedMessage>,
    /// What the journal knows it by, if it keeps it.
    pub(crate) reference: Option<Reference>,
}

impl DelayedMessages {
    /// The bytes that they are charged with.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Puts a message to wait at `exchange`.
    pub(crate) fn push(&mut self, due: Duration, exchange: &ShortString, message: WaitingMessage) {
        let bytes = charge(&message.message);
        self.bytes += bytes;
        self.last_number += 1;
        let waiting = self.exchanges.entry(exchange.clone()).or_default();
        waiting.bytes += bytes;
        let before = waiting.first();
        waiting.messages.push(Reverse(Delayed { due, number: self.last_number, waiting: message }));
        let after = waiting.first();
        self.move_first(exchange, before, after);
    }

    /// What the journal knows those by that it keeps.
    #[cfg(test)]
    pub(crate) fn references(&self) -> impl Iterator<Item = Reference> {
        let messages = self.exchanges.values().flat_map(|waiting| &waiting.messages);
        messages.filter_map(|Reverse(delayed)| delayed.waiting.reference)
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
        let Reverse(Delayed { waiting: message, .. }) = waiting.messages.pop()?;
        let after = waiting.first();
        let bytes = charge(&message.message);
        waiting.bytes -= bytes;
        self.bytes -= bytes;
        if after.is_none() {
            self.exchanges.remove(&exchange);
        }
        self.move_first(&exchange, before, after);
        Some((exchange, message))
    }

    /// Drops the messages of the exchanges that are not to be kept.
    pub(crate) fn retain_exchanges(&mut self, is_kept: impl Fn(&str) -> bool) -> Forgotten {
        let mut forgotten = Forgotten::default();
        self.exchanges.retain(|exchange, waiting| {
            let is_kept = is_kept(exchange);
            if !is_kept {
                forgotten.bytes += waiting.bytes;
                let dropped = waiting.messages.drain();
                let references = dropped.filter_map(|Reverse(delayed)| delayed.waiting.reference);
                forgotten.references.extend(references);
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
        self.messages.peek().map(|Reverse(first)| first.key())
    }
}

impl Delayed {
    fn key(&self) -> (Duration, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
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

    fn message(body: &str) -> WaitingMessage {
        let message = Message::new(body.to_owned());
        let message = PublishedMessage::new(ShortString::EMPTY, ShortString::EMPTY, message);
        WaitingMessage { message: Arc::new(message), reference: None }
    }

    fn exchange(number: u8) -> ShortString {
        ShortString::new(format!("x{number}")).unwrap()
    }

    /// Exchange and body of all that is due.
    fn due(delayed: &mut DelayedMessages, now: u64) -> Vec<(String, String)> {
        std::iter::from_fn(|| delayed.pop_due(Duration::from_millis(now)))
            .map(|(exchange, message)| {
                let body = message.message.message.body.to_vec();
                let body = String::from_utf8(body).unwrap();
                (exchange.to_string(), body)
            })
            .collect()
    }

    #[test]
    fn a_message_is_not_there_before_it_is_due() {
        let mut delayed = DelayedMessages::default();
        delayed.push(Duration::from_millis(5), &exchange(0), message("m"));
        assert_eq!(delayed.next_due(), Some(Duration::from_millis(5)));
        assert_eq!(delayed.bytes(), charge(&message("m").message));
        assert!(due(&mut delayed, 4).is_empty());
        assert_eq!(due(&mut delayed, 5), [("x0".to_owned(), "m".to_owned())]);
        assert_eq!((delayed.next_due(), delayed.bytes()), (None, 0));
        assert!(delayed.is_empty());
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
                        delayed.push(Duration::from_millis(due), &exchange(to), message(&body));
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
                prop_assert_eq!(delayed.bytes(), naive.len() as u64 * charge(&message("0000").message));
                prop_assert_eq!(delayed.is_empty(), naive.is_empty());
            }
        }
    }
}
