//! Where an application runs: beside its broker in one process, or anywhere with a URL.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use springhare::connection::{Address, AmqpLink, EmbeddedLink, Link, LinkChannel, LinkConnection};
use springhare::{Springhare, SpringhareBuilder};
use springhare_broker::{Broker, Clock};
use springhare_tests::{
    ClockedLink, RabbitMq, Record, Recorder, RecordingLink, VirtualHost, eventually,
};
use tokio::sync::OnceCell;

use crate::doors;

/// Asks for the records of cases that pass, too.
const COMPARE: &str = "SPRINGHARE_COMPARE";

/// Which broker a case of applications runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Embedded,
    Tcp,
    RabbitMq,
}

impl Door {
    /// Plays a case here. If it fails, or if `SPRINGHARE_COMPARE=1` asks for it, the case is
    /// played once more with a record, and RabbitMQ's is laid beside ours: applications do several
    /// things at the same time, so that a difference alone is no failure.
    pub(crate) async fn play(self, case: &'static str, play: impl AsyncFn(&Place)) {
        let Some(played) = self.played(None, &play).await else { return };
        let is_asked = std::env::var_os(COMPARE).is_some_and(|value| value == "1");
        let mut table = String::new();
        if self != Self::RabbitMq && (is_asked || played.is_some()) {
            table = self.beside_rabbitmq(&play).await;
        }
        assert!(played.is_none(), "{case} fails: {}\n{table}", played.unwrap_or_default());
        if !table.is_empty() {
            let _ = writeln!(io::stderr(), "{case} on {self:?}\n{table}");
        }
    }

    async fn beside_rabbitmq(self, play: &impl AsyncFn(&Place)) -> String {
        let Some(rabbitmq) = Self::RabbitMq.record(play).await else { return String::new() };
        let ours = self.record(play).await.unwrap_or_default();
        rabbitmq.beside(&ours).unwrap_or_default()
    }

    async fn record(self, play: &impl AsyncFn(&Place)) -> Option<Record> {
        let recorder = Recorder::default();
        self.played(Some(&recorder), play).await.map(|_failure| recorder.record())
    }

    /// What the case fails with here; none if this run does without this door.
    async fn played(
        self,
        recorder: Option<&Recorder>,
        play: &impl AsyncFn(&Place),
    ) -> Option<Option<String>> {
        let host = match self {
            Self::RabbitMq => Some(add_virtual_host(RabbitMq::shared()?).await),
            Self::Embedded | Self::Tcp => None,
        };
        let way = match (self, &host) {
            (Self::Embedded, _) => Way::Handle(doors::broker().start().unwrap()),
            (_, Some(host)) => Way::Url { url: host.url(), _broker: None },
            (_, None) => {
                let broker = doors::served();
                let url = format!("amqp://guest:guest@{}", broker.local_addrs()[0]);
                Way::Url { url, _broker: Some(broker) }
            }
        };
        let place = Place { way, recorder: recorder.cloned(), onlooker: OnceCell::new() };
        let failure = doors::failure(play(&place)).await;
        if let Some(host) = host {
            tokio::task::spawn_blocking(|| host.delete()).await.unwrap().unwrap();
        }
        Some(failure)
    }
}

async fn add_virtual_host(node: &'static RabbitMq) -> VirtualHost {
    tokio::task::spawn_blocking(|| VirtualHost::add(node)).await.unwrap().unwrap()
}

enum Way {
    Handle(Broker),
    Url {
        url: String,
        /// Ours; it stops when this is dropped.
        _broker: Option<Broker>,
    },
}

/// A broker that is one case's own, for applications and for who looks at them from outside.
pub(crate) struct Place {
    way: Way,
    recorder: Option<Recorder>,
    onlooker: OnceCell<Arc<dyn LinkConnection>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl Place {
    /// An application on this broker.
    pub(crate) fn builder(&self) -> SpringhareBuilder {
        let builder = Springhare::builder();
        match (&self.way, &self.recorder) {
            (Way::Handle(broker), None) => builder.broker(broker.clone()),
            (Way::Url { url, .. }, None) => builder.url(url),
            (Way::Handle(broker), Some(recorder)) => {
                builder.link(RecordingLink::with(EmbeddedLink::new(broker.clone()), recorder))
            }
            (Way::Url { url, .. }, Some(recorder)) => {
                builder.link(RecordingLink::with(amqp_link(url), recorder))
            }
        }
    }

    /// An application on this broker whose own time is this clock's, which a hand may drive; the
    /// broker's goes on by itself.
    pub(crate) fn builder_on(&self, clock: &Clock) -> SpringhareBuilder {
        let link = ClockedLink::over(self.link(), clock.clone());
        match &self.recorder {
            None => Springhare::builder().link(link),
            Some(recorder) => Springhare::builder().link(RecordingLink::with(link, recorder)),
        }
    }

    fn link(&self) -> Box<dyn Link> {
        match &self.way {
            Way::Handle(broker) => Box::new(EmbeddedLink::new(broker.clone())),
            Way::Url { url, .. } => Box::new(amqp_link(url)),
        }
    }

    /// A channel of somebody else's.
    pub(crate) async fn channel(&self) -> Arc<dyn LinkChannel> {
        let connect = async || self.link().connect("onlooker").await.unwrap();
        self.onlooker.get_or_init(connect).await.open_channel().await.unwrap()
    }

    /// How many consumers a queue has; none if there is no such queue.
    pub(crate) async fn consumers(&self, queue: &str) -> Option<u64> {
        let declared = self.channel().await.queue_declare_passive(queue).await;
        declared.ok().map(|queue| queue.consumer_count)
    }

    /// Waits until a queue has so many consumers; none if it is to be gone.
    pub(crate) async fn has_consumers(&self, queue: &str, expected: Option<u64>) {
        eventually(&format!("'{queue}' has {expected:?} consumers"), async || {
            (self.consumers(queue).await == expected).then_some(())
        })
        .await;
    }

    /// How many messages are ready in a queue.
    pub(crate) async fn left(&self, queue: &str) -> u64 {
        self.channel().await.queue_declare_passive(queue).await.unwrap().message_count
    }

    /// Waits until so many messages are ready in a queue.
    pub(crate) async fn has_left(&self, queue: &str, expected: u64) {
        eventually(&format!("'{queue}' has {expected} messages"), async || {
            (self.left(queue).await == expected).then_some(())
        })
        .await;
    }
}

fn amqp_link(url: &str) -> AmqpLink {
    match url.parse() {
        Ok(Address::Amqp(addresses)) => AmqpLink::new(addresses),
        other => panic!("{url}: {other:?}"),
    }
}
