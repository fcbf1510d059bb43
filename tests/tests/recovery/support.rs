use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use springhare::amqp::ReplyCode;
use springhare::{ApplicationEvent, Events, ListenerStatus, Message, Springhare};
use springhare_broker::{BasicPublishOptions, Broker, Channel, ManualClock};
use springhare_tests::{eventually, within_limit};
use tokio::sync::mpsc;

/// What handlers tell a test, one after the other.
#[derive(Debug)]
pub(crate) struct Told<T>(mpsc::UnboundedReceiver<T>);

/// Where handlers tell it.
#[derive(Debug)]
pub(crate) struct Tell<T>(mpsc::UnboundedSender<T>);

impl<T> Tell<T> {
    pub(crate) fn tell(&self, what: T) {
        // A test that ended does not listen any more.
        drop(self.0.send(what));
    }
}

pub(crate) fn telling<T>() -> (Tell<T>, Told<T>) {
    let (tell, told) = mpsc::unbounded_channel();
    (Tell(tell), Told(told))
}

impl<T: Debug> Told<T> {
    pub(crate) async fn next(&mut self) -> T {
        within_limit("a handler to tell something", self.0.recv()).await.unwrap()
    }

    /// What was told already, if anything.
    pub(crate) fn take(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.0.is_empty()
    }
}

/// A broker that listens.
pub(crate) fn served() -> (Broker, SocketAddr) {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let address = broker.local_addrs()[0];
    (broker, address)
}

/// A channel on a connection of its own.
pub(crate) fn channel_of(broker: &Broker) -> Channel {
    broker.connect("onlooker").unwrap().open_channel().unwrap()
}

/// How many consumers a queue has; none if there is no such queue.
pub(crate) async fn consumers(broker: &Broker, queue: &str) -> Option<u64> {
    channel_of(broker).queue_declare_passive(queue).await.ok().map(|queue| queue.consumer_count)
}

/// Whether there is no such queue; one that is locked is there.
pub(crate) async fn is_gone(broker: &Broker, queue: &str) -> bool {
    let found = channel_of(broker).queue_declare_passive(queue).await;
    found.is_err_and(|error| error.code() == ReplyCode::NotFound)
}

/// Publishes straight to a broker, whatever the application's own connections are in.
pub(crate) async fn publish(broker: &Broker, exchange: &str, key: &str, text: &str) {
    let (options, message) = (BasicPublishOptions::default(), Message::new(text.to_owned()));
    channel_of(broker).basic_publish(exchange, key, options, message).await.unwrap();
}

/// Longer than any pause between two attempts, but that after a refused login.
pub(crate) const LONG: Duration = Duration::from_secs(5);

/// Lets time pass until all listeners consume.
pub(crate) async fn is_up_again(app: &Springhare, hand: &ManualClock) {
    eventually("all listeners consume", async || {
        hand.advance(LONG);
        app.health().is_up().then_some(())
    })
    .await;
}

/// Waits until the health is down, and returns its text.
pub(crate) async fn is_down(app: &Springhare) -> String {
    eventually("the health is down", async || {
        let health = app.health();
        (!health.is_up()).then(|| health.to_string())
    })
    .await
}

/// Waits until the application has seen that its listeners' connection is lost: its health is down from
/// then on, until all consume again.
pub(crate) async fn has_lost_its_connection(events: &mut Events) {
    let lost = async {
        while let Some(event) = events.next().await {
            if matches!(event, ApplicationEvent::ConnectionLost { connection, .. } if connection == "listeners")
            {
                return;
            }
        }
        panic!("the application has ended");
    };
    within_limit("the loss of the connection", lost).await;
}

/// What a listener does.
pub(crate) fn status(app: &Springhare, id: &str) -> ListenerStatus {
    let health = app.health();
    let listener = health.listeners().iter().find(|listener| listener.id() == id);
    listener.unwrap().status().clone()
}
