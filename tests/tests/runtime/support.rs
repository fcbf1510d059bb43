use std::fmt::Debug;
use std::sync::Arc;

use springhare::RabbitTemplate;
use springhare::amqp::{FieldValue, Message};
use springhare_broker::{Broker, Clock, ManualClock};
use springhare_tests::{eventually, within_limit};
use tokio::sync::{Semaphore, mpsc};

/// A broker whose clock stands still until its hand moves it.
pub(crate) fn broker() -> (Broker, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Broker::builder().clock(clock).start().unwrap(), hand)
}

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

    pub(crate) fn is_silent(&self) -> bool {
        self.0.is_empty()
    }
}

/// Holds handlers until a test lets them go.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }

    pub(crate) fn let_through(&self, handlers: usize) {
        self.0.add_permits(handlers);
    }
}

/// Waits until somebody sleeps on the manual clock.
pub(crate) async fn someone_sleeps(hand: &ManualClock) {
    eventually("somebody sleeps on the clock", async || (hand.sleepers() > 0).then_some(())).await;
}

/// The messages that wait in a queue.
pub(crate) async fn ready(rabbit: &RabbitTemplate, queue: &str) -> u64 {
    let counted = rabbit.execute(|channel| async move {
        Ok(channel.queue_declare_passive(queue).await?.message_count)
    });
    counted.await.unwrap()
}

/// How many consumers a queue has; none if there is no such queue.
pub(crate) async fn consumers(broker: &Broker, queue: &str) -> Option<u64> {
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_declare_passive(queue).await.ok().map(|queue| queue.consumer_count)
}

/// Waits for a message in a queue, which need not exist yet.
pub(crate) async fn arrives(rabbit: &RabbitTemplate, queue: &str) -> Message {
    let what = format!("a message arrives in '{queue}'");
    eventually(&what, async || rabbit.receive(queue).await.unwrap_or_default()).await
}

pub(crate) fn header_text(message: &Message, name: &str) -> String {
    message.properties.header(name).and_then(FieldValue::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn header_number(message: &Message, name: &str) -> Option<i64> {
    message.properties.header(name).and_then(FieldValue::as_i64)
}
