//! Bodies and values: what a value becomes on its way out, and a body on its way in.
//!
//! A text goes out as `text/plain`, bytes as `application/octet-stream`, everything else as
//! `application/json`; reading follows the content type, so that what was sent comes back. A
//! [`MessageConverter`] of the application's own takes the place of that.
//!
//! Deliberately out: where a message goes to, and the rest of its properties.

mod body;
mod converter;
mod decode;
mod encode;
mod error;
#[cfg(test)]
mod round_trip;

pub use body::IntoBody;
pub use converter::{ConverterError, MessageConverter, MessageConverters, ReadBody};
pub use error::ConversionError;

/// The traits that a [`MessageConverter`] sees values through: those of `serde`, made fit for
/// trait objects.
pub use erased_serde;

pub(crate) use decode::decode;
