//! An application under test, on a broker of its own.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use springhare_broker::{Broker, Clock, IfUnused, ManualClock, QueueDeleteOptions};
use tokio::sync::OnceCell;

use super::capture::{CapturedListener, Captures};
use super::faults::{FaultLink, Faults};
use super::queues::InspectedQueue;
use crate::app::{Springhare, SpringhareBuilder};
use crate::connection::{Address, AmqpLink, EmbeddedLink, Link, LinkConnection};
use crate::error::Result;
use crate::graph::Graph;
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::observe::Observer;
use crate::template::{RabbitTemplate, error_queue_of};

/// The environment's address of the broker that all harnesses use, in place of one of their own.
pub const TEST_URL_VARIABLE: &str = "SPRINGHARE_TEST_URL";

/// The steps that [`Harness::advance`] takes, at least; a long time is cut into
/// [`STEPS_MAX`] instead.
const STEP: Duration = Duration::from_millis(100);
const STEPS_MAX: u32 = 1_000;
/// How often others run between two steps.
const TURNS: usize = 16;

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

/// What an application declares.
struct Declared {
    queues: BTreeSet<String>,
    exchanges: BTreeSet<String>,
}

impl Harness {
    /// Starts an application on a broker of its own, or on that of `SPRINGHARE_TEST_URL`.
    ///
    /// `build` says what the application is. Its broker is the harness's: whatever the builder is
    /// told of another is passed over.
    ///
    /// # Errors
    ///
    /// As [`SpringhareBuilder::start`]; [`Error::Address`](crate::Error::Address) when
    /// `SPRINGHARE_TEST_URL` can't be read.
    pub async fn start(build: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder) -> Result<Self> {
        match env::var(TEST_URL_VARIABLE) {
            Ok(url) => Self::start_at(&url, build).await,
            Err(_) => Self::start_embedded(build(Springhare::builder())).await,
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
        let builder = build(Springhare::builder());
        match url.parse()? {
            Address::Amqp(addresses) => {
                let link: Arc<dyn Link> = Arc::new(AmqpLink::new(addresses));
                let declared = Declared::of(&builder.graph().0);
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
        let app = builder.link(fault_link).observed_by(observer).start().await?;
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
            let ids: Vec<&str> = self.app.listener_ids().collect();
            panic!("there is no listener '{id}'; there are: {}", ids.join(", "));
        };
        CapturedListener::new(&self.captures, id, acknowledge)
    }

    fn acknowledge_mode(&self, id: &str) -> Option<AcknowledgeMode> {
        self.app.graph().listeners.iter().find(|plan| &*plan.id == id).map(|plan| plan.acknowledge)
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
    /// A harness that is dropped instead ends at once, and leaves things behind at a broker that is
    /// not its own; the next start deletes them.
    ///
    /// # Errors
    ///
    /// As [`Springhare::stop`], and those of deleting.
    pub async fn stop(self) -> Result<()> {
        self.app.stop().await?;
        if let Some(connection) = self.inspecting.get() {
            connection.close().await?;
        }
        match self.place {
            Place::Own(broker, _) => broker.stop(),
            Place::Elsewhere(declared) => declared.delete(&*self.link).await?,
        }
        Ok(())
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

impl Declared {
    fn of(graph: &Graph) -> Self {
        let with_error_queue = |name: &springhare_amqp::ShortString| {
            [name.to_string(), error_queue_of(name).to_string()]
        };
        let ours =
            |name: &&springhare_amqp::ShortString| !name.is_empty() && !name.starts_with("amq.");
        Self {
            queues: graph.queues.keys().flat_map(with_error_queue).collect(),
            exchanges: graph.exchanges.keys().filter(ours).map(ToString::to_string).collect(),
        }
    }

    /// Deletes it; what is not there is none, and so is what somebody else has to himself.
    async fn delete(&self, link: &dyn Link) -> Result<()> {
        let connection = link.connect("springhare test").await?;
        for queue in &self.queues {
            let channel = connection.open_channel().await?;
            if let Err(error) = channel.queue_delete(queue, QueueDeleteOptions::default()).await {
                tracing::debug!(queue, %error, "a test's queue can't be deleted");
            }
        }
        for exchange in &self.exchanges {
            let channel = connection.open_channel().await?;
            if let Err(error) = channel.exchange_delete(exchange, IfUnused::No).await {
                tracing::debug!(exchange, %error, "a test's exchange can't be deleted");
            }
        }
        Ok(connection.close().await?)
    }
}
