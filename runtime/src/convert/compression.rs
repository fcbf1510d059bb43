use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::{GzEncoder, MultiGzDecoder, ZlibDecoder, ZlibEncoder};
use springhare_amqp::{Message, ShortString};

use super::error::ConversionError;

/// How many bytes a compressed body may become, 100 MB; one of more is not read. A small message may
/// hold a very large one.
pub const INFLATED_BYTES_MAX: usize = 100_000_000;

/// How a body is compressed: feature `compression`.
///
/// What [`ConvertAndSend::compressed`](crate::ConvertAndSend::compressed) sends is inflated wherever
/// a body becomes a value or a text, up to [`INFLATED_BYTES_MAX`]; whoever takes `Bytes` or a
/// `Message` gets it as it came.
///
/// ```
/// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
/// use springhare::convert::Compression;
///
/// rabbit.convert_and_send("logs", &"x".repeat(10_000)).compressed(Compression::Gzip).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// `gzip` (RFC 1952).
    Gzip,
    /// `deflate`: in the frame of zlib (RFC 1950), as in HTTP and in Spring.
    Deflate,
}

impl Compression {
    /// Its name in `content_encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Deflate].into_iter().find(|all| all.name().eq_ignore_ascii_case(name))
    }

    /// Compresses a message's body, quickly rather than well as Spring does, and puts the name before
    /// what `content_encoding` says already: `gzip:utf-8`.
    ///
    /// # Errors
    ///
    /// [`ConversionError::Encode`] when `content_encoding` would be longer than 255 bytes.
    pub fn compress(self, message: &mut Message) -> Result<(), ConversionError> {
        let failed = |source| ConversionError::Encode { type_name: "a compressed body", source };
        let name = match message.properties.content_encoding.as_deref() {
            Some(inner) if !inner.is_empty() => {
                ShortString::new(format!("{}:{inner}", self.name()))
                    .map_err(|error| failed(error.into()))?
            }
            _ => ShortString::from_static(self.name()),
        };
        let level = flate2::Compression::fast();
        let mut body = Vec::new();
        let plain = &*message.body;
        match self {
            Self::Gzip => GzEncoder::new(plain, level).read_to_end(&mut body),
            Self::Deflate => ZlibEncoder::new(plain, level).read_to_end(&mut body),
        }
        .map_err(|error| failed(error.into()))?;
        message.body = body.into();
        message.properties.content_encoding = Some(name);
        Ok(())
    }

    /// What `body` was before it was compressed; `encoding` is for who reads an error.
    pub(super) fn inflate(self, body: &Bytes, encoding: &str) -> Result<Bytes, ConversionError> {
        let inflated = match self {
            Self::Gzip => read_at_most(MultiGzDecoder::new(&**body), INFLATED_BYTES_MAX),
            Self::Deflate => read_at_most(ZlibDecoder::new(&**body), INFLATED_BYTES_MAX),
        };
        let (encoding, length) = (encoding.to_owned(), body.len());
        match inflated {
            Ok(Some(inflated)) => Ok(inflated.into()),
            Ok(None) => {
                Err(ConversionError::TooLarge { encoding, length, limit: INFLATED_BYTES_MAX })
            }
            Err(error) => {
                Err(ConversionError::Inflate { encoding, length, source: Box::new(error) })
            }
        }
    }
}

/// None for more than `limit` bytes.
fn read_at_most(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut read = Vec::new();
    let beyond = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(beyond).read_to_end(&mut read)?;
    Ok((read.len() <= limit).then_some(read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::content;

    #[test]
    fn what_is_compressed_comes_back_and_says_so_as_spring_does() {
        for compression in [Compression::Gzip, Compression::Deflate] {
            let mut message = Message::new("tea ".repeat(100));
            message.properties.content_encoding = Some(ShortString::from_static("utf-8"));
            compression.compress(&mut message).unwrap();
            let name = format!("{}:utf-8", compression.name());
            assert_eq!(message.properties.content_encoding.as_deref(), Some(&*name));
            assert!(message.body.len() < 100);
            let inflated = content(&message.properties, &message.body).unwrap().unwrap();
            assert_eq!(&*inflated, "tea ".repeat(100).as_bytes());
        }
    }

    #[test]
    fn what_does_not_inflate_is_an_error() {
        for text in ["gzip", "deflate"] {
            let mut message = Message::new("tea");
            message.properties.content_encoding = Some(ShortString::truncated(text));
            let error = content(&message.properties, &message.body).unwrap_err();
            let start =
                format!("a body of 3 bytes, content encoding '{text}', can't be inflated: ");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }

    #[test]
    fn a_small_body_that_becomes_a_very_large_one_is_not_read() {
        let mut message = Message::new(vec![0; INFLATED_BYTES_MAX]);
        Compression::Gzip.compress(&mut message).unwrap();
        assert!(message.body.len() < INFLATED_BYTES_MAX / 50);
        assert!(content(&message.properties, &message.body).is_ok(), "the last that is read");
        let mut message = Message::new(vec![0; INFLATED_BYTES_MAX + 1]);
        Compression::Gzip.compress(&mut message).unwrap();
        let error = content(&message.properties, &message.body).unwrap_err();
        assert!(error.to_string().contains("inflates to more than 100000000 bytes"), "{error}");
    }
}
