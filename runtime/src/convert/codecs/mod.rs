//! Formats beside text, bytes and JSON, each behind its feature.

#[cfg(feature = "cbor")]
mod cbor;
#[cfg(feature = "msgpack")]
mod msgpack;

use std::sync::Arc;

#[cfg(feature = "cbor")]
pub use cbor::CborConverter;
#[cfg(feature = "msgpack")]
pub use msgpack::MsgpackConverter;

use super::converter::MessageConverter;

/// The codec that reads bodies of this content type.
pub(super) fn reading(content_type: &str) -> Option<&'static dyn MessageConverter> {
    let all: &[&'static dyn MessageConverter] = &[
        #[cfg(feature = "cbor")]
        &CborConverter,
        #[cfg(feature = "msgpack")]
        &MsgpackConverter,
    ];
    all.iter().copied().find(|codec| codec.reads(content_type))
}

/// The codecs under the names that `converter = ".."` knows them by.
pub(super) fn named() -> Vec<(&'static str, Arc<dyn MessageConverter>)> {
    vec![
        #[cfg(feature = "cbor")]
        ("cbor", Arc::new(CborConverter) as _),
        #[cfg(feature = "msgpack")]
        ("msgpack", Arc::new(MsgpackConverter) as _),
    ]
}

/// Whether a content type is one of these names, whatever parameters it has.
#[cfg(any(feature = "cbor", feature = "msgpack"))]
fn is_one_of(content_type: &str, names: &[&str]) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    names.iter().any(|name| essence.eq_ignore_ascii_case(name))
}
