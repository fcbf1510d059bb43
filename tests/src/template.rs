//! What a test looks up through an application's own template.

use springhare::RabbitTemplate;
use springhare_amqp::{FieldValue, Message};

use crate::eventually;

/// The messages that wait in a queue.
///
/// # Panics
///
/// When there is no such queue.
pub async fn ready(rabbit: &RabbitTemplate, queue: &str) -> u64 {
    let counted = rabbit.execute(|channel| async move {
        Ok(channel.queue_declare_passive(queue).await?.message_count)
    });
    counted.await.unwrap_or_else(|error| panic!("{error}"))
}

/// Waits for a message in a queue, which need not exist yet.
///
/// # Panics
///
/// When none comes within the [limit](crate::LIMIT).
pub async fn arrives(rabbit: &RabbitTemplate, queue: &str) -> Message {
    let what = format!("a message arrives in '{queue}'");
    eventually(&what, async || rabbit.receive(queue).await.unwrap_or_default()).await
}

/// A header's text; nothing if there is none.
#[must_use]
pub fn header_text(message: &Message, name: &str) -> String {
    message.properties.header(name).and_then(FieldValue::as_str).unwrap_or_default().to_owned()
}

/// A header's number.
#[must_use]
pub fn header_number(message: &Message, name: &str) -> Option<i64> {
    message.properties.header(name).and_then(FieldValue::as_i64)
}
