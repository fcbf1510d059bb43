//! One header by its name: `#[header("x-id")] id: u64`.

use std::any::type_name;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use springhare_amqp::{FieldTable, FieldValue};

use super::rejection::Receiver;
use crate::listener::context::DeliveryContext;

/// What a header's value is read as.
///
/// Integers of any width fit where their value does; otherwise a value has the type that is
/// wanted or is rejected, nothing is parsed or guessed. `Option` makes a header optional.
#[diagnostic::on_unimplemented(
    message = "a header cannot be read as `{Self}`",
    label = "not a header's type",
    note = "a header is an integer, a float, `bool`, `String`, `&str`, `Bytes`, `SystemTime`, \
            `FieldTable`, `FieldValue`, a `Vec` or an `Option` of those"
)]
pub trait FromHeader<'d>: Sized {
    /// Reads a header that is there.
    ///
    /// # Errors
    ///
    /// [`HeaderType`] when its value is of another type.
    fn from_header(value: &'d FieldValue) -> Result<Self, HeaderType>;

    /// What a header that is not there is read as; nothing, for all but `Option`.
    #[must_use]
    fn from_missing() -> Option<Self> {
        None
    }

    /// Reads a list of values of this type. `u8` takes a byte array so.
    ///
    /// # Errors
    ///
    /// [`HeaderType`] when it is no list, or one of its values is of another type.
    #[doc(hidden)]
    fn list_from_header(value: &'d FieldValue) -> Result<Vec<Self>, HeaderType> {
        match value {
            FieldValue::Array(values) => values.iter().map(Self::from_header).collect(),
            other => Err(HeaderType::new::<Vec<Self>>(other)),
        }
    }
}

/// A header has another type than the one that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("wanted `{wanted}`, found {found}")]
pub struct HeaderType {
    wanted: Cow<'static, str>,
    found: String,
}

impl HeaderType {
    /// `found` can't be read as a `T`.
    #[must_use]
    pub fn new<T>(found: &FieldValue) -> Self {
        Self { wanted: short_type_name::<T>().into(), found: describe(found) }
    }
}

/// The type's name without paths: `Vec<String>` for `alloc::vec::Vec<alloc::string::String>`.
fn short_type_name<T>() -> String {
    let mut short = String::new();
    for part in type_name::<T>().split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_')) {
        if part.ends_with(':') {
            continue;
        }
        short.push_str(part);
    }
    short
}

/// AMQP's name of the type, and of a number its value, since that may be what does not fit.
fn describe(value: &FieldValue) -> String {
    let name = value.type_name();
    match (value.as_i64(), value.as_f64()) {
        (Some(number), _) => format!("{name} {number}"),
        (_, Some(number)) => format!("{name} {number}"),
        _ => name.to_owned(),
    }
}

/// Why a header is not what a handler takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderRejection {
    /// The message has no such header.
    #[error(
        "{receiver}: the message has no header '{name}'; publish it with one, take an `Option`, or \
         give a `default`"
    )]
    Missing {
        /// Who received the message.
        receiver: Receiver,
        /// The header's name.
        name: &'static str,
    },
    /// The header has another type.
    #[error(
        "{receiver}: header '{name}': {source}; publish it with the type that is wanted, or take \
         it as a `FieldValue`"
    )]
    WrongType {
        /// Who received the message.
        receiver: Receiver,
        /// The header's name.
        name: &'static str,
        /// What is wanted and what was found.
        source: HeaderType,
    },
}

/// Takes a header: what an argument marked `#[header("name")]` is taken by.
///
/// # Errors
///
/// [`HeaderRejection`] when it is missing or has another type.
pub fn header<'d, T: FromHeader<'d>>(
    cx: &'d DeliveryContext,
    name: &'static str,
) -> Result<T, HeaderRejection> {
    match cx.properties().header(name) {
        Some(value) => read(cx, name, value),
        None => T::from_missing()
            .ok_or_else(|| HeaderRejection::Missing { receiver: Receiver::of(cx), name }),
    }
}

/// Takes a header, or what `default` makes where it is missing: `#[header("name", default = 0)]`.
///
/// # Errors
///
/// [`HeaderRejection::WrongType`] when it has another type.
pub fn header_or<'d, T: FromHeader<'d>>(
    cx: &'d DeliveryContext,
    name: &'static str,
    default: impl FnOnce() -> T,
) -> Result<T, HeaderRejection> {
    match cx.properties().header(name) {
        Some(value) => read(cx, name, value),
        None => Ok(default()),
    }
}

fn read<'d, T: FromHeader<'d>>(
    cx: &'d DeliveryContext,
    name: &'static str,
    value: &'d FieldValue,
) -> Result<T, HeaderRejection> {
    T::from_header(value).map_err(|source| HeaderRejection::WrongType {
        receiver: Receiver::of(cx),
        name,
        source,
    })
}

/// `T`, by one way to read it.
macro_rules! from_header {
    ($($ty:ty: $value:ident => $read:expr;)+) => {$(
        impl<'d> FromHeader<'d> for $ty {
            fn from_header($value: &'d FieldValue) -> Result<Self, HeaderType> {
                $read.ok_or_else(|| HeaderType::new::<Self>($value))
            }
        }
    )+};
}

macro_rules! integers {
    ($($ty:ty)+) => {
        from_header! { $($ty: value => integer(value);)+ }
    };
}

integers!(i8 i16 u16 i32 u32 i64 u64 i128 u128 isize usize);

from_header! {
    bool: value => value.as_bool();
    f64: value => value.as_f64().or_else(|| exact_float(value));
    f32: value => float(value);
    String: value => value.as_str().map(str::to_owned);
    &'d str: value => value.as_str();
    Bytes: value => bytes(value).cloned();
    &'d [u8]: value => bytes(value).map(|bytes| &**bytes);
    SystemTime: value => timestamp(value);
    FieldTable: value => table(value).cloned();
    &'d FieldTable: value => table(value);
    FieldValue: value => Some(value.clone());
    &'d FieldValue: value => Some(value);
}

impl<'d> FromHeader<'d> for u8 {
    fn from_header(value: &'d FieldValue) -> Result<Self, HeaderType> {
        integer(value).ok_or_else(|| HeaderType::new::<Self>(value))
    }

    fn list_from_header(value: &'d FieldValue) -> Result<Vec<Self>, HeaderType> {
        if let Some(bytes) = bytes(value) {
            return Ok(bytes.to_vec());
        }
        match value {
            FieldValue::Array(values) => values.iter().map(Self::from_header).collect(),
            other => Err(HeaderType::new::<Vec<Self>>(other)),
        }
    }
}

impl<'d, T: FromHeader<'d>> FromHeader<'d> for Vec<T> {
    fn from_header(value: &'d FieldValue) -> Result<Self, HeaderType> {
        T::list_from_header(value)
    }
}

/// None where the header is missing or has no value (`void`).
impl<'d, T: FromHeader<'d>> FromHeader<'d> for Option<T> {
    fn from_header(value: &'d FieldValue) -> Result<Self, HeaderType> {
        match value {
            FieldValue::Void => Ok(None),
            value => T::from_header(value).map(Some),
        }
    }

    fn from_missing() -> Option<Self> {
        Some(None)
    }
}

fn integer<T: TryFrom<i64>>(value: &FieldValue) -> Option<T> {
    value.as_i64().and_then(|number| T::try_from(number).ok())
}

fn float(value: &FieldValue) -> Option<f32> {
    match *value {
        FieldValue::F32(number) => Some(number),
        _ => i16::try_from(value.as_i64()?).ok().map(f32::from),
    }
}

/// An integer that a float holds without loss.
fn exact_float(value: &FieldValue) -> Option<f64> {
    i32::try_from(value.as_i64()?).ok().map(f64::from)
}

fn bytes(value: &FieldValue) -> Option<&Bytes> {
    match value {
        FieldValue::ByteArray(bytes) | FieldValue::LongString(bytes) => Some(bytes),
        _ => None,
    }
}

fn timestamp(value: &FieldValue) -> Option<SystemTime> {
    match *value {
        FieldValue::Timestamp(seconds) => {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        }
        _ => None,
    }
}

fn table(value: &FieldValue) -> Option<&FieldTable> {
    match value {
        FieldValue::Table(table) => Some(table),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one<T: for<'d> FromHeader<'d>>(
        value: impl Into<FieldValue>,
    ) -> Result<T, HeaderRejection> {
        header(&DeliveryContext::for_test().header("x-id", value).build(), "x-id")
    }

    #[test]
    fn integers_fit_where_their_value_does() {
        assert_eq!(read_one::<i64>(7_u8), Ok(7));
        assert_eq!(read_one::<u8>(7_i64), Ok(7));
        assert_eq!(read_one::<usize>(7_i16), Ok(7));
        assert_eq!(read_one::<f64>(7_i16), Ok(7.0));
        let error = read_one::<u8>(300).unwrap_err().to_string();
        assert_eq!(
            error,
            "listener 'test::listener', queue 'test': header 'x-id': wanted `u8`, found signedint \
             300; publish it with the type that is wanted, or take it as a `FieldValue`"
        );
        assert!(read_one::<u32>(-1).is_err());
        assert!(read_one::<i32>("7").is_err(), "a text is no number");
        assert!(read_one::<i32>(true).is_err());
    }

    #[test]
    fn each_type_is_read_as_itself() {
        assert_eq!(read_one::<bool>(true), Ok(true));
        assert_eq!(read_one::<f64>(0.5_f32), Ok(0.5));
        assert_eq!(read_one::<f32>(0.5_f32), Ok(0.5));
        assert_eq!(read_one::<String>("tea"), Ok("tea".to_owned()));
        assert_eq!(read_one::<Vec<u8>>(vec![1_u8, 2]), Ok(vec![1, 2]));
        assert_eq!(read_one::<Bytes>(vec![1_u8]), Ok(Bytes::from_static(&[1])));
        assert_eq!(read_one::<Vec<String>>(vec!["a", "b"]), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(read_one::<Vec<u8>>(vec![1_i32, 2]), Ok(vec![1, 2]));
        assert_eq!(read_one::<FieldValue>("tea"), Ok("tea".into()));
        assert_eq!(read_one::<FieldTable>(FieldTable::new()), Ok(FieldTable::new()));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        assert_eq!(read_one::<SystemTime>(FieldValue::Timestamp(5)), Ok(time));
        let cx = DeliveryContext::for_test().header("x-id", "tea").build();
        assert_eq!(header::<&str>(&cx, "x-id"), Ok("tea"));
    }

    #[test]
    fn a_wrong_type_names_what_was_wanted_and_found() {
        let error = read_one::<Vec<String>>(5).unwrap_err().to_string();
        assert!(error.contains("wanted `Vec<String>`, found signedint 5"), "{error}");
        let error = read_one::<Vec<String>>(vec![5]).unwrap_err().to_string();
        assert!(error.contains("wanted `String`, found signedint 5"), "{error}");
        let error = read_one::<FieldTable>("x").unwrap_err().to_string();
        assert!(error.contains("wanted `FieldTable`, found longstr"), "{error}");
    }

    #[test]
    fn a_missing_header_is_rejected_unless_it_may_be_missing() {
        let cx = DeliveryContext::for_test().build();
        let error = header::<u8>(&cx, "x-id").unwrap_err();
        assert!(matches!(error, HeaderRejection::Missing { name: "x-id", .. }), "{error}");
        assert!(error.to_string().contains("take an `Option`, or give a `default`"), "{error}");
        assert_eq!(header::<Option<u8>>(&cx, "x-id"), Ok(None));
        assert_eq!(header_or(&cx, "x-id", || 9_u8), Ok(9));
    }

    #[test]
    fn a_wrong_type_is_rejected_even_where_the_header_may_be_missing() {
        let cx = DeliveryContext::for_test().header("x-id", "tea").build();
        assert!(header::<Option<u8>>(&cx, "x-id").is_err());
        assert!(header_or(&cx, "x-id", || 9_u8).is_err());
        assert_eq!(read_one::<Option<u8>>(FieldValue::Void), Ok(None));
        assert_eq!(read_one::<Option<u8>>(5), Ok(Some(5)));
    }
}
