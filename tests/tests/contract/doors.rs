//! The ways to a broker, and what a case of the link finds behind each: the case is played, what it
//! was answered is noted, and RabbitMQ's answers are laid beside ours.

use std::any::Any;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use springhare::connection::{AmqpLink, EmbeddedLink, Link};
use springhare_broker::{Broker, BrokerBuilder, BrokerConfig};
use springhare_tests::{BarrierLink, MAX_MESSAGE_SIZE, RabbitMq, Record, RecordingLink, amqp_link};
use tokio::sync::OnceCell;

/// Our broker as RabbitMQ is configured.
pub(crate) fn broker() -> BrokerBuilder {
    let mut config = BrokerConfig::default();
    config.max_message_size = MAX_MESSAGE_SIZE;
    Broker::builder().config(config)
}

/// The same, listening.
pub(crate) fn served() -> Broker {
    broker().listen("127.0.0.1:0".parse().unwrap()).start().unwrap()
}

fn amqp(address: SocketAddr) -> BarrierLink<AmqpLink> {
    BarrierLink::over(amqp_link(address))
}

/// A case of the link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Why it is answered otherwise from run to run, on any broker; then a difference is shown only
    /// where it fails.
    pub(crate) by_chance: Option<&'static str>,
}

/// Plays a case of the link on our broker in this process.
pub(crate) async fn embedded(case: Case, play: impl AsyncFn(&dyn Link)) {
    let link = EmbeddedLink::new(broker().start().unwrap());
    beside_rabbitmq(case, Played::on(link, &play).await, &play).await;
}

/// Plays a case of the link on our broker behind a socket.
pub(crate) async fn tcp(case: Case, play: impl AsyncFn(&dyn Link)) {
    let served = served();
    let link = amqp(served.local_addrs()[0]);
    beside_rabbitmq(case, Played::on(link, &play).await, &play).await;
}

/// Plays a case on our broker in this process, and on no other.
pub(crate) async fn embedded_alone(case: Case, play: impl AsyncFn(&dyn Link)) {
    let link = EmbeddedLink::new(broker().start().unwrap());
    Played::on(link, &play).await.expect_success(case);
}

/// Plays a case on our broker behind a socket, and on no other.
pub(crate) async fn tcp_alone(case: Case, play: impl AsyncFn(&dyn Link)) {
    let served = served();
    Played::on(amqp(served.local_addrs()[0]), &play).await.expect_success(case);
}

/// Plays a case of the link on RabbitMQ.
pub(crate) async fn rabbitmq(case: Case, play: impl AsyncFn(&dyn Link)) {
    if let Some(played) = on_rabbitmq(case, &play).await {
        let failure = played.failure.as_deref().unwrap_or_default();
        assert!(played.failure.is_none(), "{} fails on RabbitMQ: {failure}", case.name);
    }
}

/// A case that was played on a broker.
#[derive(Debug)]
struct Played {
    record: Record,
    /// What the case did not find as it expects it.
    failure: Option<String>,
}

impl Played {
    async fn on(link: impl Link, play: &impl AsyncFn(&dyn Link)) -> Self {
        let (link, recorder) = RecordingLink::over(link);
        let failure = failure(play(&link)).await;
        Self { record: recorder.record(), failure }
    }

    fn expect_success(&self, case: Case) {
        let failure = self.failure.as_deref().unwrap_or_default();
        assert!(self.failure.is_none(), "{} fails: {failure}", case.name);
    }
}

/// What the case panics with.
pub(crate) async fn failure(playing: impl Future<Output = ()>) -> Option<String> {
    let panic = AssertUnwindSafe(playing).catch_unwind().await.err()?;
    Some(message(&*panic).to_owned())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without words")
}

/// Fails where our broker did otherwise than RabbitMQ, and shows both.
async fn beside_rabbitmq(case: Case, ours: Played, play: &impl AsyncFn(&dyn Link)) {
    let rabbitmq = on_rabbitmq(case, play).await;
    let table = rabbitmq.and_then(|rabbitmq| rabbitmq.record.beside(&ours.record));
    let table = table.unwrap_or_default();
    let Case { name, by_chance } = case;
    let failure = ours.failure.as_deref().unwrap_or_default();
    assert!(ours.failure.is_none(), "{name} fails: {failure}\n{table}");
    assert!(by_chance.is_some() || table.is_empty(), "{name} is not as on RabbitMQ\n{table}");
}

/// The case as RabbitMQ plays it, once for all that ask; none when this run does without RabbitMQ.
async fn on_rabbitmq(case: Case, play: &impl AsyncFn(&dyn Link)) -> Option<Arc<Played>> {
    type Cases = HashMap<&'static str, Arc<OnceCell<Arc<Played>>>>;
    static CASES: Mutex<Option<Cases>> = Mutex::new(None);

    let node = RabbitMq::shared()?;
    let cell = {
        let mut cases = CASES.lock().unwrap();
        Arc::clone(cases.get_or_insert_default().entry(case.name).or_default())
    };
    let playing = async || Arc::new(Played::on(amqp(node.address()), play).await);
    Some(Arc::clone(cell.get_or_init(playing).await))
}
