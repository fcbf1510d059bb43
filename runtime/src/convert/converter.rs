use std::error::Error as StdError;
use std::fmt;

/// Takes a value out of a body's deserializer; see [`MessageConverter::decode`].
pub type ReadBody<'a, 'd> =
    dyn FnMut(&mut dyn erased_serde::Deserializer<'d>) -> Result<(), erased_serde::Error> + 'a;

/// A format of the application's own, in place of JSON: CBOR, MessagePack, a signed envelope.
///
/// ```
/// use springhare::convert::{ConverterError, MessageConverter, ReadBody, erased_serde};
///
/// /// JSON for people to read.
/// #[derive(Debug)]
/// struct Pretty;
///
/// impl MessageConverter for Pretty {
///     fn content_type(&self) -> &str {
///         "application/x-pretty+json"
///     }
///
///     fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError> {
///         Ok(serde_json::to_vec_pretty(value)?)
///     }
///
///     fn decode<'d>(&self, body: &'d [u8], read: &mut ReadBody<'_, 'd>) -> Result<(), ConverterError> {
///         let mut json = serde_json::Deserializer::from_slice(body);
///         Ok(read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?)
///     }
/// }
/// ```
pub trait MessageConverter: fmt::Debug + Send + Sync + 'static {
    /// The content type of what it writes, 255 bytes at most.
    fn content_type(&self) -> &str;

    /// Whether it reads bodies of this content type; without more, of its own.
    fn reads(&self, content_type: &str) -> bool {
        content_type.eq_ignore_ascii_case(self.content_type())
    }

    /// Whether it unwraps this content encoding, which nothing else here does: it gets such a body as it
    /// came. If it says no the body is an error; without more it says yes.
    fn unwraps(&self, _content_encoding: &str) -> bool {
        true
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// Whatever keeps the value from being written.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, ConverterError>;

    /// Reads a body: hands a deserializer of it to `read`, once.
    ///
    /// # Errors
    ///
    /// Whatever keeps the body from being read, `read`'s own error among it.
    fn decode<'d>(&self, body: &'d [u8], read: &mut ReadBody<'_, 'd>)
    -> Result<(), ConverterError>;
}

/// What a converter failed with: any error, by `?`.
pub struct ConverterError(Box<dyn StdError + Send + Sync>);

impl ConverterError {
    /// A failure that is only a text.
    #[must_use]
    pub fn msg(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }

    /// The error itself.
    #[must_use]
    pub fn source(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }

    pub(crate) fn into_source(self) -> Box<dyn StdError + Send + Sync> {
        self.0
    }
}

#[diagnostic::do_not_recommend]
impl<E: StdError + Send + Sync + 'static> From<E> for ConverterError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for ConverterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ConverterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
