//! Watches for handlers that run for so long that the broker is about to take their message back.
//!
//! RabbitMQ closes the channel of a consumer that holds a message for longer than `consumer_timeout`, and
//! the handler's work is done twice. One timer a consumer looks at what is in hand, [`LOOKS`] times in
//! that time; a message costs a note of its tag, and reads no clock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::{Clock, Sleep};

/// How long RabbitMQ lets a consumer hold a message, where nothing else is set.
pub(crate) const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How often it is looked at what is in hand, in the time that it has.
const LOOKS: u32 = 20;
/// After so many of these looks a handler is told of that was there at the first of them: four fifths
/// of its time are over for certain.
const TOLD_AFTER: u32 = 16;

/// The handlers of one consumer.
#[derive(Debug)]
pub(super) struct SlowHandlers {
    listener: Arc<str>,
    queue: ShortString,
    /// How long a message may be held; none for as long as one likes.
    timeout: Option<Duration>,
    timer: Option<Sleep>,
    hands: Vec<Hand>,
    free: Vec<usize>,
}

/// A message in hand, or none.
#[derive(Debug, Default)]
struct Hand {
    /// 0 for none.
    delivery_tag: u64,
    /// When it was first seen.
    since: Option<Duration>,
    is_told: bool,
}

impl SlowHandlers {
    pub(super) fn new(listener: Arc<str>, queue: ShortString, timeout: Option<Duration>) -> Self {
        let (hands, free) = (vec![Hand::default()], Vec::new());
        Self { listener, queue, timeout, timer: None, hands, free }
    }

    /// The one handler of its consumer has this message in hand, and none before it.
    pub(super) fn takes(&mut self, delivery_tag: u64) {
        if let Some(hand) = self.hands.first_mut() {
            *hand = Hand { delivery_tag, ..Hand::default() };
        }
    }

    /// One of several handlers has this message in hand, until the number is given back.
    pub(super) fn begins(&mut self, delivery_tag: u64) -> usize {
        let hand = Hand { delivery_tag, ..Hand::default() };
        let number = self.free.pop().unwrap_or(self.hands.len());
        match self.hands.get_mut(number) {
            Some(slot) => *slot = hand,
            None => self.hands.push(hand),
        }
        number
    }

    /// Its handler is done.
    pub(super) fn ends(&mut self, number: usize) {
        if let Some(slot) = self.hands.get_mut(number) {
            *slot = Hand::default();
            self.free.push(number);
        }
    }

    /// To be called while a handler waits: tells of those that have waited for too long.
    pub(super) fn look(&mut self, cx: &mut Context<'_>, clock: &Clock) {
        let Some(timeout) = self.timeout else { return };
        let every = timeout / LOOKS;
        loop {
            let timer = self.timer.get_or_insert_with(|| clock.watch(every));
            if Pin::new(timer).poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            let now = clock.now();
            for hand in self.hands.iter_mut().filter(|hand| hand.delivery_tag > 0) {
                let since = *hand.since.get_or_insert(now);
                let held = now.saturating_sub(since);
                if held < every * TOLD_AFTER || hand.is_told {
                    continue;
                }
                hand.is_told = true;
                tracing::warn!(
                    listener = &*self.listener,
                    queue = &*self.queue,
                    delivery_tag = hand.delivery_tag,
                    held_for = ?held,
                    consumer_timeout = ?timeout,
                    "a handler has its message for long: RabbitMQ takes it back after \
                     `consumer_timeout`, closes the channel, and it is handled once more; bound the \
                     handler with `timeout`, acknowledge before it with `ack = \"first\"`, or raise \
                     the broker's `consumer_timeout` and the setting `consumer-timeout` here"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn told(slow: &SlowHandlers) -> Vec<u64> {
        let told = slow.hands.iter().filter(|hand| hand.is_told);
        told.map(|hand| hand.delivery_tag).collect()
    }

    #[test]
    fn who_holds_a_message_for_four_fifths_of_its_time_is_told_of() {
        let (clock, hand) = Clock::manual();
        let minute = Duration::from_secs(60);
        let mut slow = SlowHandlers::new("l".into(), ShortString::default(), Some(20 * minute));
        let mut cx = Context::from_waker(Waker::noop());
        let one = slow.begins(1);
        for minutes in 1..17 {
            hand.advance(minute);
            slow.look(&mut cx, &clock);
            if minutes == 10 {
                assert_ne!(slow.begins(2), one);
            }
        }
        assert_eq!(told(&slow), [0; 0]);
        hand.advance(2 * minute);
        slow.look(&mut cx, &clock);
        assert_eq!(told(&slow), [1]);
        slow.ends(one);
        assert_eq!(slow.begins(3), one);
        assert_eq!(told(&slow), [0; 0], "another has its place");
    }

    #[test]
    fn the_next_message_begins_anew() {
        let (clock, hand) = Clock::manual();
        let minute = Duration::from_secs(60);
        let mut slow = SlowHandlers::new("l".into(), ShortString::default(), Some(20 * minute));
        let mut cx = Context::from_waker(Waker::noop());
        for delivery_tag in 1..40 {
            slow.takes(delivery_tag);
            slow.look(&mut cx, &clock);
            hand.advance(15 * minute);
            slow.look(&mut cx, &clock);
            assert_eq!(told(&slow), [0; 0]);
        }
    }
}
