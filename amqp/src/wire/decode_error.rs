/// Why the payload of a frame can't be read.
///
/// On a connection all of them are RabbitMQ's 501 or 502, which one is the server's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside of this field, or the field claims more bytes than there are.
    #[error("the bytes end in {field}")]
    Truncated {
        /// The field's name in the specification, with `_` for `-`.
        field: &'static str,
    },
    /// Bytes are left over after the last field.
    #[error("{count} bytes follow the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// No method has these numbers.
    #[error("unknown method {method} of class {class}")]
    UnknownMethod {
        /// The class of the method.
        class: u16,
        /// The method in the class.
        method: u16,
    },
    /// A short string of a method is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// The field's name in the specification, with `_` for `-`.
        field: &'static str,
    },
    /// A field table holds a value of a type that RabbitMQ does not know either.
    #[error("unknown type {tag:#04x} of a field value")]
    UnknownFieldType {
        /// The type's byte.
        tag: u8,
    },
    /// Field tables and arrays stand in one another deeper than
    /// [`TABLE_DEPTH_MAX`](super::TABLE_DEPTH_MAX).
    #[error("field tables are nested deeper than {} levels", super::TABLE_DEPTH_MAX)]
    TooDeep,
    /// The `delivery-mode` property is neither 1 nor 2.
    #[error("unknown delivery mode {value}")]
    UnknownDeliveryMode {
        /// The property's value.
        value: u8,
    },
    /// The property flags say that more flags follow; the class `basic` has no more.
    ///
    /// RabbitMQ ignores the bit. A reader that honours it would see other properties than the
    /// broker has checked, so it is refused.
    #[error("the property flags {flags:#06x} announce flags that the class basic does not have")]
    ContinuedFlags {
        /// The flags.
        flags: u16,
    },
}
