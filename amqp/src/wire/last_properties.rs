use smallvec::SmallVec;

use super::DecodeError;
use crate::MessageProperties;

/// Properties of more bytes are not remembered: a connection may have many channels.
const REMEMBERED_MAX_BYTES: usize = 256;

/// The properties that came last on a channel: publishers mostly send the same again, and then
/// nothing is decoded or allocated for them.
#[derive(Debug, Default)]
pub struct LastProperties {
    properties: MessageProperties,
    /// What they were read from; nothing at first.
    encoded: SmallVec<[u8; 32]>,
}

impl LastProperties {
    /// Reads the properties of a content header.
    ///
    /// # Errors
    ///
    /// As [`MessageProperties::parse`].
    pub fn read(&mut self, encoded: &[u8]) -> Result<MessageProperties, DecodeError> {
        if encoded.len() > REMEMBERED_MAX_BYTES {
            return MessageProperties::parse(encoded);
        }
        if *self.encoded != *encoded || encoded.is_empty() {
            self.properties = MessageProperties::parse(encoded)?;
            self.encoded = SmallVec::from_slice(encoded);
        }
        Ok(self.properties.clone())
    }

    /// The last ones again, if these are the same bytes.
    #[inline]
    #[must_use]
    pub fn again(&self, encoded: &[u8]) -> Option<MessageProperties> {
        (!encoded.is_empty() && *encoded == *self.encoded).then(|| self.properties.clone())
    }
}
