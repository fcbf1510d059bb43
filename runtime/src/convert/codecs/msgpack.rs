use super::is_one_of;
use crate::convert::converter::{ConverterError, MessageConverter, ReadBody};

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
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut msgpack))?;
        Ok(())
    }
}
