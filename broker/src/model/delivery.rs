use std::sync::Arc;

use springhare_amqp::ShortString;

use crate::model::message::PublishedMessage;

/// A message on its way to a consumer (`basic.deliver`, `basic.get-ok`).
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What the message is settled by; counts up from 1 on each channel.
    pub delivery_tag: u64,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// How many deliveries of it failed before this one: refused with requeue by
    /// `basic.reject`, or unsettled when their channel ended.
    pub delivery_count: u32,
    /// Where it was published to, and what. Shared, never copied.
    pub message: Arc<PublishedMessage>,
}

/// What `basic.get` found.
#[derive(Debug, Clone)]
pub struct GetOk {
    /// The message.
    pub delivery: Delivery,
    /// How many ready messages are left in the queue.
    pub message_count: u64,
}

/// A queue that was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDeclareOk {
    /// Its name, which the broker made if none was given.
    pub queue: ShortString,
    /// Its ready messages; unsettled ones do not count.
    pub message_count: u64,
    /// Its consumers.
    pub consumer_count: u64,
}
