//! The types of AMQP 0-9-1, shared by the broker and by its clients.
//!
//! Pure: no sockets, files, clock or async runtime. What stands here is what the
//! protocol itself names: [short strings](ShortString), [field tables](FieldTable),
//! [basic properties](BasicProperties), [reply codes](ReplyCode) and the
//! [error](AmqpError) that closes a channel or a connection; in [`wire`] their bytes, and in
//! [`client`] the client's side of a connection.
//!
//! # Layout
//!
//! `short_string` → `field_table` → `properties`, `reply_code` → `error`; on them the basic types
//! of `wire` → `property` → `encoded_properties` → `message_properties` → `message`, and the
//! frames, methods and contents of `wire`; `heartbeat` stands alone; above all of them `client`.

pub mod client;
mod encoded_properties;
mod error;
mod field_table;
mod heartbeat;
mod message;
mod message_properties;
mod properties;
mod property;
mod reply_code;
mod short_string;
pub mod wire;

pub use encoded_properties::{EncodedProperties, HeaderEntries};
pub use error::{AmqpError, ErrorScope, MethodId};
pub use field_table::{FieldTable, FieldValue};
pub use heartbeat::{Heartbeat, HeartbeatStep};
pub use message::Message;
pub use message_properties::MessageProperties;
pub use properties::{BasicProperties, DeliveryMode};
pub use property::Property;
pub use reply_code::ReplyCode;
pub use short_string::{ShortString, ShortStringTooLong};
