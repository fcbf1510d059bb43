//! Several messages in one, as Spring's `SimpleBatchingStrategy` writes them: each body after its
//! length, four bytes with the highest first. The properties are those of the first.

use bytes::{BufMut as _, Bytes, BytesMut};
use springhare_amqp::{BasicProperties, FieldValue, Message, MessageProperties, ShortString};

use super::{ConversionError, content};

/// The header that says that a body is several.
const FORMAT_HEADER: ShortString = ShortString::from_static("springBatchFormat");
/// The one format that there is.
const LENGTH_HEADER4: &str = "lengthHeader4";
/// How many they are, for who reads headers.
const SIZE_HEADER: ShortString = ShortString::from_static("amqp_batchSize");
/// How many bytes a length has.
pub(crate) const LENGTH_BYTES: usize = 4;
/// How many parts a message may have: the smallest has four bytes, and each is handled by itself.
pub(crate) const PARTS_MAX: usize = 100_000;

/// A message that says that it is several, and is not. It will not get better.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadParts {
    #[error(
        "a batch of {length} bytes has no whole message at byte {at}: its length is {claimed}, and {left} \
         bytes are left; the sender's `springBatchFormat` is no `lengthHeader4`"
    )]
    Length { length: usize, at: usize, claimed: u32, left: usize },
    #[error(
        "a batch of {length} bytes ends at byte {at} in the middle of a length; the sender's \
         `springBatchFormat` is no `lengthHeader4`"
    )]
    Cut { length: usize, at: usize },
    #[error("a batch has more than {PARTS_MAX} messages; have its sender make smaller ones")]
    TooMany,
}

/// Whether the message says that it is several.
pub(crate) fn is_several(properties: &MessageProperties) -> bool {
    properties.has_header(&FORMAT_HEADER)
        && properties.header(&FORMAT_HEADER).and_then(FieldValue::as_str) == Some(LENGTH_HEADER4)
}

/// How many messages it says that it is; its body has the last word. One for a message alone.
pub(crate) fn claimed_count(properties: &MessageProperties) -> usize {
    if !is_several(properties) {
        return 1;
    }
    let claimed = properties.header(&SIZE_HEADER).and_then(FieldValue::as_i64);
    claimed.and_then(|count| usize::try_from(count).ok()).map_or(1, |count| count.min(PARTS_MAX))
}

/// One message of several: the first's properties, and all bodies. One alone stays as it is.
pub(crate) fn join(mut first: Message, rest: &[Bytes]) -> Message {
    if rest.is_empty() {
        return first;
    }
    let bodies = || std::iter::once(&first.body).chain(rest);
    let bytes = bodies().map(|body| body.len() + LENGTH_BYTES).sum();
    let mut joined = BytesMut::with_capacity(bytes);
    for body in bodies() {
        // A body has less than a message may have, which is far below 4 GiB.
        joined.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        joined.put_slice(body);
    }
    first.body = joined.freeze();
    let count = i32::try_from(rest.len() + 1).unwrap_or(i32::MAX);
    first.properties.set_header(FORMAT_HEADER, FieldValue::from(LENGTH_HEADER4));
    first.properties.set_header(SIZE_HEADER, FieldValue::from(count));
    first
}

/// The messages that one is made of, in their order, none of them copied.
#[derive(Debug)]
pub(crate) struct Parts {
    properties: MessageProperties,
    rest: Bytes,
}

impl Parts {
    /// All lengths are looked at before the first part is handled.
    ///
    /// # Errors
    ///
    /// [`BadParts`] when they don't add up, [`ConversionError`] when the whole is compressed and does not
    /// inflate.
    pub(crate) fn of(message: &Message) -> Result<Result<Self, BadParts>, ConversionError> {
        let mut properties = BasicProperties::clone(&message.properties);
        if let Some(headers) = &mut properties.headers {
            headers.remove(&FORMAT_HEADER);
        }
        let rest = match content(&message.properties, &message.body) {
            // A charset that is not known is that of the parts.
            Ok(None) | Err(ConversionError::UnknownEncoding { .. }) => message.body.clone(),
            Err(error) => return Err(error),
            Ok(Some(inflated)) => {
                properties.content_encoding = None;
                inflated
            }
        };
        Ok(check(&rest).map(|()| Self { properties: properties.into(), rest }))
    }

    /// Whether there is none left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Iterator for Parts {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let (length, _) = self.rest.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let end = LENGTH_BYTES.checked_add(length).filter(|end| *end <= self.rest.len())?;
        let body = self.rest.split_to(end).split_off(LENGTH_BYTES);
        Some(Message { properties: self.properties.clone(), body })
    }
}

fn check(body: &[u8]) -> Result<(), BadParts> {
    let (mut rest, length) = (body, body.len());
    for _ in 0..PARTS_MAX {
        if rest.is_empty() {
            return Ok(());
        }
        let at = length - rest.len();
        let Some((claimed, after)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Err(BadParts::Cut { length, at });
        };
        let claimed = u32::from_be_bytes(*claimed);
        let part = usize::try_from(claimed).ok().and_then(|claimed| after.get(claimed..));
        let Some(after_part) = part else {
            return Err(BadParts::Length { length, at, claimed, left: after.len() });
        };
        rest = after_part;
    }
    if rest.is_empty() { Ok(()) } else { Err(BadParts::TooMany) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn several(body: impl Into<Bytes>) -> Message {
        let mut message = Message::new(body);
        message.properties.set_header(FORMAT_HEADER, FieldValue::from(LENGTH_HEADER4));
        message
    }

    fn bodies(message: &Message) -> Result<Vec<Bytes>, BadParts> {
        Parts::of(message).unwrap().map(|parts| parts.map(|part| part.body).collect())
    }

    #[test]
    fn bodies_are_joined_byte_for_byte_as_spring_does() {
        let mut first = Message::new("tea");
        first.properties.content_type = Some(ShortString::from_static("text/plain"));
        let alone = join(first.clone(), &[]);
        assert_eq!(alone, first, "one alone is sent as it is");
        let joined = join(first, &[Bytes::from_static(b""), Bytes::from_static(b"milk")]);
        assert_eq!(&*joined.body, b"\0\0\0\x03tea\0\0\0\0\0\0\0\x04milk");
        assert_eq!(joined.properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(joined.properties.header("amqp_batchSize"), Some(&FieldValue::from(3)));
        assert!(is_several(&joined.properties));
        let parts: Vec<_> = Parts::of(&joined).unwrap().unwrap().collect();
        assert!(parts.iter().all(|part| !is_several(&part.properties)));
        assert_eq!(parts[2].properties.content_type.as_deref(), Some("text/plain"));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_told_with_their_place() {
        let error = |body: &'static [u8]| bodies(&several(body)).unwrap_err();
        assert_eq!(error(b"\0\0\0\x01a\0\0"), BadParts::Cut { length: 7, at: 5 });
        let claimed = u32::from_be_bytes([0xff; 4]);
        let length = BadParts::Length { length: 5, at: 0, claimed, left: 1 };
        assert_eq!(error(b"\xff\xff\xff\xffa"), length);
        assert!(length.to_string().contains("at byte 0"), "{length}");
        let most = vec![0; PARTS_MAX * LENGTH_BYTES];
        assert_eq!(bodies(&several(most)).unwrap().len(), PARTS_MAX);
        let more = vec![0; (PARTS_MAX + 1) * LENGTH_BYTES];
        assert_eq!(bodies(&several(more)).unwrap_err(), BadParts::TooMany);
        assert_eq!(bodies(&several("")).unwrap(), Vec::<Bytes>::new());
    }

    #[test]
    fn another_format_is_one_message() {
        let mut message = Message::new("\0\0\0\x01a");
        assert!(!is_several(&message.properties));
        message.properties.set_header(FORMAT_HEADER, FieldValue::from("other"));
        assert!(!is_several(&message.properties));
    }

    proptest! {
        #[test]
        fn what_is_joined_comes_apart_again(
            all in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 2..20)
        ) {
            let all: Vec<Bytes> = all.into_iter().map(Bytes::from).collect();
            let joined = join(Message::new(all[0].clone()), &all[1..]);
            prop_assert_eq!(bodies(&joined).unwrap(), all);
        }

        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = bodies(&several(body));
        }
    }
}
