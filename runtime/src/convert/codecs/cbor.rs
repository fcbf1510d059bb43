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
        Ok(())
    }
}
