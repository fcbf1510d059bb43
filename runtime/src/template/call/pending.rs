use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use ahash::AHashMap;
use springhare_amqp::{AmqpError, Property, ShortString};
use springhare_broker::Clock;
use tokio::sync::Notify;

use super::Outcome;
use super::wait::Wait;
use crate::connection::LinkError;
use crate::error::CallError;

/// So many ends of waits are kept beyond twice those of calls that are not over.
const ENDS_SPARE: usize = 64;

/// The calls of one channel that are not over.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    /// A wait may be over sooner than it is looked for.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct State {
    calls: AHashMap<u64, Call>,
    /// Those of them whose callers chose their correlation ids.
    named: AHashMap<ShortString, u64>,
    /// When waits are over, and whose; those of calls that are over, or wait shorter, stay for a while.
    ends: BinaryHeap<Reverse<(Duration, u64)>>,
    end: Option<End>,
    /// A call reads the replies itself: it was the only one. Else the channel's task does.
    is_read_by_a_call: bool,
}

#[derive(Debug)]
struct Call {
    name: Option<ShortString>,
    wait: Wait,
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

impl Call {
    /// Whether it ends then, without a reply.
    fn waits_until(&self, until: Duration) -> bool {
        self.outcome.is_none() && self.wait.until() == until
    }
}

impl State {
    /// A call's wait is over then; whether no other's is before.
    fn ends_at(&mut self, number: u64, until: Duration) -> bool {
        if self.ends.len() > 2 * self.calls.len() + ENDS_SPARE {
            let calls = &self.calls;
            self.ends.retain(|Reverse((until, number))| {
                calls.get(number).is_some_and(|call| call.waits_until(*until))
            });
        }
        let is_first = self.ends.peek().is_none_or(|Reverse((first, _))| until < *first);
        self.ends.push(Reverse((until, number)));
        is_first
    }
}

/// Why a channel takes no more calls.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// There is no exchange that it could be for.
    NoExchange(AmqpError),
    /// The broker refuses something that all its calls need.
    Refused(AmqpError),
    /// It could not be opened.
    NotOpened(LinkError),
    Lost(LinkError),
    Stopped,
}

impl From<End> for CallError {
    fn from(end: End) -> Self {
        match end {
            End::NoExchange(error) => Self::NoExchange(error),
            End::Refused(error) => Self::Refused(error),
            End::NotOpened(error) => Self::NotSent(error),
            End::Lost(error) => Self::Unknown(error),
            End::Stopped => Self::Stopped,
        }
    }
}

/// What a call finds.
#[derive(Debug)]
pub(super) enum Look {
    Over(Outcome),
    /// The channel's task reads for it.
    Waits,
    /// It had better read itself: it is alone, or another reads that cannot be relied upon.
    Reads,
}

impl Pending {
    /// Adds a call; false if the channel takes no more.
    pub(super) fn add(&self, number: u64, wait: Wait) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        let is_first = state.ends_at(number, wait.until());
        state.calls.insert(number, Call { name: None, wait, outcome: None, waker: None });
        drop(state);
        if is_first {
            self.sooner.notify_one();
        }
        true
    }

    /// Nobody answers any more who consumed from these queues.
    pub(super) fn leave(&self, queues: &BTreeSet<ShortString>, now: Duration) {
        let mut state = self.lock();
        let mut left = Vec::new();
        for (number, call) in &mut state.calls {
            if call.wait.is_for(|queue| queues.contains(queue)) && call.wait.leave(now) {
                left.push((*number, call.wait.until()));
            }
        }
        for (number, until) in left {
            state.ends_at(number, until);
        }
        drop(state);
        self.sooner.notify_one();
    }

    /// Ends calls whose waits are over, as long as it is polled.
    pub(super) async fn expire(&self, clock: &Clock) -> Infallible {
        loop {
            let next = self.end_expired(clock.now());
            let sooner = self.sooner.notified();
            match next {
                None => sooner.await,
                Some(at) => tokio::select! {
                    () = sooner => {}
                    () = clock.sleep_until(at) => {}
                },
            }
        }
    }

    /// Ends those whose waits are over; when to look again.
    fn end_expired(&self, now: Duration) -> Option<Duration> {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let State { calls, ends, .. } = &mut *state;
        let next = loop {
            let Some(&Reverse((until, number))) = ends.peek() else { break None };
            let call = calls.get_mut(&number).filter(|call| call.waits_until(until));
            if call.is_some() && until > now {
                break Some(until);
            }
            ends.pop();
            if let Some(call) = call {
                call.outcome = Some(Err(call.wait.error()));
                wakers.extend(call.waker.take());
            }
        };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    /// Whether a call has its outcome.
    pub(super) fn is_over(&self, number: u64) -> bool {
        self.lock().calls.get(&number).is_none_or(|call| call.outcome.is_some())
    }

    /// Gives a call this correlation id in place of its number; false if another has it.
    pub(super) fn name(&self, number: u64, name: &ShortString) -> bool {
        let mut state = self.lock();
        let State { calls, named, .. } = &mut *state;
        if named.contains_key(name) {
            return false;
        }
        // One that is over already answers to nothing.
        if let Some(call) = calls.get_mut(&number) {
            call.name = Some(name.clone());
            named.insert(name.clone(), number);
        }
        true
    }

    /// Looks how far a call is, and remembers whom to wake.
    pub(super) fn look(&self, number: u64, waker: &Waker) -> Look {
        let mut state = self.lock();
        let reads = state.is_read_by_a_call || state.calls.len() == 1;
        // One that is gone was looked at after its outcome was taken.
        let Some(call) = state.calls.get_mut(&number) else {
            return Look::Over(Err(CallError::Stopped));
        };
        if let Some(outcome) = call.outcome.take() {
            return Look::Over(outcome);
        }
        if !call.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            call.waker = Some(waker.clone());
        }
        if reads { Look::Reads } else { Look::Waits }
    }

    /// The outcome of a call that read just now.
    pub(super) fn take(&self, number: u64) -> Poll<Outcome> {
        let outcome = self.lock().calls.get_mut(&number).and_then(|call| call.outcome.take());
        outcome.map_or(Poll::Pending, Poll::Ready)
    }

    /// Who is to hear of the next reply, under the lock of who reads: a call that waits for its own
    /// and is the only one, else the task. A call may be left alone by its own task for long, and
    /// all others would wait with it.
    pub(super) fn is_read_by(&self, reader: Option<u64>) -> bool {
        let mut state = self.lock();
        let waits = |number| state.calls.get(&number).is_some_and(|call| call.outcome.is_none());
        state.is_read_by_a_call = state.calls.len() == 1 && reader.is_some_and(waits);
        state.is_read_by_a_call
    }

    /// Gives calls their outcomes, and says how many nobody waits for any more. The one that reads
    /// sees for itself, the others' wakers are added to `wakers`.
    pub(super) fn settle(
        &self,
        outcomes: impl Iterator<Item = (Option<u64>, Outcome)>,
        reader: Option<u64>,
        wakers: &mut Vec<Waker>,
    ) -> u64 {
        let mut state = self.lock();
        let mut late = 0;
        let State { calls, named, .. } = &mut *state;
        for (number, outcome) in outcomes {
            let number = number.or_else(|| named.get(&name_of(&outcome)?).copied());
            let call = number.and_then(|number| calls.get_mut(&number));
            match call.filter(|call| call.outcome.is_none()) {
                Some(call) => {
                    call.outcome = Some(outcome);
                    wakers.extend(call.waker.take().filter(|_| number != reader));
                }
                None => late += 1,
            }
        }
        late
    }

    /// Removes a call; whether it may have been the one that reads.
    pub(super) fn remove(&self, number: u64) -> bool {
        let mut state = self.lock();
        if let Some(name) = state.calls.remove(&number).and_then(|call| call.name) {
            state.named.remove(&name);
        }
        state.is_read_by_a_call
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().calls.is_empty()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.lock().end, Some(End::Stopped))
    }

    /// Ends all calls, and takes no more. The last one that was published has `last` for its
    /// reason.
    pub(super) fn end(&self, end: &End, last: Option<&(u64, End)>) {
        let mut wakers = Vec::new();
        {
            let mut state = self.lock();
            if state.end.is_some() {
                return;
            }
            state.end = Some(end.clone());
            for (number, call) in &mut state.calls {
                if call.outcome.is_none() {
                    let own = last.filter(|(last, _)| last == number);
                    let end = own.map_or(end, |(_, end)| end);
                    call.outcome = Some(Err(end.clone().into()));
                    wakers.extend(call.waker.take());
                }
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The state is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The correlation id of a reply, or of a request that came back.
fn name_of(outcome: &Outcome) -> Option<ShortString> {
    let message = match outcome {
        Ok(reply) => reply,
        Err(CallError::Unroutable(returned)) => &returned.message,
        Err(_) => return None,
    };
    message.properties.text(Property::CorrelationId)
}

#[cfg(test)]
mod tests {
    use std::iter::once;
    use std::pin::{Pin, pin};
    use std::task::Context;

    use springhare_amqp::{Message, MethodId, ReplyCode};

    use super::*;
    use crate::template::call::wait::UNATTENDED_WAIT;

    fn add(pending: &Pending, number: u64) -> bool {
        pending.add(number, Wait::new(None, Duration::ZERO, Duration::MAX))
    }

    fn look(pending: &Pending, number: u64) -> Look {
        pending.look(number, Waker::noop())
    }

    fn look_at(expiring: Pin<&mut impl Future<Output = Infallible>>) {
        let Poll::Pending = expiring.poll(&mut Context::from_waker(Waker::noop()));
    }

    #[test]
    fn a_call_ends_when_its_wait_is_over_whichever_began_first() {
        let (clock, hand) = Clock::manual();
        let pending = Pending::default();
        let mut expiring = pin!(pending.expire(&clock));
        look_at(expiring.as_mut());
        for (number, seconds) in [(1, 5), (2, 1), (3, 2)] {
            let timeout = Duration::from_secs(seconds);
            assert!(pending.add(number, Wait::new(None, clock.now(), timeout)));
            look_at(expiring.as_mut());
        }
        let mut over_after = |seconds, expected: &[u64]| {
            hand.advance(Duration::from_secs(seconds));
            look_at(expiring.as_mut());
            for number in 1..=3 {
                let is_over = matches!(
                    look(&pending, number),
                    Look::Over(Err(CallError::Timeout { after })) if after.as_secs() == seconds
                );
                assert_eq!(is_over, expected.contains(&number), "{number} after {seconds}");
            }
        };
        over_after(1, &[2]);
        // One that is over for its caller is no wait any more.
        pending.remove(3);
        over_after(5, &[1]);
    }

    #[test]
    fn a_call_to_a_queue_that_is_left_waits_shorter() {
        let (clock, hand) = Clock::manual();
        let pending = Pending::default();
        let queue = ShortString::from_static("answers");
        let mut expiring = pin!(pending.expire(&clock));
        for (number, queue) in [(1, Some(queue.clone())), (2, None)] {
            let wait = Wait::new(queue, clock.now(), Duration::from_secs(5));
            assert!(pending.add(number, wait));
        }
        look_at(expiring.as_mut());
        pending.leave(&BTreeSet::from([queue]), clock.now());
        look_at(expiring.as_mut());
        hand.advance(UNATTENDED_WAIT);
        look_at(expiring.as_mut());
        assert!(matches!(look(&pending, 1), Look::Over(Err(CallError::Stopped))));
        assert!(matches!(look(&pending, 2), Look::Reads | Look::Waits));
    }

    #[test]
    fn a_call_reads_only_while_it_is_alone() {
        let pending = Pending::default();
        assert!(add(&pending, 1));
        assert!(matches!(look(&pending, 1), Look::Reads));
        assert!(pending.is_read_by(Some(1)));
        assert!(add(&pending, 2));
        assert!(matches!(look(&pending, 2), Look::Reads), "the first may not be polled any more");
        assert!(!pending.is_read_by(Some(2)), "it hands over to the task");
        assert!(matches!(look(&pending, 1), Look::Waits));
        assert!(matches!(look(&pending, 2), Look::Waits));
        assert!(!pending.remove(1));
        assert!(matches!(look(&pending, 2), Look::Reads));
        assert!(pending.is_read_by(Some(2)));
        assert!(pending.remove(2), "the task has to take over");
    }

    #[test]
    fn a_call_that_has_its_reply_hands_over() {
        let pending = Pending::default();
        let mut wakers = Vec::new();
        add(&pending, 1);
        assert!(pending.is_read_by(Some(1)));
        let reply = || Ok(Message::new("reply"));
        assert_eq!(pending.settle(once((Some(1), reply())), Some(1), &mut wakers), 0);
        assert!(!pending.is_read_by(Some(1)));
        assert_eq!(pending.settle(once((Some(1), reply())), None, &mut wakers), 1, "a second one");
        assert_eq!(pending.settle(once((Some(2), reply())), None, &mut wakers), 1);
        assert_eq!(pending.settle(once((None, reply())), None, &mut wakers), 1);
        assert!(pending.take(1).is_ready());
        assert!(!pending.remove(1));
        assert!(pending.is_empty());
    }

    #[test]
    fn only_the_last_that_was_published_knows_why_the_channel_was_closed() {
        let missing = AmqpError::new(ReplyCode::NotFound, MethodId::BASIC_PUBLISH, "no exchange");
        let lost = LinkError::Closed { what: "channel", reason: Some(missing.clone()) };
        let pending = Pending::default();
        for number in 1..=3 {
            add(&pending, number);
        }
        pending.end(&End::Lost(lost), Some(&(2, End::NoExchange(missing))));
        assert!(matches!(look(&pending, 1), Look::Over(Err(CallError::Unknown(_)))));
        assert!(matches!(look(&pending, 2), Look::Over(Err(CallError::NoExchange(_)))));
        assert!(matches!(look(&pending, 3), Look::Over(Err(CallError::Unknown(_)))));
        assert!(!add(&pending, 4) && pending.has_ended());
    }
}
