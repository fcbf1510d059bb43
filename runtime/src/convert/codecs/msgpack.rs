use serde::Deserializer as _;

use super::is_one_of;
use crate::convert::converter::{ConverterError, MessageConverter, ReadBody};

/// How deep values may stand in one another, as `serde_json` has it: each is a frame of the stack.
const DEPTH_MAX: usize = 128;

/// MessagePack, `application/msgpack`: feature `msgpack`. Structs are maps with the names of their
/// fields, as other languages write them.
///
/// ```
/// use springhare::convert::{MessageConverters, MsgpackConverter};
///
/// let converters = MessageConverters::overridden_by(MsgpackConverter);
/// let message = converters.encode(&("tea", 1))?;
/// assert_eq!(message.properties.content_type.as_deref(), Some("application/msgpack"));
/// assert_eq!(converters.read::<(String, u8)>(&message)?, ("tea".to_owned(), 1));
/// # Ok::<(), springhare::convert::ConversionError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MsgpackConverter;

impl MessageConverter for MsgpackConverter {
    fn content_type(&self) -> &str {
        "application/msgpack"
    }

    fn reads(&self, content_type: &str) -> bool {
        is_one_of(
            content_type,
            &["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"],
        )
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError> {
        Ok(rmp_serde::to_vec_named(value)?)
    }

    fn decode<'d>(
        &self,
        body: &'d [u8],
        read: &mut ReadBody<'_, 'd>,
    ) -> Result<(), ConverterError> {
        let mut msgpack = rmp_serde::Deserializer::from_read_ref(body);
        msgpack.set_max_depth(DEPTH_MAX);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut msgpack))?;
        match msgpack.deserialize_any(Nothing) {
            Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(()),
            _ => Err(ConverterError::msg("there is something behind the value")),
        }
    }

    fn unwraps(&self, _content_encoding: &str) -> bool {
        false
    }
}

/// Refuses whatever comes.
struct Nothing;

impl serde::de::Visitor<'_> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::MessageConverters;

    #[test]
    fn a_body_with_something_behind_its_value_is_an_error() {
        let converters = MessageConverters::overridden_by(MsgpackConverter);
        let message = converters.encode(&7_u8).unwrap();
        assert_eq!(converters.read::<u8>(&message).unwrap(), 7);
        let value = [0x07].as_slice();
        for rest in [b"\x07".as_slice(), b"\xc0", b"\x91", b"\xa5te", b"\xd4", b"{\"a\":1}"] {
            let body = [value, rest].concat().into();
            let longer = springhare_amqp::Message { body, ..message.clone() };
            let text = converters.read::<u8>(&longer).unwrap_err().to_string();
            assert!(text.ends_with("there is something behind the value"), "{rest:?}: {text}");
        }
    }

    #[test]
    fn values_that_stand_too_deep_in_one_another_are_an_error() {
        let converters = MessageConverters::overridden_by(MsgpackConverter);
        let nested = |depth| {
            let mut body = vec![0x91; depth];
            body.push(0xc0);
            let message = converters.encode(&()).unwrap();
            let message = springhare_amqp::Message { body: body.into(), ..message };
            converters.read::<serde_json::Value>(&message)
        };
        nested(100).unwrap();
        let text = nested(1000).unwrap_err().to_string();
        assert!(text.contains("depth limit exceeded"), "{text}");
    }
}
