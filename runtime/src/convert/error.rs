use std::error::Error as StdError;

/// Why a value could not become a message's body, or a body a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// A value can't be written.
    #[error("a value of type `{type_name}` can't become a message's body: {source}")]
    Encode {
        /// The value's type.
        type_name: &'static str,
        /// What went wrong.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A body can't be read.
    #[error(
        "a body of {length} bytes, {}, can't be read as `{type_name}`: {source}",
        content_type_shown(content_type.as_deref())
    )]
    Decode {
        /// The type that was wanted.
        type_name: &'static str,
        /// The message's content type.
        content_type: Option<String>,
        /// The body's length in bytes.
        length: usize,
        /// What went wrong.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Nothing here reads bodies of this content type.
    #[error(
        "a body of content type '{content_type}' can't be read as `{type_name}`: that takes JSON \
         or text; take `Bytes`, or set a converter that reads it and mark the argument `#[payload]`"
    )]
    UnknownContentType {
        /// The type that was wanted.
        type_name: &'static str,
        /// The message's content type.
        content_type: String,
    },
}

fn content_type_shown(content_type: Option<&str>) -> String {
    match content_type {
        Some(content_type) => format!("content type '{content_type}'"),
        None => "without a content type".to_owned(),
    }
}
