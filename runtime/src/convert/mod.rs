//! Bodies and values: what a value becomes on its way out, and a body on its way in.
//!
//! A text goes out as `text/plain`, bytes as `application/octet-stream`, everything else as
//! `application/json`; reading follows the content type, so that what was sent comes back. A
//! [`MessageConverter`] of the application's own takes the place of that. With the features
//! `msgpack`, `cbor` and `protobuf` bodies of these formats are read and written, with `compression`
//! compressed ones.
//!
//! Deliberately out: where a message goes to, and the rest of its properties.

mod body;
mod codecs;
#[cfg(feature = "compression")]
mod compression;
mod converter;
mod converters;
mod decode;
mod encode;
mod encoding;
mod error;
mod named;
pub(crate) mod parts;
#[cfg(feature = "protobuf")]
mod protobuf;
#[cfg(test)]
mod round_trip;

pub use body::IntoBody;
#[cfg(feature = "cbor")]
pub use codecs::CborConverter;
#[cfg(feature = "msgpack")]
pub use codecs::MsgpackConverter;
#[cfg(feature = "compression")]
pub use compression::{Compression, INFLATED_BYTES_MAX};
pub use converter::{ConverterError, MessageConverter, ReadBody};
pub use converters::MessageConverters;
pub use error::ConversionError;

/// The traits that a [`MessageConverter`] sees values through: those of `serde`, made fit for
/// trait objects.
pub use erased_serde;

pub(crate) use decode::{decode, refuse_foreign_charset};
pub(crate) use encoding::{content, is_wrapped};
pub(crate) use named::NamedConverters;
#[cfg(feature = "protobuf")]
pub(crate) use protobuf::{PROTOBUF_CONTENT_TYPE, protobuf_message};
