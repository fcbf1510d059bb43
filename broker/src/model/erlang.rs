//! Field values as RabbitMQ compares and prints them: its texts are Erlang terms in places, and
//! clients and their tests know them by heart.

use std::fmt;

use springhare_amqp::{FieldTable, FieldValue, ShortString};

/// Whether two values are equal once their types are forgotten: integers of any width and floats
/// by value, texts and byte arrays by their bytes.
pub(crate) fn same_value(one: &FieldValue, other: &FieldValue) -> bool {
    match (kind(one), kind(other)) {
        (Kind::Integer(one), Kind::Integer(other)) => one == other,
        (Kind::Float(one), Kind::Float(other)) => one == other,
        (Kind::Integer(integer), Kind::Float(float))
        | (Kind::Float(float), Kind::Integer(integer)) => is_integer(float, integer),
        (Kind::Bytes(one), Kind::Bytes(other)) => one == other,
        (Kind::Other(one), Kind::Other(other)) => one == other,
        _ => false,
    }
}

enum Kind<'v> {
    Integer(i128),
    Float(f64),
    Bytes(&'v [u8]),
    Other(&'v FieldValue),
}

fn kind(value: &FieldValue) -> Kind<'_> {
    match value {
        FieldValue::Timestamp(seconds) => Kind::Integer(i128::from(*seconds)),
        FieldValue::LongString(bytes) | FieldValue::ByteArray(bytes) => Kind::Bytes(bytes),
        value => match (value.as_i64(), value.as_f64()) {
            (Some(integer), _) => Kind::Integer(i128::from(integer)),
            (_, Some(float)) => Kind::Float(float),
            _ => Kind::Other(value),
        },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float out of range becomes no such integer")]
fn is_integer(float: f64, integer: i128) -> bool {
    float.fract() == 0.0 && float as i128 == integer
}

/// How RabbitMQ calls the types that it compares by value: all integers are one type.
pub(crate) fn type_class(value: &FieldValue) -> &'static str {
    match value {
        FieldValue::Decimal { .. } => "int",
        value if value.as_i64().is_some() => "int",
        value if value.as_f64().is_some() => "float",
        value => value.type_name(),
    }
}

/// Prints the value inside a text (`~s` for bytes, `~p` for all else).
#[derive(Debug)]
pub(crate) struct Text<'v>(pub(crate) &'v FieldValue);

/// Prints the value as an Erlang term (`~p`).
#[derive(Debug)]
pub(crate) struct Term<'v>(pub(crate) &'v FieldValue);

/// Prints a value that came as JSON as the Erlang term that RabbitMQ reads JSON to (`~p`).
#[derive(Debug)]
pub(crate) struct JsonTerm<'v>(pub(crate) &'v FieldValue);

/// The same of named values: a list of pairs.
#[derive(Debug)]
pub(crate) struct JsonTerms<'v>(pub(crate) &'v [(&'v ShortString, &'v FieldValue)]);

impl fmt::Display for JsonTerm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FieldValue::Array(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{}", comma(place), JsonTerm(value))?;
                }
                f.write_str("]")
            }
            FieldValue::Table(table) => {
                f.write_str("#{")?;
                for (place, (name, value)) in table.iter().enumerate() {
                    f.write_str(comma(place))?;
                    write_binary(name.as_bytes(), f)?;
                    write!(f, " => {}", JsonTerm(value))?;
                }
                f.write_str("}")
            }
            FieldValue::Void => f.write_str("null"),
            value => write_term(value, f),
        }
    }
}

impl fmt::Display for JsonTerms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (place, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{{", comma(place))?;
            write_binary(name.as_bytes(), f)?;
            write!(f, ",{}}}", JsonTerm(value))?;
        }
        f.write_str("]")
    }
}

/// Prints bytes as an Erlang binary of numbers (`~w`).
#[derive(Debug)]
pub(crate) struct Octets<'v>(pub(crate) &'v [u8]);

impl fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_octets(self.0, f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FieldValue::LongString(bytes) | FieldValue::ByteArray(bytes) => {
                f.write_str(&String::from_utf8_lossy(bytes))
            }
            value => write_term(value, f),
        }
    }
}

impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_term(self.0, f)
    }
}

fn write_term(value: &FieldValue, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        FieldValue::Boolean(flag) => write!(f, "{flag}"),
        FieldValue::F32(n) => write_float(f64::from(*n), f),
        FieldValue::F64(n) => write_float(*n, f),
        FieldValue::Timestamp(seconds) => write!(f, "{seconds}"),
        FieldValue::Decimal { scale, value } => write!(f, "{{{scale},{value}}}"),
        FieldValue::LongString(bytes) | FieldValue::ByteArray(bytes) => write_binary(bytes, f),
        FieldValue::Array(values) => {
            f.write_str("[")?;
            for (place, value) in values.iter().enumerate() {
                write!(f, "{}{{{},", comma(place), value.type_name())?;
                write_term(value, f)?;
                f.write_str("}")?;
            }
            f.write_str("]")
        }
        FieldValue::Table(table) => write_table(table, f),
        FieldValue::Void => f.write_str("undefined"),
        integer => write!(f, "{}", integer.as_i64().unwrap_or_default()),
    }
}

fn write_table(table: &FieldTable, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (place, (name, value)) in table.iter().enumerate() {
        write!(f, "{}{{", comma(place))?;
        write_binary(name.as_bytes(), f)?;
        write!(f, ",{},", value.type_name())?;
        write_term(value, f)?;
        f.write_str("}")?;
    }
    f.write_str("]")
}

fn comma(place: usize) -> &'static str {
    if place == 0 { "" } else { "," }
}

/// Printable bytes as a text, others as numbers.
fn write_binary(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok("") => f.write_str("<<>>"),
        Ok(text) if !text.chars().any(char::is_control) => {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "<<\"{text}\">>")
        }
        _ => write_octets(bytes, f),
    }
}

fn write_octets(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("<<")?;
    for (place, byte) in bytes.iter().enumerate() {
        write!(f, "{}{byte}", comma(place))?;
    }
    f.write_str(">>")
}

/// Erlang's floats always have a fraction, before an exponent too.
fn write_float(n: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = format!("{n:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => write!(f, "{digits}.0e{exponent}"),
        _ => f.write_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_across_types_as_in_erlang() {
        assert!(same_value(&5i8.into(), &5i64.into()));
        assert!(same_value(&FieldValue::Timestamp(5), &5i64.into()));
        assert!(same_value(&5i32.into(), &5.0.into()));
        assert!(!same_value(&5i32.into(), &5.5.into()));
        assert!(!same_value(&i64::MAX.into(), &f64::INFINITY.into()));
        assert!(same_value(&"a".into(), &b"a"[..].into()));
        assert!(!same_value(&"1".into(), &1i32.into()));
        assert!(!same_value(&true.into(), &1i32.into()));
        assert!(same_value(&vec!["a"].into(), &vec!["a"].into()));
    }

    #[test]
    fn terms_are_printed_as_erlang_prints_them() {
        let table: FieldTable =
            [(ShortString::from_static("k"), true.into())].into_iter().collect();
        for (value, expected) in [
            (FieldValue::from("foo"), "<<\"foo\">>"),
            ("".into(), "<<>>"),
            ("a\"b".into(), "<<\"a\\\"b\">>"),
            (b"\xe4\x00"[..].into(), "<<228,0>>"),
            (1.0e20.into(), "1.0e20"),
            (1.5.into(), "1.5"),
            (1.0e-7.into(), "1.0e-7"),
            (123_456_789.0.into(), "123456789.0"),
            (vec![FieldValue::from("a"), 5.into()].into(), "[{longstr,<<\"a\">>},{signedint,5}]"),
            (table.into(), "[{<<\"k\">>,bool,true}]"),
            (FieldValue::Void, "undefined"),
        ] {
            assert_eq!(Term(&value).to_string(), expected);
        }
        assert_eq!(Text(&"foo".into()).to_string(), "foo");
        assert_eq!(Text(&60_000.into()).to_string(), "60000");
    }
}
