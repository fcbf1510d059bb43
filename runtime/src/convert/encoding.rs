//! What a body is wrapped in: `content_encoding`.
//!
//! It names what the body was compressed by, the outermost first as Spring writes it (`gzip:utf-8`,
//! `gzip, utf-8`), and may end with the charset of the text inside. One that is not understood is an
//! error: its body would be read as something that it is not.

use bytes::Bytes;
use springhare_amqp::BasicProperties;

use super::error::ConversionError;

/// How many times a body may be compressed.
#[cfg(feature = "compression")]
const LAYERS_MAX: usize = 4;

/// Charsets whose texts are UTF-8 as they stand.
const CHARSETS: [&str; 4] = ["utf-8", "utf8", "us-ascii", "ascii"];
/// Words for a body that is not wrapped in anything.
const PLAIN: [&str; 3] = ["identity", "binary", ""];

/// Whether a text in this charset can be read.
pub(super) fn is_known_charset(name: &str) -> bool {
    CHARSETS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The body without what it is wrapped in; none where it is as it was.
///
/// # Errors
///
/// [`ConversionError`] when it is wrapped in something unknown, or not in what it says.
pub(crate) fn content(
    properties: &BasicProperties,
    body: &Bytes,
) -> Result<Option<Bytes>, ConversionError> {
    match properties.content_encoding.as_deref() {
        None => Ok(None),
        Some(encoding) => unwrapped(encoding, body),
    }
}

/// Whether the body is wrapped in something, known or not, beside the charset of its text.
pub(crate) fn is_wrapped(properties: &BasicProperties) -> bool {
    let encoding = properties.content_encoding.as_deref().unwrap_or_default();
    encoding.split([':', ',']).map(str::trim).any(|word| !is_plain(word))
}

fn is_plain(word: &str) -> bool {
    is_known_charset(word) || PLAIN.iter().any(|plain| word.eq_ignore_ascii_case(plain))
}

/// Apart from [`content`], which is asked of every message.
fn unwrapped(encoding: &str, body: &Bytes) -> Result<Option<Bytes>, ConversionError> {
    #[cfg_attr(not(feature = "compression"), expect(unused_mut, reason = "nothing unwraps it"))]
    let mut inner = None;
    #[cfg(feature = "compression")]
    let mut layers = 0;
    for word in encoding.split([':', ',']).map(str::trim) {
        if is_plain(word) {
            continue;
        }
        #[cfg(feature = "compression")]
        if let Some(compression) = super::compression::Compression::named(word)
            && layers < LAYERS_MAX
        {
            layers += 1;
            inner = Some(compression.inflate(inner.as_ref().unwrap_or(body), encoding)?);
            continue;
        }
        return Err(unknown(encoding, body));
    }
    Ok(inner)
}

fn unknown(encoding: &str, body: &Bytes) -> ConversionError {
    ConversionError::UnknownEncoding { encoding: encoding.to_owned(), length: body.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springhare_amqp::ShortString;

    fn content_of(encoding: &'static str) -> Result<Option<Bytes>, ConversionError> {
        let content_encoding = Some(ShortString::from_static(encoding));
        let properties = BasicProperties { content_encoding, ..BasicProperties::default() };
        content(&properties, &Bytes::from_static(b"tea"))
    }

    #[test]
    fn a_charset_or_nothing_at_all_leaves_the_body_as_it_is() {
        for encoding in ["UTF-8", "utf8", "us-ascii", "identity", "binary", "", "identity, utf-8"] {
            assert_eq!(content_of(encoding).unwrap(), None, "{encoding}");
        }
        assert_eq!(content(&BasicProperties::default(), &Bytes::new()).unwrap(), None);
    }

    #[test]
    fn an_encoding_that_is_not_known_is_an_error_that_names_it() {
        for encoding in ["br", "ISO-8859-1", "utf-8, zstd"] {
            let text = content_of(encoding).unwrap_err().to_string();
            let start = format!("a body of 3 bytes, content encoding '{encoding}', can't be read");
            assert!(text.starts_with(&start), "{text}");
        }
    }

    #[cfg(not(feature = "compression"))]
    #[test]
    fn a_compressed_body_is_an_error_that_names_the_feature() {
        let text = content_of("gzip:utf-8").unwrap_err().to_string();
        assert!(text.contains("feature `compression`"), "{text}");
    }

    #[cfg(feature = "compression")]
    #[test]
    fn a_body_is_not_unwrapped_for_ever() {
        use crate::convert::Compression;
        let mut message = springhare_amqp::Message::new("tea");
        for _ in 0..LAYERS_MAX {
            Compression::Gzip.compress(&mut message).unwrap();
        }
        let inner = content(&message.properties, &message.body).unwrap();
        assert_eq!(inner.as_deref(), Some(&b"tea"[..]));
        Compression::Gzip.compress(&mut message).unwrap();
        assert!(content(&message.properties, &message.body).is_err());
    }
}
