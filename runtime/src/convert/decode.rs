//! A body's value: a deserializer that listens to what the type asks for, so that a text sent as
//! `text/plain` comes back as it was, and a number sent so by somebody else is a number.

use std::any::type_name;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use super::encoding::is_known_charset;
use super::error::ConversionError;

/// What the content type says of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Text,
    /// `application/octet-stream`, or no content type.
    Octets,
    /// A format that is not built in.
    Unknown,
}

/// The content type of JSON, as it is mostly written.
const JSON: &str = "application/json";

impl Form {
    fn of(content_type: Option<&str>) -> Self {
        let Some(content_type) = content_type else { return Self::Octets };
        if content_type == JSON {
            return Self::Json;
        }
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        if is(JSON) {
            Self::Json
        } else if is("text/plain") {
            Self::Text
        } else if essence.is_empty() || is("application/octet-stream") {
            Self::Octets
        } else {
            Self::of_lowercase(&essence.to_ascii_lowercase())
        }
    }

    /// The rarer spellings: `text/json`, `application/x-json`, `application/problem+json`.
    fn of_lowercase(essence: &str) -> Self {
        let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
        if subtype == "json" || subtype == "x-json" || subtype.ends_with("+json") {
            Self::Json
        } else if essence.starts_with("text/") {
            Self::Text
        } else {
            Self::Unknown
        }
    }

    /// The ways to read it, the likeliest first.
    fn readings(self) -> &'static [Reading] {
        match self {
            Self::Json => &[Reading::Json],
            Self::Text => &[Reading::Text, Reading::Json, Reading::Literal],
            Self::Octets => &[Reading::Octets, Reading::Json],
            Self::Unknown => &[],
        }
    }
}

/// Reads a body by its content type.
pub(crate) fn decode<'d, T: Deserialize<'d>>(
    content_type: Option<&str>,
    body: &'d [u8],
) -> Result<T, ConversionError> {
    let mut first_error = None;
    let form = Form::of(content_type);
    if matches!(form, Form::Json | Form::Text) {
        refuse_foreign_charset(content_type)?;
    }
    for &reading in form.readings() {
        match T::deserialize(BodyDeserializer { body, reading }) {
            Ok(value) => return Ok(value),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(failure(type_name::<T>(), content_type, body.len(), first_error))
}

/// An error for a content type with a charset that is not UTF-8 or a part of it.
pub(crate) fn refuse_foreign_charset(content_type: Option<&str>) -> Result<(), ConversionError> {
    // What nearly all are, and without parameters.
    let content_type = content_type.filter(|given| *given != JSON);
    let Some((_, parameters)) = content_type.and_then(|given| given.split_once(';')) else {
        return Ok(());
    };
    for (name, value) in parameters.split(';').filter_map(|parameter| parameter.split_once('=')) {
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !is_known_charset(value) {
            return Err(ConversionError::UnknownCharset { charset: value.to_owned() });
        }
    }
    Ok(())
}

/// Apart from [`decode`], so that it is compiled once for all types.
fn failure(
    type_name: &'static str,
    content_type: Option<&str>,
    length: usize,
    error: Option<serde_json::Error>,
) -> ConversionError {
    let content_type = content_type.map(str::to_owned);
    match error {
        Some(error) => {
            ConversionError::Decode { type_name, content_type, length, source: Box::new(error) }
        }
        None => ConversionError::UnknownContentType {
            type_name,
            content_type: content_type.unwrap_or_default(),
        },
    }
}

/// How a [`BodyDeserializer`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// JSON alone.
    Json,
    /// A text where the type asks for one, else JSON.
    Text,
    /// A text, whatever the type asks for.
    Literal,
    /// Bytes where the type asks for them, a text that is not in quotes where it asks for a text,
    /// else JSON.
    Octets,
}

#[derive(Debug, Clone, Copy)]
struct BodyDeserializer<'d> {
    body: &'d [u8],
    reading: Reading,
}

impl<'d> BodyDeserializer<'d> {
    fn text(self) -> Result<&'d str, serde_json::Error> {
        std::str::from_utf8(self.body).map_err(serde_json::Error::custom)
    }

    fn first_byte(self) -> Option<u8> {
        self.body.iter().copied().find(|byte| !byte.is_ascii_whitespace())
    }

    /// Whether a type that asks for a text gets the body as it stands.
    fn is_text(self) -> bool {
        match self.reading {
            Reading::Json => false,
            Reading::Text | Reading::Literal => true,
            Reading::Octets => self.first_byte() != Some(b'"'),
        }
    }
}

/// Reads the whole body as JSON, by one method of `serde_json`'s deserializer.
macro_rules! read_json {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        let mut json = serde_json::Deserializer::from_slice($self.body);
        let value = json.$method($($argument),*)?;
        json.end()?;
        Ok(value)
    }};
}

/// Methods of types that ask for a text.
macro_rules! texts {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
            if self.is_text() {
                visitor.visit_borrowed_str(self.text()?)
            } else {
                read_json!(self.$method(visitor))
            }
        }
    )+};
}

/// Methods of types that ask for bytes.
macro_rules! bytes {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
            if self.reading == Reading::Json {
                read_json!(self.$method(visitor))
            } else {
                visitor.visit_borrowed_bytes(self.body)
            }
        }
    )+};
}

/// Methods of types that ask for neither.
macro_rules! values {
    ($($method:ident($($argument:ident: $ty:ty),*);)+) => {$(
        fn $method<V: Visitor<'d>>(
            self,
            $($argument: $ty,)*
            visitor: V,
        ) -> Result<V::Value, serde_json::Error> {
            if self.reading == Reading::Literal {
                visitor.visit_borrowed_str(self.text()?)
            } else {
                read_json!(self.$method($($argument,)* visitor))
            }
        }
    )+};
}

impl<'d> Deserializer<'d> for BodyDeserializer<'d> {
    type Error = serde_json::Error;

    texts!(deserialize_str deserialize_string deserialize_char deserialize_identifier);

    bytes!(deserialize_bytes deserialize_byte_buf);

    values! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_ignored_any();
    }

    /// Only JSON knows a value that is not there; an empty body is none too.
    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match (self.reading, self.first_byte()) {
            (Reading::Json, None) => visitor.visit_none(),
            (Reading::Json, Some(_)) => read_json!(self.deserialize_option(visitor)),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        if self.reading == Reading::Json {
            read_json!(self.deserialize_newtype_struct(name, visitor))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    /// A unit variant goes out as a text, one with content as an object.
    fn deserialize_enum<V: Visitor<'d>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        let is_object = self.first_byte() == Some(b'{');
        if self.is_text() && !is_object {
            BorrowedStrDeserializer::new(self.text()?).deserialize_enum(name, variants, visitor)
        } else {
            read_json!(self.deserialize_enum(name, variants, visitor))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_content_type_says_the_form() {
        for (content_type, form) in [
            ("application/json", Form::Json),
            ("application/json; charset=utf-8", Form::Json),
            ("Application/JSON", Form::Json),
            ("application/problem+json", Form::Json),
            ("text/json", Form::Json),
            ("text/plain;charset=UTF-8", Form::Text),
            ("text/csv", Form::Text),
            ("application/octet-stream", Form::Octets),
            ("", Form::Octets),
            ("application/cbor", Form::Unknown),
        ] {
            assert_eq!(Form::of(Some(content_type)), form, "{content_type}");
        }
        assert_eq!(Form::of(None), Form::Octets);
    }

    #[test]
    fn plain_text_of_others_is_json_where_the_type_asks_for_more() {
        let text = Some("text/plain");
        assert_eq!(decode::<u32>(text, b"5").unwrap(), 5);
        assert_eq!(decode::<Vec<u8>>(text, b"[1,2]").unwrap(), [1, 2]);
        assert_eq!(decode::<Value>(text, b"{\"a\":1}").unwrap(), json!({"a": 1}));
        assert_eq!(decode::<Value>(text, b"tea").unwrap(), json!("tea"));
        assert_eq!(decode::<Option<u32>>(text, b"null").unwrap(), None);
        assert_eq!(decode::<Option<u32>>(text, b"").unwrap(), None);
        assert_eq!(decode::<std::num::NonZero<u8>>(text, b" 7 ").unwrap().get(), 7);
    }

    #[test]
    fn without_a_content_type_a_bare_text_is_still_a_text() {
        assert_eq!(decode::<String>(None, b"hello").unwrap(), "hello");
        assert_eq!(decode::<String>(None, b"\"hello\"").unwrap(), "hello");
        assert_eq!(decode::<&str>(Some("application/json"), b"\"hello\"").unwrap(), "hello");
        assert!(decode::<String>(Some("application/json"), b"hello").is_err());
    }

    #[test]
    fn a_text_in_another_charset_is_not_read_as_if_it_were_utf_8() {
        for known in ["text/plain; charset=\"US-ASCII\"", "text/plain;format=flowed;Charset=utf8"] {
            assert_eq!(decode::<String>(Some(known), b"tea").unwrap(), "tea", "{known}");
        }
        for foreign in ["text/plain; charset=iso-8859-1", "application/json;charset=\"UTF-16\""] {
            let error = decode::<u8>(Some(foreign), b"5").unwrap_err().to_string();
            assert!(error.starts_with("a text in the charset '"), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_names_the_type_and_the_body() {
        let error = decode::<u32>(Some("application/json"), b"{oops").unwrap_err().to_string();
        assert!(
            error.starts_with(
                "a body of 5 bytes, content type 'application/json', can't be read as `u32`: "
            ),
            "{error}"
        );
        assert!(error.contains("line 1 column"), "{error}");
        let error = decode::<u32>(None, b"x").unwrap_err().to_string();
        assert!(error.contains("without a content type"), "{error}");
        let error = decode::<u32>(Some("application/cbor"), b"x").unwrap_err().to_string();
        assert!(error.contains("'application/cbor' can't be read"), "{error}");
        assert!(decode::<String>(Some("text/plain"), b"\xff").is_err());
        assert!(decode::<u32>(Some("application/json"), b"5 5").is_err(), "more than one value");
    }
}
