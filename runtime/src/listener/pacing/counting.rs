//! Any sequence of what may happen to a message counts each of its failures once.

use std::sync::Arc;

use proptest::prelude::*;
use springhare_amqp::{FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{Delivery, PublishedMessage};

use super::{Failures, Redelivery};
use crate::connection::DeliveryCounting;
use crate::listener::retry::Redeliveries;
use crate::template::{Retried, copy_for_test};

const QUEUE: ShortString = ShortString::from_static("orders");

/// What happens to a message that was delivered.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Its handler failed: it comes back as its listener asks for without delays.
    Fail,
    /// It failed, and waits in our exchange.
    DelayInExchange,
    /// It failed, and waits in a queue.
    DelayInQueue,
    /// It comes back without a failure: its handler asked for that, or its consumer was lost.
    Requeue,
    /// It is dead-lettered, and somebody brings it back.
    Return,
}

/// The message as its broker has it, and how often it has really failed.
struct Model {
    counting: DeliveryCounting,
    delivery: Delivery,
    failed: u32,
}

impl Model {
    fn new(counting: DeliveryCounting) -> Self {
        let message = PublishedMessage::new(
            ShortString::from_static("shop"),
            ShortString::from_static("order.new"),
            Message::new("tea"),
        );
        let mut model = Self { counting, delivery: delivery(message), failed: 0 };
        // What came from elsewhere may have died before.
        model.die("elsewhere", "rejected");
        model.delivery.message = Arc::new(PublishedMessage::new(
            ShortString::from_static("shop"),
            ShortString::from_static("order.new"),
            model.delivery.message.message.clone(),
        ));
        model.failed = 0;
        model
    }

    fn failures(&self) -> Failures {
        let retried = Retried::of(&self.delivery.message);
        Failures::of(&self.delivery, retried.as_ref(), self.counting)
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Fail => {
                let next = self.failures().redelivery(&Redeliveries::Paced { limit: u32::MAX });
                self.failed += 1;
                match next {
                    Redelivery::RequeueAfter(_) => {
                        self.delivery.redelivered = true;
                        self.delivery.delivery_count += u32::from(self.is_counted());
                    }
                    _ => self.copied(None),
                }
            }
            Event::DelayInExchange | Event::DelayInQueue => {
                self.failed += 1;
                self.copied(Some(matches!(event, Event::DelayInQueue)));
            }
            Event::Requeue => {
                // Nobody can tell it from a failure where nobody counts, once.
                self.failed += u32::from(!self.is_counted() && !self.delivery.redelivered);
                self.delivery.redelivered = true;
            }
            Event::Return => self.die("orders", "rejected"),
        }
    }

    fn is_counted(&self) -> bool {
        self.counting == DeliveryCounting::OnEveryQueue
    }

    /// A copy comes to the queue; at once, or after it has waited in an exchange or in a queue.
    fn copied(&mut self, waited_in_queue: Option<bool>) {
        let waits = waited_in_queue == Some(true);
        let mut copy = copy_for_test(&self.delivery.message, &QUEUE, self.failed, waits);
        let headers = copy.properties.headers.get_or_insert_default();
        let exchange = match waited_in_queue {
            Some(true) => {
                add_death(headers, "orders.retry.5s", "expired");
                ShortString::EMPTY
            }
            Some(false) => {
                headers.insert("x-delay", -5000_i64).unwrap();
                ShortString::from_static("springhare.retry")
            }
            None => ShortString::EMPTY,
        };
        self.delivery = delivery(PublishedMessage::new(exchange, QUEUE, copy));
    }

    /// It is dead-lettered, comes back to its queue, and starts anew.
    fn die(&mut self, queue: &str, reason: &str) {
        let mut message = self.delivery.message.message.clone();
        let mut headers = message.properties.headers.clone().unwrap_or_default();
        add_death(&mut headers, queue, reason);
        for (name, value) in headers.iter() {
            message.properties.set_header(name.clone(), value.clone());
        }
        self.delivery = delivery(PublishedMessage::new(ShortString::EMPTY, QUEUE, message));
        self.failed = 0;
    }
}

fn delivery(message: PublishedMessage) -> Delivery {
    let message = Arc::new(message);
    Delivery { delivery_tag: 1, redelivered: false, delivery_count: 0, message }
}

/// As a broker does it: one entry for a queue and a reason, with a count.
fn add_death(headers: &mut FieldTable, queue: &str, reason: &str) {
    let mut deaths = match headers.get("x-death") {
        Some(FieldValue::Array(deaths)) => deaths.clone(),
        _ => Vec::new(),
    };
    let is_this = |death: &FieldValue| match death {
        FieldValue::Table(death) => {
            let text = |name| death.get(name).and_then(FieldValue::as_str);
            text("queue") == Some(queue) && text("reason") == Some(reason)
        }
        _ => false,
    };
    let before = deaths.iter().position(is_this).map(|index| deaths.remove(index));
    let count = match &before {
        Some(FieldValue::Table(death)) => death.get("count").and_then(FieldValue::as_i64),
        _ => None,
    };
    let mut death = FieldTable::new();
    death.insert("queue", queue).unwrap();
    death.insert("reason", reason).unwrap();
    death.insert("count", count.unwrap_or(0) + 1).unwrap();
    deaths.insert(0, FieldValue::Table(death));
    headers.insert("x-death", FieldValue::Array(deaths)).unwrap();
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        Just(Event::Fail),
        Just(Event::DelayInExchange),
        Just(Event::DelayInQueue),
        Just(Event::Requeue),
        Just(Event::Return),
    ];
    prop::collection::vec(event, 0..30)
}

proptest! {
    #[test]
    fn each_failure_is_counted_once(events in events(), counts: bool) {
        let counting = if counts {
            DeliveryCounting::OnEveryQueue
        } else {
            DeliveryCounting::OnSomeQueues
        };
        let mut model = Model::new(counting);
        for event in events {
            model.happens(event);
            prop_assert_eq!(model.failures().before, model.failed, "after {:?}", event);
            if let Some(retried) = Retried::of(&model.delivery.message) {
                prop_assert_ne!(&*retried.exchange, "springhare.retry");
            }
        }
    }
}
