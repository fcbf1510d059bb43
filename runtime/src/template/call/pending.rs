use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use springhare_amqp::AmqpError;

use super::Outcome;
use crate::connection::LinkError;
use crate::error::CallError;

/// The calls of one channel that are not over.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    calls: HashMap<u64, Call>,
    end: Option<End>,
    /// A call reads the replies itself: it was the only one. Else the channel's task does.
    is_read_by_a_call: bool,
}

#[derive(Debug, Default)]
struct Call {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
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
    pub(super) fn add(&self, number: u64) -> bool {
        let mut state = self.lock();
        if state.end.is_none() {
            state.calls.insert(number, Call::default());
        }
        state.end.is_none()
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
        for (number, outcome) in outcomes {
            let call = number.and_then(|number| state.calls.get_mut(&number));
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
        state.calls.remove(&number);
        state.is_read_by_a_call
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().calls.is_empty()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Ends all calls, and takes no more. The last one that was published has `last` for its
    /// reason.
    pub(super) fn end(&self, end: &End, last: Option<(u64, End)>) {
        let mut wakers = Vec::new();
        {
            let mut state = self.lock();
            if state.end.is_some() {
                return;
            }
            state.end = Some(end.clone());
            for (number, call) in &mut state.calls {
                if call.outcome.is_none() {
                    let own = last.as_ref().filter(|(last, _)| last == number);
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
