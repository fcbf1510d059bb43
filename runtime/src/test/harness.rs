//! An application under test, on a broker of its own.

use std::env;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use springhare_broker::{Broker, Clock, ManualClock};
use tokio::sync::OnceCell;

use super::capture::{CapturedListener, Captures};
use super::declared::Declared;
use super::faults::{FaultLink, Faults};
use super::queues::InspectedQueue;
use crate::app::{Springhare, SpringhareBuilder};
use crate::connection::{Address, AmqpLink, EmbeddedLink, Link, LinkConnection};
use crate::error::{Error, Result, StartError};
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::observe::Observer;
use crate::template::RabbitTemplate;

/// The environment's address of the broker that all harnesses use, in place of one of their own.
pub const TEST_URL_VARIABLE: &str = "SPRINGHARE_TEST_URL";

/// The steps that [`Harness::advance`] takes, at least; a long time is cut into
/// [`STEPS_MAX`] instead.
const STEP: Duration = Duration::from_millis(100);
const STEPS_MAX: u32 = 1_000;
/// How often others run between two steps.
const TURNS: usize = 16;
/// How long [`Harness::stop`] lets handlers end by themselves before it moves the clock, and how long
/// each step of it takes at least, both in real time: an application's `STOP_DEADLINE` is over after
/// another half.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
const STOP_PACE: Duration = Duration::from_millis(10);
/// How long it waits at most in real time, which elsewhere is the application's deadline, too.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// An application under test: on a broker of its own in this process, with a clock that stands
/// still until the test [moves](Self::advance) it.
///
/// With `SPRINGHARE_TEST_URL` in the environment the same test runs on that broker: all names stay
/// as they are, so that no two tests may use the same at a time (`cargo test -- --test-threads=1`);
/// what the application declares is deleted before and after; and the clock is the real one.
///
/// ```
/// use springhare::prelude::*;
/// use springhare::test::{CallOutcome, Harness, Settlement};
///
/// #[rabbit_listener(id = "orders", queue = "orders")]
/// async fn fulfil(Text(order): Text) -> ListenerResult {
///     if order == "nothing" {
///         return Err(ListenerError::reject_and_dont_requeue("nobody orders nothing"));
///     }
///     Ok(())
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> springhare::Result<()> {
///     let h = Harness::start(|app| app.listeners(listeners![fulfil])).await?;
///     h.rabbit().convert_and_send("orders", "tea").await?;
///     h.rabbit().convert_and_send("orders", "nothing").await?;
///
///     let calls = h.listener("orders").await_calls(2).await;
///     assert_eq!(calls[0].payload::<String>()?, "tea");
///     assert_eq!(calls[0].settlement(), Some(Settlement::Acked));
///     assert_eq!(calls[1].outcome(), CallOutcome::Failed);
///     assert_eq!(calls[1].error(), Some("nobody orders nothing"));
///     assert_eq!(calls[1].settlement(), Some(Settlement::Rejected));
///     assert!(h.queue("orders").is_empty().await?);
///     h.stop().await
/// }
/// ```
pub struct Harness {
    app: Springhare,
    /// Past the faults.
    link: Arc<dyn Link>,
    faults: Faults,
    captures: Arc<Captures>,
    inspecting: OnceCell<Arc<dyn LinkConnection>>,
    place: Place,
}

/// Which broker it is.
enum Place {
    /// One of its own, which ends with it, and the hand of its clock.
    Own(Broker, ManualClock),
    /// Another one, where this is deleted in the end.
    Elsewhere(Declared),
}

impl Harness {
    /// Starts an application on a broker of its own, or on that of `SPRINGHARE_TEST_URL`.
    ///
    /// `build` says what the application is. Its broker is the harness's: whatever the builder is
    /// told of another is passed over. Those that have a name are brokers in this process, whatever
    /// the settings say of their places, unless the builder is given a link or a broker for one. Settings are those that the builder names, by `.config(..)` and
    /// `.environment(..)`: no `springhare.toml` is looked for, and the process's environment counts for
    /// nothing, for placeholders neither.
    ///
    /// # Errors
    ///
    /// As [`SpringhareBuilder::start`]; [`Error::Address`] when
    /// `SPRINGHARE_TEST_URL` can't be read.
    pub async fn start(build: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder) -> Result<Self> {
        match env::var(TEST_URL_VARIABLE) {
            Ok(url) => Self::start_at(&url, build).await,
            Err(_) => Self::start_embedded(build(Springhare::builder()).by_itself()).await,
        }
    }

    /// Starts an application on the broker of this address, as if `SPRINGHARE_TEST_URL` were it.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_at(
        url: &str,
        build: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder,
    ) -> Result<Self> {
        let builder = build(Springhare::builder()).by_itself();
        match url.parse()? {
            Address::Amqp(addresses) => {
                let link: Arc<dyn Link> = Arc::new(AmqpLink::new(addresses));
                // What can't start deletes nothing.
                let (graph, faults) = builder.graph();
                StartError::of(faults)?;
                let declared = Declared::of(&graph);
                declared.delete(&*link).await?;
                Self::start_on(link, builder, Place::Elsewhere(declared)).await
            }
            Address::Embedded(_) => Self::start_embedded(builder).await,
        }
    }

    async fn start_embedded(builder: SpringhareBuilder) -> Result<Self> {
        let (clock, hand) = Clock::manual();
        let broker = Broker::builder().clock(clock).start()?;
        let link = Arc::new(EmbeddedLink::new(broker.clone()));
        Self::start_on(link, builder, Place::Own(broker, hand)).await
    }

    async fn start_on(
        link: Arc<dyn Link>,
        builder: SpringhareBuilder,
        place: Place,
    ) -> Result<Self> {
        let (fault_link, faults) = FaultLink::over_shared(Arc::clone(&link));
        let captures = Arc::<Captures>::default();
        let observer = Arc::clone(&captures) as Arc<dyn Observer>;
        let clock = link.clock().clone();
        let builder = builder.link(fault_link).with_stand_ins(clock).observed_by(observer);
        let app = builder.start().await?;
        Ok(Self { app, link, faults, captures, inspecting: OnceCell::new(), place })
    }

    /// The application.
    #[must_use]
    pub fn app(&self) -> &Springhare {
        &self.app
    }

    /// The application's template.
    #[must_use]
    pub fn rabbit(&self) -> RabbitTemplate {
        self.app.rabbit_template()
    }

    /// The broker in this process; none with `SPRINGHARE_TEST_URL`.
    #[must_use]
    pub fn broker(&self) -> Option<&Broker> {
        match &self.place {
            Place::Own(broker, _) => Some(broker),
            Place::Elsewhere(_) => None,
        }
    }

    /// Lets so much time pass: for messages that expire or are delayed, for pauses and retries.
    ///
    /// The hand-driven clock is moved in small steps, between which others run: what begins to wait
    /// on the way has its time, too. That wants tasks and test on one thread, as `#[tokio::test]`
    /// has them. Elsewhere it really waits.
    pub async fn advance(&self, duration: Duration) {
        let Place::Own(_, hand) = &self.place else {
            return self.link.clock().sleep(duration).await;
        };
        let step = STEP.max(duration / STEPS_MAX);
        let mut left = duration;
        others_run().await;
        while !left.is_zero() {
            hand.advance(step.min(left));
            left = left.saturating_sub(step);
            others_run().await;
        }
    }

    /// What the listener of this id is called with.
    ///
    /// # Panics
    ///
    /// When there is no such listener; the message names those that there are.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "a test ends with a panic")]
    pub fn listener<'h>(&'h self, id: &'h str) -> CapturedListener<'h> {
        let Some(acknowledge) = self.acknowledge_mode(id) else {
            let ids: Vec<String> = self.app.listener_ids().collect();
            panic!("there is no listener '{id}'; there are: {}", ids.join(", "));
        };
        CapturedListener::new(&self.captures, id, acknowledge)
    }

    fn acknowledge_mode(&self, id: &str) -> Option<AcknowledgeMode> {
        let mut graphs = self.app.graphs().map(|(_, graph)| graph);
        graphs.find_map(|graph| {
            graph.listeners().find(|plan| &*plan.id == id).map(|plan| plan.acknowledge)
        })
    }

    /// A queue to look into.
    #[must_use]
    pub fn queue(&self, name: impl Into<String>) -> InspectedQueue<'_> {
        InspectedQueue { connection: &self.inspecting, link: &*self.link, name: name.into() }
    }

    /// Makes faults between the application and its broker.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Stops the application, and deletes what it has declared where the broker is not its own.
    ///
    /// First all [`faults`](Self::faults) end. Handlers then have a second to end by themselves; for
    /// those that wait on the hand-driven clock it is moved, until the application's deadline is over
    /// and what they hold is put back.
    ///
    /// A harness that is dropped instead ends at once, and leaves things behind at a broker that is
    /// not its own; the next start deletes them.
    ///
    /// # Errors
    ///
    /// As [`Springhare::stop`], and those of deleting: the first of them. Whatever fails, the rest is
    /// done. [`Error::Other`] when the application has not stopped after 30 s of real time.
    pub async fn stop(self) -> Result<()> {
        self.faults.unblock();
        self.faults.restore();
        let stopped = self.app_stops().await;
        let closed = match self.inspecting.get() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        };
        let deleted = match self.place {
            Place::Own(broker, _) => {
                broker.stop();
                Ok(())
            }
            Place::Elsewhere(declared) => declared.delete(&*self.link).await,
        };
        stopped.and(closed.map_err(Into::into)).and(deleted)
    }

    async fn app_stops(&self) -> Result<()> {
        let mut stop = pin!(self.app.stop());
        let mut limit = Clock::system().sleep(STOP_LIMIT);
        let mut patience = pin!(self.time_passes_for_the_stop());
        std::future::poll_fn(|cx| {
            if let Poll::Ready(stopped) = stop.as_mut().poll(cx) {
                return Poll::Ready(stopped);
            }
            // It has no end before the limit's.
            let _ = patience.as_mut().poll(cx);
            pin!(&mut limit).poll(cx).map(|()| {
                let text = format!("the application did not stop within {STOP_LIMIT:?}");
                Err(Error::Other(text.into()))
            })
        })
        .await
    }

    /// Moves the clock on for as long as somebody asks.
    async fn time_passes_for_the_stop(&self) {
        let real = Clock::system();
        real.sleep(STOP_PATIENCE).await;
        let Place::Own(_, hand) = &self.place else { return std::future::pending().await };
        loop {
            hand.advance(STEP);
            others_run().await;
            real.sleep(STOP_PACE).await;
        }
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("app", &self.app).finish_non_exhaustive()
    }
}

async fn others_run() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}
