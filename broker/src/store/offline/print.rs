//! What is in records, for people.

use std::fmt::{self, Display, Formatter};

use springhare_amqp::wire::decode_table;
use springhare_amqp::{FieldTable, FieldValue};

use crate::store::format::message::{self, MessageContent};
use crate::store::format::references::Runs;
use crate::store::reference_set::ReferenceSet;

/// Bytes of a text or of a byte array that are shown.
const SHOWN_MAX: usize = 256;

/// Queues of a message, each with its reference.
pub(super) struct Queues<'a>(pub(super) message::Queues<'a>, pub(super) &'a ReferenceSet);

impl Display for Queues<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = |(queue, reference)| {
            let settled = if self.1.contains(reference) { " settled" } else { "" };
            format!("{} in queue {queue}{settled}", reference.number())
        };
        Texts(self.0.map(text)).fmt(f)
    }
}

/// References, of which runs are shown by their ends.
pub(super) struct References<'a>(pub(super) Runs<'a>);

impl Display for References<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = |run: crate::store::format::references::Run| match run.count {
            1 => run.first.to_string(),
            count => format!("{}-{}", run.first, run.first + count - 1),
        };
        Texts(self.0.map(text)).fmt(f)
    }
}

/// Texts with commas between them.
pub(super) struct Texts<I>(pub(super) I);

impl<I: Iterator<Item = String> + Clone> Display for Texts<I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut texts = self.0.clone();
        f.write_str(&texts.next().unwrap_or_else(|| "none".to_owned()))?;
        texts.try_for_each(|text| write!(f, ", {text}"))
    }
}

impl Display for MessageContent<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { exchange, routing_key, properties, body, copies } = self;
        write!(f, "exchange {exchange:?} key {routing_key:?}")?;
        if copies.keys().next().is_some() {
            write!(f, " copies {}", Texts(copies.keys().map(|key| format!("{key:?}"))))?;
        }
        write!(f, " properties {} bytes, body {} bytes", properties.len(), body.len())
    }
}

/// A definition, which is a table.
pub(super) struct Definition<'a>(pub(super) &'a [u8]);

impl Display for Definition<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match decode_table(self.0) {
            Ok(table) => Table(&table).fmt(f),
            Err(error) => write!(f, "of {} bytes that can't be read: {error}", self.0.len()),
        }
    }
}

struct Table<'a>(&'a FieldTable);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}: ", name.as_str())?;
            // Whoever shows a dump to others does not think of them.
            match name.as_str().contains("password") {
                true => f.write_str("(not shown)")?,
                false => Value(value).fmt(f)?,
            }
        }
        f.write_str("}")
    }
}

struct Value<'a>(&'a FieldValue);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            FieldValue::Table(table) => Table(table).fmt(f),
            FieldValue::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", Value(value))?;
                }
                f.write_str("]")
            }
            FieldValue::LongString(bytes) => {
                write!(f, "{:?}", String::from_utf8_lossy(shown(bytes)))
            }
            // Arguments are a table of their own.
            FieldValue::ByteArray(bytes) => match decode_table(bytes) {
                Ok(table) => Table(&table).fmt(f),
                Err(_) => write!(f, "x\"{}\"", shown(bytes).escape_ascii()),
            },
            FieldValue::Boolean(value) => value.fmt(f),
            FieldValue::F32(value) => value.fmt(f),
            FieldValue::F64(value) => value.fmt(f),
            FieldValue::Decimal { scale, value } => write!(f, "{value}e-{scale}"),
            FieldValue::Timestamp(seconds) => write!(f, "T{seconds}"),
            FieldValue::Void => f.write_str("null"),
            value => match value.as_i64() {
                Some(number) => number.fmt(f),
                None => write!(f, "{value:?}"),
            },
        }
    }
}

fn shown(bytes: &[u8]) -> &[u8] {
    bytes.get(..SHOWN_MAX).unwrap_or(bytes)
}
