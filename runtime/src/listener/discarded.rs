//! Who is told of messages that are given up: Spring's `handleDiscarded`.
//!
//! The application's hooks run on a thread of their own, one message after the other. A slow one
//! holds up nobody, and one that panics ends nothing.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::context::DeliveryContext;
use super::outcome::ListenerError;
use crate::template::ParkReason;

/// How many messages wait for the hooks at most; what comes beyond them is logged alone.
pub const DISCARDED_MAX: usize = 1024;

/// A message that was given up:
/// [`on_discarded`](crate::SpringhareBuilder::on_discarded) hears of it.
#[derive(Debug)]
pub struct Discarded {
    context: DeliveryContext,
    error: Option<ListenerError>,
    reason: DiscardReason,
    to: DiscardedTo,
}

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscardReason {
    /// It can never be handled: it can't be read, or its handler says so.
    Fatal,
    /// Its handler, or what is said of the error, has refused it.
    Rejected,
    /// Every one of its deliveries has failed.
    DeliveriesExhausted,
    /// It has failed, and its headers leave no room for the count of its deliveries.
    NoRoomToCount,
    /// No handler of its queue takes its key.
    Unmatched,
    /// It has failed, or its handler has sent it back, and it does not come again: it was acknowledged
    /// before its handler was called (`ack = "first"`), or needed no ack (`ack = "none"`).
    AcknowledgedBefore,
}

/// Where a message went that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscardedTo {
    /// A copy is in `<queue>.error`, confirmed.
    ErrorQueue,
    /// To its queue's dead-letter exchange, as the application knows it: what a policy of the broker
    /// says of dead letters it does not know.
    DeadLetterExchange,
    /// A copy went to the exchange that its listener's `recover` names, confirmed.
    Exchange,
    /// It is gone.
    Nowhere,
}

impl Discarded {
    /// The delivery: its message, its queue, its listener. It is settled: there is no delivery tag any more.
    #[must_use]
    pub fn context(&self) -> &DeliveryContext {
        &self.context
    }

    /// What its handler has failed with; none if no error has said it, as where the handler returned
    /// [`Outcome::Reject`](crate::Outcome::Reject).
    #[must_use]
    pub fn error(&self) -> Option<&ListenerError> {
        self.error.as_ref()
    }

    /// Why it was given up.
    #[must_use]
    pub fn reason(&self) -> DiscardReason {
        self.reason
    }

    /// Where it went.
    #[must_use]
    pub fn to(&self) -> DiscardedTo {
        self.to
    }
}

impl From<&ParkReason> for DiscardReason {
    fn from(reason: &ParkReason) -> Self {
        match reason {
            ParkReason::Fatal { .. } => Self::Fatal,
            ParkReason::DeliveriesExhausted { .. } => Self::DeliveriesExhausted,
            ParkReason::NoRoomToCount { .. } => Self::NoRoomToCount,
            ParkReason::Unmatched { .. } => Self::Unmatched,
        }
    }
}

/// Who wants to hear of it.
pub(crate) type DiscardedHook = Arc<dyn Fn(&Discarded) + Send + Sync>;

/// Where it is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Discards(Option<mpsc::Sender<Discarded>>);

impl Discards {
    /// Told to these hooks, by a task that ends once nobody can tell anything any more.
    pub(crate) fn to(hooks: Vec<DiscardedHook>) -> Self {
        if hooks.is_empty() {
            return Self(None);
        }
        let (sender, mut told) = mpsc::channel::<Discarded>(DISCARDED_MAX);
        let hooks: Arc<[DiscardedHook]> = hooks.into();
        tokio::spawn(async move {
            while let Some(discarded) = told.recv().await {
                let hooks = Arc::clone(&hooks);
                let called = move || hooks.iter().for_each(|hook| call(hook, &discarded));
                if let Err(error) = tokio::task::spawn_blocking(called).await {
                    tracing::error!(%error, "nobody could be told of a discarded message");
                }
            }
        });
        Self(Some(sender))
    }

    /// A delivery that may be given up, if anybody wants to hear of it.
    pub(super) fn of(
        &self,
        context: &DeliveryContext,
        error: Option<&ListenerError>,
    ) -> Option<Discarding> {
        let sender = self.0.as_ref()?;
        Some(Discarding {
            sender: sender.clone(),
            context: Box::new(context.for_onlookers()),
            error: error.map(ListenerError::share),
            is_rejected: false,
        })
    }
}

/// Calls a hook, whose panic is nothing to the others.
fn call(hook: &DiscardedHook, discarded: &Discarded) {
    if catch_unwind(AssertUnwindSafe(|| hook(discarded))).is_err() {
        tracing::error!(
            listener = discarded.context.listener_id(),
            queue = &**discarded.context.queue(),
            "who is told of discarded messages has panicked"
        );
    }
}

/// A delivery that may be given up, with what is told then.
pub(super) struct Discarding {
    sender: mpsc::Sender<Discarded>,
    context: Box<DeliveryContext>,
    error: Option<ListenerError>,
    is_rejected: bool,
}

impl Discarding {
    /// It was refused, whichever way it goes.
    pub(super) fn is_rejected(&mut self) {
        self.is_rejected = true;
    }

    /// It is given up, and has gone there.
    pub(super) fn tell(self, reason: DiscardReason, to: DiscardedTo) {
        let Self { sender, context, error, is_rejected } = self;
        let reason = if is_rejected { DiscardReason::Rejected } else { reason };
        let discarded = Discarded { context: *context, error, reason, to };
        if let Err(mpsc::error::TrySendError::Full(discarded)) = sender.try_send(discarded) {
            tracing::warn!(
                listener = discarded.context.listener_id(),
                queue = &**discarded.context.queue(),
                waiting = DISCARDED_MAX,
                "who is told of discarded messages is too slow, and does not hear of one"
            );
        }
    }
}

impl fmt::Debug for Discarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discarding").field("error", &self.error).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc as std_mpsc;

    fn tell(discards: &Discards, body: &str) {
        let cx = DeliveryContext::for_test().body(body.to_owned()).build();
        let error = ListenerError::msg("no van");
        let discarding = discards.of(&cx, Some(&error)).unwrap();
        discarding.tell(DiscardReason::Fatal, DiscardedTo::Nowhere);
    }

    #[tokio::test]
    async fn a_slow_hook_holds_up_nobody_and_misses_what_is_beyond_the_limit() {
        let (go, wait) = std_mpsc::channel::<()>();
        let (heard_by, mut heard) = mpsc::unbounded_channel();
        let wait = Mutex::new(wait);
        let discards = Discards::to(vec![Arc::new(move |_: &Discarded| {
            heard_by.send(()).unwrap();
            let _ = wait.lock().unwrap().recv();
        })]);
        tell(&discards, "the first");
        heard.recv().await.unwrap();
        for _ in 0..DISCARDED_MAX + 3 {
            tell(&discards, "another");
        }
        drop((go, discards));
        let mut others = 0;
        while heard.recv().await.is_some() {
            others += 1;
        }
        assert_eq!(others, DISCARDED_MAX);
    }

    #[tokio::test]
    async fn a_hook_that_panics_hears_of_the_next_message() {
        let (heard_by, mut heard) = mpsc::unbounded_channel();
        let discards = Discards::to(vec![Arc::new(move |discarded: &Discarded| {
            assert!(discarded.context().body() != "bad", "a panic of the test");
            let error = discarded.error().map(ToString::to_string);
            drop(heard_by.send((discarded.reason(), discarded.to(), error)));
        })]);
        tell(&discards, "bad");
        tell(&discards, "good");
        let expected = (DiscardReason::Fatal, DiscardedTo::Nowhere, Some("no van".to_owned()));
        assert_eq!(heard.recv().await, Some(expected));
    }

    #[test]
    fn nobody_is_told_where_nobody_wants_to_hear_and_a_discarded_delivery_has_no_tag() {
        let cx = DeliveryContext::for_test().body("tea").build();
        assert!(Discards::default().of(&cx, None).is_none());
        let onlooker = cx.for_onlookers();
        assert!(onlooker.take_delivery_tag().is_none());
        assert_eq!(onlooker.body(), "tea");
        assert!(cx.take_delivery_tag().is_some());
    }
}
