//! Parking: a message that can't be handled goes to `<queue>.error`, with what is known of it in
//! its headers, and is confirmed there before the original is settled. A message that is tried
//! once more goes to its own queue in the same way.

mod delay;
mod recover;
mod restore;
mod retry;

use springhare_amqp::{
    BasicProperties, DeliveryMode, FieldTable, FieldValue, Message, ReplyCode, ShortString,
};
use springhare_broker::{PublishedMessage, QueueDeclareOptions};

pub(crate) use delay::{
    RETRY_EXCHANGE, RETRY_EXCHANGE_KIND, retry_exchange_options, wait_queue_of, wait_queue_options,
};
pub(crate) use restore::restored;
#[cfg(test)]
pub(crate) use retry::copy_for_test;
pub(crate) use retry::{Republished, Retried, was_rejected_from};

use super::{DIRECT_REPLY_TO, ERRORS_HEADER, RabbitTemplate};
use crate::connection::Confirmation;
use crate::error::{Error, NotConfirmed, Result};
use retry::{forget_retries, original_route};

/// What an error queue's name ends with.
pub(crate) const ERROR_SUFFIX: &str = ".error";
/// The longest `x-exception-message`, in bytes: a header must not outgrow a frame.
const EXCEPTION_MAX_BYTES: usize = 4096;
/// The longest one where the original's headers leave no room for more.
const SHORT_EXCEPTION_MAX_BYTES: usize = 200;

/// Why a message is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParkReason {
    /// It can never be handled: it does not decode, or lacks a header.
    Fatal { exception: String },
    /// Every one of its deliveries failed.
    DeliveriesExhausted { exception: String },
    /// It failed again, and its headers leave no room for the count of its deliveries.
    NoRoomToCount { exception: String },
    /// No handler of its queue takes its key.
    Unmatched { exception: String },
}

impl ParkReason {
    fn word(&self) -> &'static str {
        match self {
            Self::Fatal { .. } => "fatal",
            Self::DeliveriesExhausted { .. } => "deliveries-exhausted",
            Self::NoRoomToCount { .. } => "no-room-to-count",
            Self::Unmatched { .. } => "unmatched",
        }
    }

    /// What the failure says.
    pub(crate) fn exception(&self) -> &str {
        match self {
            Self::Fatal { exception }
            | Self::DeliveriesExhausted { exception }
            | Self::NoRoomToCount { exception }
            | Self::Unmatched { exception } => exception,
        }
    }
}

/// Where a message is parked from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParkedFrom<'q> {
    pub(crate) queue: &'q ShortString,
    /// How many of its deliveries failed.
    pub(crate) attempts: u32,
}

/// How much of what a parked message could carry it does carry: its headers must fit a frame,
/// which the original's may fill alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The original's headers, and the exception's text.
    Full,
    /// The original's headers, and the beginning of the exception's text.
    ShortException,
    /// The beginning of the exception's text, and none of the original's headers.
    WithoutHeaders,
}

impl Extent {
    /// As much as has room.
    const ALL: [Self; 3] = [Self::Full, Self::ShortException, Self::WithoutHeaders];

    fn exception_max_bytes(self) -> usize {
        match self {
            Self::Full => EXCEPTION_MAX_BYTES,
            Self::ShortException | Self::WithoutHeaders => SHORT_EXCEPTION_MAX_BYTES,
        }
    }
}

/// The queue that messages from `queue` are parked in.
pub(crate) fn error_queue_of(queue: &str) -> ShortString {
    let stem = ShortString::truncated(queue);
    let mut end = stem.len().min(ShortString::MAX_BYTES - ERROR_SUFFIX.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem.get(..end).unwrap_or_default();
    ShortString::truncated(&format!("{stem}{ERROR_SUFFIX}"))
}

impl RabbitTemplate {
    /// Parks a copy of `original` in `error_queue`, which is declared durable if it is not there;
    /// `Ok` once the broker confirmed it.
    ///
    /// The copy does not wait at the broker's memory mark: only the ack of the original, which
    /// comes after it, may make the room. Where the original's headers leave no room for those
    /// that say why, the copy has less of both.
    pub(crate) async fn park(
        &self,
        error_queue: &ShortString,
        original: &PublishedMessage,
        reason: &ParkReason,
        from: ParkedFrom<'_>,
    ) -> Result<()> {
        let mut sent = Ok(());
        for extent in Extent::ALL {
            if extent == Extent::WithoutHeaders {
                tracing::warn!(
                    queue = &**error_queue,
                    "a message is parked without its headers, which fill a frame"
                );
            }
            let message = parked(original, reason, from, extent);
            sent = self.send_parked(error_queue, message).await;
            if !is_too_large(&sent) {
                break;
            }
        }
        if sent.is_ok() {
            self.shared.publishing.tell_parked(error_queue, reason.word());
        }
        sent
    }

    /// Sends it to `error_queue`, which is declared if it is not there.
    async fn send_parked(&self, error_queue: &ShortString, message: Message) -> Result<()> {
        let publishing = &self.shared.publishing;
        let publish = self.publish_of(error_queue.clone(), message)?;
        let sent = publishing.publish_replacement(publish.clone(), Confirmation::Awaited).await;
        let Err(Error::Unroutable(_)) = sent else { return sent };
        self.execute(|channel| async move {
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(error_queue, options).await?;
            Ok(())
        })
        .await?;
        publishing.publish_replacement(publish, Confirmation::Awaited).await
    }
}

/// Whether the broker refused a message for the size of its headers.
fn is_too_large(sent: &Result<()>) -> bool {
    matches!(
        sent,
        Err(Error::NotConfirmed(NotConfirmed::Refused(error)))
            if error.code() == ReplyCode::FrameError
    )
}

/// The message as it is parked. What would make it vanish is moved into headers, beside what would
/// make any copy go elsewhere.
fn parked(
    original: &PublishedMessage,
    reason: &ParkReason,
    from: ParkedFrom<'_>,
    extent: Extent,
) -> Message {
    let mut properties = BasicProperties::from(original.message.properties.clone());
    if extent == Extent::WithoutHeaders {
        properties.headers = None;
    }
    let mut properties = carried_properties(properties);
    let mut headers = properties.headers.take().unwrap_or_default();
    // Whoever puts it back into its queue some day has no caller that waits for it.
    headers.remove(&ERRORS_HEADER);
    properties.reply_to.take_if(|address| address.starts_with(DIRECT_REPLY_TO));
    if extent == Extent::WithoutHeaders {
        set(&mut headers, "x-springhare-headers", "dropped");
    }
    let exception = cut(reason.exception(), extent.exception_max_bytes());
    let (exchange, routing_key) = original_route(original);
    set(&mut headers, "x-exception-message", exception);
    set(&mut headers, "x-original-exchange", exchange);
    set(&mut headers, "x-original-routingKey", routing_key);
    set(&mut headers, "x-springhare-reason", reason.word());
    set(&mut headers, "x-springhare-attempts", i64::from(from.attempts));
    set(&mut headers, "x-original-queue", from.queue.clone());
    if let Some(expiration) = properties.expiration {
        set(&mut headers, "x-original-expiration", expiration);
    }
    let properties = BasicProperties {
        headers: Some(headers),
        delivery_mode: properties.delivery_mode.or(Some(DeliveryMode::Persistent)),
        expiration: None,
        ..properties
    };
    Message::new(original.message.body.clone()).with_properties(properties)
}

/// The properties that a copy of a message has: what would make it go elsewhere or be refused is
/// moved into headers, and what said where an earlier copy came from is gone.
fn carried_properties(properties: BasicProperties) -> BasicProperties {
    let mut headers = properties.headers.unwrap_or_default();
    forget_retries(&mut headers);
    // The broker counts the copy anew, and would route by these two once more.
    headers.remove("x-delivery-count");
    for name in ["CC", "BCC"] {
        if let Some(value) = headers.remove(name) {
            set(&mut headers, &format!("x-original-{name}"), value);
        }
    }
    // It would have to be the user that the application is logged in as.
    if let Some(user_id) = properties.user_id {
        set(&mut headers, "x-original-userId", user_id);
    }
    BasicProperties { headers: Some(headers), user_id: None, ..properties }
}

fn set(headers: &mut FieldTable, name: &str, value: impl Into<FieldValue>) {
    headers.set(ShortString::truncated(name), value);
}

/// As much of `text` as fits, cut between two characters.
fn cut(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_queue_has_the_queues_name_as_far_as_it_fits() {
        assert_eq!(error_queue_of("orders"), "orders.error");
        let long = error_queue_of(&"q".repeat(255));
        assert_eq!(long.len(), 255);
        assert!(long.ends_with("q.error"));
    }

    #[test]
    fn a_parked_message_says_where_it_came_from_and_cannot_vanish() {
        let mut headers = FieldTable::new();
        headers.insert("x-id", 7).unwrap();
        headers.insert("CC", vec!["other"]).unwrap();
        headers.insert("x-delivery-count", 19).unwrap();
        let original = PublishedMessage::new(
            ShortString::from_static("logs"),
            ShortString::from_static("kern.error"),
            Message::new("{").with_properties(BasicProperties {
                headers: Some(headers),
                expiration: Some(ShortString::from_static("1000")),
                content_type: Some(ShortString::from_static("application/json")),
                ..BasicProperties::default()
            }),
        );
        let reason = ParkReason::Fatal { exception: "ü".repeat(5000) };
        let queue = ShortString::from_static("errors");
        let parked =
            parked(&original, &reason, ParkedFrom { queue: &queue, attempts: 1 }, Extent::Full);
        let text = |name: &str| {
            parked.properties.header(name).and_then(FieldValue::as_str).map(str::to_owned)
        };
        assert_eq!(text("x-original-exchange").as_deref(), Some("logs"));
        assert_eq!(text("x-original-routingKey").as_deref(), Some("kern.error"));
        assert_eq!(text("x-original-queue").as_deref(), Some("errors"));
        assert_eq!(text("x-springhare-reason").as_deref(), Some("fatal"));
        assert_eq!(text("x-original-expiration").as_deref(), Some("1000"));
        assert_eq!(text("x-exception-message").map(|text| text.len()), Some(4096));
        let number = |name| parked.properties.header(name).and_then(FieldValue::as_i64);
        assert_eq!(number("x-springhare-attempts"), Some(1));
        assert_eq!(number("x-id"), Some(7));
        assert!(parked.properties.header("CC").is_none());
        assert!(parked.properties.header("x-delivery-count").is_none());
        assert!(parked.properties.expiration.is_none());
        assert!(parked.properties.is_persistent());
        assert_eq!(&*parked.body, b"{");
    }
}
