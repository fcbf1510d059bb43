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
    /// Nothing here unwraps bodies of this content encoding.
    #[error(
        "a body of {length} bytes, content encoding '{encoding}', can't be read: {ENCODINGS}; publish \
         it in one of these or as it is, or take `Bytes`"
    )]
    UnknownEncoding {
        /// The message's content encoding.
        encoding: String,
        /// The body's length in bytes.
        length: usize,
    },
    /// A text is in a charset that is not UTF-8.
    #[error(
        "a text in the charset '{charset}' can't be read, only one in UTF-8; publish it so, or take \
         `Bytes`"
    )]
    UnknownCharset {
        /// The charset that the content type names.
        charset: String,
    },
    /// A body is not compressed as its content encoding says.
    #[error("a body of {length} bytes, content encoding '{encoding}', can't be inflated: {source}")]
    Inflate {
        /// The message's content encoding.
        encoding: String,
        /// The body's length in bytes, compressed.
        length: usize,
        /// What went wrong.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A compressed body is too large.
    #[error(
        "a body of {length} bytes, content encoding '{encoding}', inflates to more than {limit} \
         bytes; publish less at a time, or take `Bytes` and inflate it in parts"
    )]
    TooLarge {
        /// The message's content encoding.
        encoding: String,
        /// The body's length in bytes, compressed.
        length: usize,
        /// How many bytes it may have.
        limit: usize,
    },
}

/// Which content encodings there are.
#[cfg(feature = "compression")]
const ENCODINGS: &str = "it knows gzip and deflate";
#[cfg(not(feature = "compression"))]
const ENCODINGS: &str = "it knows none, springhare's feature `compression` brings gzip and deflate";

fn content_type_shown(content_type: Option<&str>) -> String {
    match content_type {
        Some(content_type) => format!("content type '{content_type}'"),
        None => "without a content type".to_owned(),
    }
}
