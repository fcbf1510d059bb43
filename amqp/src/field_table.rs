mod entries;

use std::fmt;

use bytes::Bytes;

use self::entries::Entries;
use crate::{ShortString, ShortStringTooLong};

/// A value in a [`FieldTable`]: AMQP 0-9-1 section 4.2.1, with the types that RabbitMQ and its
/// clients really send.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FieldValue {
    /// `t`: a boolean.
    Boolean(bool),
    /// `b`: a signed 8-bit integer.
    I8(i8),
    /// `B`: an unsigned 8-bit integer.
    U8(u8),
    /// `s`: a signed 16-bit integer.
    I16(i16),
    /// `u`: an unsigned 16-bit integer.
    U16(u16),
    /// `I`: a signed 32-bit integer.
    I32(i32),
    /// `i`: an unsigned 32-bit integer.
    U32(u32),
    /// `l`: a signed 64-bit integer.
    I64(i64),
    /// `f`: a 32-bit float.
    F32(f32),
    /// `d`: a 64-bit float.
    F64(f64),
    /// `D`: a decimal, `value` divided by ten to the power of `scale`.
    Decimal {
        /// The number of decimal places.
        scale: u8,
        /// The digits.
        value: u32,
    },
    /// `S`: a long string; bytes that are mostly, but need not be, UTF-8.
    LongString(Bytes),
    /// `A`: a list of values.
    Array(Vec<Self>),
    /// `T`: seconds since 1970-01-01 UTC.
    Timestamp(u64),
    /// `F`: a nested table.
    Table(FieldTable),
    /// `x`: a byte array.
    ByteArray(Bytes),
    /// `V`: no value.
    Void,
}

impl FieldValue {
    fn is_deeper_than(&self, levels: usize) -> bool {
        match self {
            Self::Table(table) => table.is_deeper_than(levels),
            Self::Array(values) => {
                levels == 0 || values.iter().any(|value| value.is_deeper_than(levels - 1))
            }
            _ => false,
        }
    }

    /// A long string of `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::LongString(Bytes::from(text.into()))
    }

    /// The text of a long string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::LongString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The value of any of the integer types, widened.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::I8(n) => Some(n.into()),
            Self::U8(n) => Some(n.into()),
            Self::I16(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::I32(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::I64(n) => Some(n),
            _ => None,
        }
    }

    /// The value of either float type, widened.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(n) => Some(n.into()),
            Self::F64(n) => Some(n),
            _ => None,
        }
    }

    /// The value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// The type's name as RabbitMQ writes it in its error texts.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::LongString(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::ByteArray(_) => "binary",
            Self::Void => "void",
        }
    }

    /// An estimate of the bytes that the encoded value takes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        1 + match self {
            Self::Boolean(_) | Self::I8(_) | Self::U8(_) => 1,
            Self::I16(_) | Self::U16(_) => 2,
            Self::I32(_) | Self::U32(_) | Self::F32(_) => 4,
            Self::I64(_) | Self::F64(_) | Self::Timestamp(_) => 8,
            Self::Decimal { .. } => 5,
            Self::LongString(bytes) | Self::ByteArray(bytes) => 4 + bytes.len(),
            Self::Array(values) => 4 + values.iter().map(Self::encoded_len).sum::<usize>(),
            Self::Table(table) => table.encoded_len(),
            Self::Void => 0,
        }
    }
}

macro_rules! field_value_from {
    ($($from:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$from> for FieldValue {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

field_value_from! {
    bool => Boolean, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    f32 => F32, f64 => F64, String => LongString, Bytes => ByteArray, Vec<u8> => ByteArray,
    FieldTable => Table,
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<ShortString> for FieldValue {
    fn from(text: ShortString) -> Self {
        Self::text(text.as_str())
    }
}

impl From<&[u8]> for FieldValue {
    fn from(bytes: &[u8]) -> Self {
        Self::ByteArray(Bytes::copy_from_slice(bytes))
    }
}

impl<T: Into<Self>> From<Vec<T>> for FieldValue
where
    T: NotAByte,
{
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

/// The types whose `Vec` is an AMQP array; a `Vec<u8>` is a byte array instead.
///
/// Sealed: it only keeps the two conversions apart.
pub(crate) trait NotAByte {}

macro_rules! not_a_byte {
    ($($name:ty),+ $(,)?) => {$( impl NotAByte for $name {} )+};
}

not_a_byte!(bool, i8, i16, u16, i32, u32, i64, f32, f64, String, &str, Bytes, FieldTable);
not_a_byte!(FieldValue, ShortString);

/// A table of named values (AMQP 0-9-1 section 4.2.5.5): headers and arguments.
///
/// Names keep the order they were put in; a lookup costs the same however large the table is.
///
/// ```
/// use springhare_amqp::{FieldTable, FieldValue};
///
/// let mut arguments = FieldTable::new();
/// arguments.insert("x-message-ttl", 60_000)?;
/// assert_eq!(arguments.get("x-message-ttl").and_then(FieldValue::as_i64), Some(60_000));
/// # Ok::<(), springhare_amqp::ShortStringTooLong>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct FieldTable(Entries);

impl FieldTable {
    /// A table without values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `value` under `name`, in the place of what was there.
    ///
    /// # Errors
    ///
    /// [`ShortStringTooLong`] when the name has more than 255 bytes.
    pub fn insert(
        &mut self,
        name: impl AsRef<str>,
        value: impl Into<FieldValue>,
    ) -> Result<Option<FieldValue>, ShortStringTooLong> {
        Ok(self.0.insert(ShortString::new(name)?, value.into()))
    }

    /// Puts `value` under a name that is a short string already.
    pub fn set(&mut self, name: ShortString, value: impl Into<FieldValue>) -> Option<FieldValue> {
        self.0.insert(name, value.into())
    }

    /// Puts `value` under `name` unless there is one already.
    pub(crate) fn set_first(&mut self, name: ShortString, value: FieldValue) {
        if self.0.get(&name).is_none() {
            self.0.insert(name, value);
        }
    }

    /// The value under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.0.get(name)
    }

    /// Takes the value under `name` out; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<FieldValue> {
        self.0.remove(name)
    }

    /// Whether there is a value under `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&ShortString, &FieldValue)> {
        self.0.iter()
    }

    /// The bytes that the encoded table takes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        4 + self.0.iter().map(|(name, value)| 1 + name.len() + value.encoded_len()).sum::<usize>()
    }

    /// Whether tables and arrays stand deeper in one another than this, this table included: at more
    /// than [`TABLE_DEPTH_MAX`](crate::wire::TABLE_DEPTH_MAX) levels it can be sent, and not read.
    #[must_use]
    pub fn is_deeper_than(&self, levels: usize) -> bool {
        levels == 0 || self.0.iter().any(|(_, value)| value.is_deeper_than(levels - 1))
    }
}

impl fmt::Debug for FieldTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(ShortString, FieldValue)> for FieldTable {
    fn from_iter<I: IntoIterator<Item = (ShortString, FieldValue)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_widen_whatever_their_width() {
        for value in [
            FieldValue::from(7i8),
            7u8.into(),
            7i16.into(),
            7u16.into(),
            7i32.into(),
            7u32.into(),
            7i64.into(),
        ] {
            assert_eq!(value.as_i64(), Some(7), "{value:?}");
        }
        assert_eq!(FieldValue::from(true).as_i64(), None);
    }

    #[test]
    fn names_keep_their_order_and_the_last_value() {
        let mut table = FieldTable::new();
        table.insert("b", 1).unwrap();
        table.insert("a", 2).unwrap();
        assert_eq!(table.insert("b", 3).unwrap(), Some(FieldValue::I32(1)));
        let names: Vec<&str> = table.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
    }

    #[test]
    fn a_list_is_an_array_and_bytes_are_bytes() {
        assert!(
            matches!(FieldValue::from(vec!["a", "b"]), FieldValue::Array(list) if list.len() == 2)
        );
        assert!(matches!(FieldValue::from(vec![1u8, 2]), FieldValue::ByteArray(_)));
    }

    #[test]
    fn the_encoded_length_counts_names_types_and_values() {
        let mut table = FieldTable::new();
        table.insert("n", 5i32).unwrap();
        table.insert("text", "abc").unwrap();
        assert_eq!(table.encoded_len(), 4 + (1 + 1 + 1 + 4) + (1 + 4 + 1 + 4 + 3));
    }
}
