//! A handler's arguments: each is taken from the delivery by its type.
//!
//! | argument | what it is |
//! |---|---|
//! | [`Json<T>`](Json) | the body, which is JSON, as a value |
//! | [`Payload<T>`](Payload), `#[payload] x: T` | the body as a value, converted by its content type |
//! | [`Text`], `&str` | the body as a text |
//! | [`Bytes`](bytes::Bytes), `&[u8]` | the body as it is |
//! | [`Message`](springhare_amqp::Message), [`Properties`], [`Headers`], `#[header("x")] x: T` | the message, its properties, its headers, one header |
//! | [`RoutingKey`], [`ExchangeName`], [`QueueName`], [`ConsumerTag`], [`MessageId`], [`CorrelationId`], [`ReplyTo`], [`AppId`], [`UserId`] | names |
//! | [`Timestamp`], [`ReceivedDelay`], [`XDeath`] | when it was made, how long it was kept back, where it was dead-lettered before |
//! | [`Path<T>`](Path) | the words in braces of the listener's `key` |
//! | [`Redelivered`], [`DeliveryCount`], [`Attempt`] | whether it was delivered before, how often it failed, which call with it this is |
//! | [`Channel`](crate::Channel), [`DeliveryTag`](crate::DeliveryTag) | settlement by hand |
//! | [`State<T>`](State), [`RabbitTemplate`](crate::RabbitTemplate) | the application's own |
//! | [`Outbox`] | messages that go out if the handler succeeds |
//! | `Protobuf<T>`, `Valid<E>` | features `protobuf` and `garde`: the body as a value of Protocol Buffers, or checked |
//! | [`Fault<E>`](Fault) | a message that was given up, and why |
//! | `Option<E>`, `Result<E, R>` | an extractor that may come to nothing, or fail |
//! | `Vec<E>`, [`BatchSize`] | with `batch = ..`: one from each message, how many those are |
//! | [`LastInBatch`] | whether it is the last of those that its producer sent as one |
//!
//! The order of the arguments does not matter, and none takes anything from another but the
//! `DeliveryTag`, which exists once. Types of your own become arguments by [`FromDelivery`].

mod batch;
mod body;
mod deliveries;
mod fault;
mod header;
mod json;
mod last_in_batch;
mod message;
mod names;
mod optional;
mod outbox;
mod path;
mod payload;
#[cfg(feature = "protobuf")]
mod protobuf;
mod rejection;
mod schema;
mod settlement;
mod state;
mod text;
mod times;
#[cfg(feature = "garde")]
mod valid;
mod x_death;

use crate::listener::context::DeliveryContext;
use crate::listener::outcome::ListenerError;
use crate::state::Requirements;

pub use batch::{BatchSize, FromBatch};
pub use deliveries::{Attempt, DeliveryCount, Redelivered};
pub use fault::Fault;
pub use header::{FromHeader, HeaderRejection, HeaderType, header, header_or};
pub use json::{Json, JsonRejection};
pub use last_in_batch::LastInBatch;
pub use message::{Headers, Properties};
pub use names::{
    AppId, ConsumerTag, CorrelationId, ExchangeName, MessageId, PropertyRejection, QueueName,
    ReplyTo, RoutingKey, UserId,
};
pub use optional::OptionalFromDelivery;
pub use outbox::Outbox;
pub use path::{Path, PathError, PathRejection};
pub use payload::{Payload, PayloadRejection};
#[cfg(feature = "protobuf")]
pub use protobuf::{Protobuf, ProtobufRejection};
pub use rejection::Receiver;
#[cfg(feature = "schemars")]
pub use schema::HasSchema;
pub use schema::{SchemaOf, WithoutSchema};
pub use settlement::DeliveryTagRejection;
pub use state::{State, StateRejection};
pub use text::{Text, TextRejection};
pub use times::{ReceivedDelay, Timestamp};
#[cfg(feature = "garde")]
pub use valid::{Invalid, Valid};
pub use x_death::{Death, XDeath};

/// What a handler's argument is taken from a delivery by.
///
/// `'d` is the time that the handler runs: an argument may borrow from the delivery.
///
/// ```
/// use springhare::{DeliveryContext, FromDelivery, ListenerError};
///
/// /// The tenant that a message belongs to: the first word of its routing key.
/// struct Tenant<'d>(&'d str);
///
/// impl<'d> FromDelivery<'d> for Tenant<'d> {
///     type Rejection = ListenerError;
///
///     fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, ListenerError> {
///         match cx.routing_key().split_once('.') {
///             Some((tenant, _)) => Ok(Self(tenant)),
///             None => Err(ListenerError::msg("the routing key names no tenant")),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a delivery",
    label = "not an extractor",
    note = "for the body write `Json<{Self}>`, or mark the argument `#[payload]`; for a header \
            mark it `#[header(\"name\")]`; for a value of the application write `State<{Self}>`",
    note = "a type of your own becomes an extractor by implementing `FromDelivery`"
)]
pub trait FromDelivery<'d>: Sized {
    /// Why there is no value. It is [fatal](crate::Disposition::Fatal) for the message unless it
    /// is a [`ListenerError`] that says otherwise.
    type Rejection: Into<ListenerError>;

    /// Takes the value.
    ///
    /// # Errors
    ///
    /// Its [`Rejection`](Self::Rejection) when the delivery does not hold it.
    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Self::Rejection>;

    /// Says what it needs of the application, so that a start can fail in place of a message.
    fn require(_requirements: &mut Requirements) {}
}
