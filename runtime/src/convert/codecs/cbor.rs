use cbor4ii::core::dec::{Read as _, Reference};
use cbor4ii::core::utils::SliceReader;
use cbor4ii::serde::{Deserializer, to_vec};

use super::is_one_of;
use crate::convert::converter::{ConverterError, MessageConverter, ReadBody};

/// CBOR (RFC 8949), `application/cbor`: feature `cbor`.
///
/// ```
/// use springhare::convert::{CborConverter, MessageConverters};
///
/// let converters = MessageConverters::overridden_by(CborConverter);
/// let message = converters.encode(&("tea", 1))?;
/// assert_eq!(message.properties.content_type.as_deref(), Some("application/cbor"));
/// assert_eq!(converters.read::<(String, u8)>(&message)?, ("tea".to_owned(), 1));
/// # Ok::<(), springhare::convert::ConversionError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct CborConverter;

impl MessageConverter for CborConverter {
    fn content_type(&self) -> &str {
        "application/cbor"
    }

    fn reads(&self, content_type: &str) -> bool {
        is_one_of(content_type, &["application/cbor"])
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError> {
        Ok(to_vec(Vec::new(), &value)?)
    }

    fn decode<'d>(
        &self,
        body: &'d [u8],
        read: &mut ReadBody<'_, 'd>,
    ) -> Result<(), ConverterError> {
        let mut cbor = Deserializer::new(SliceReader::new(body));
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut cbor))?;
        match cbor.into_inner().fill(1) {
            Ok(Reference::Long([]) | Reference::Short([])) => Ok(()),
            _ => Err(ConverterError::msg("there is something behind the value")),
        }
    }

    fn unwraps(&self, _content_encoding: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::MessageConverters;

    #[test]
    fn a_body_with_something_behind_its_value_is_an_error() {
        let converters = MessageConverters::overridden_by(CborConverter);
        let message = converters.encode(&7_u8).unwrap();
        assert_eq!(converters.read::<u8>(&message).unwrap(), 7);
        for rest in [[0x07].as_slice(), &[0xff], &[0x81]] {
            let body = [&*message.body, rest].concat().into();
            let longer = springhare_amqp::Message { body, ..message.clone() };
            let text = converters.read::<u8>(&longer).unwrap_err().to_string();
            assert!(text.ends_with("there is something behind the value"), "{rest:?}: {text}");
        }
    }
}
