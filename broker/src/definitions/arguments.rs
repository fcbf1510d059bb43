use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};
use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::entry::{found, key_path};
use crate::model::definitions::{FaultKind, Report};

/// A table, of which every value that is none is a fault. Integers are signed ones of 64 bits, as
/// RabbitMQ reads them.
pub(super) fn read_table(
    path: &str,
    fields: &Map<String, Value>,
    report: &mut Report,
) -> FieldTable {
    let mut table = FieldTable::new();
    for (key, value) in fields {
        let path = key_path(path, key);
        match ShortString::new(key) {
            Err(_) => report.fault(path, FaultKind::NameTooLong),
            Ok(key) => {
                if let Some(value) = read_value(&path, value, report) {
                    table.set(key, value);
                }
            }
        }
    }
    table
}

/// The same of a value that is no argument, where nothing stands for nothing.
pub(super) fn read_any(path: &str, value: &Value, report: &mut Report) -> Option<FieldValue> {
    match value {
        Value::Null => Some(FieldValue::Void),
        value => read_value(path, value, report),
    }
}

fn read_value(path: &str, value: &Value, report: &mut Report) -> Option<FieldValue> {
    match value {
        Value::String(text) => Some(FieldValue::text(text.as_str())),
        Value::Bool(flag) => Some(FieldValue::Boolean(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Some(FieldValue::I64(integer)),
            (None, Some(float)) if !number.is_u64() => Some(FieldValue::F64(float)),
            _ => {
                let (expected, found) =
                    ("a number that fits 64 bits with its sign", "a larger one");
                report.fault(path, FaultKind::WrongType { expected, found });
                None
            }
        },
        Value::Array(values) => {
            let values = values.iter().enumerate();
            let values = values.filter_map(|(index, value)| {
                read_value(&format!("{path}[{index}]"), value, report)
            });
            Some(FieldValue::Array(values.collect()))
        }
        Value::Object(fields) => Some(FieldValue::Table(read_table(path, fields, report))),
        Value::Null => {
            let expected = "a value";
            report.fault(path, FaultKind::WrongType { expected, found: found(value) });
            None
        }
    }
}

/// A table as JSON, in which the width of numbers is lost, as in RabbitMQ's.
pub(super) fn write_table(table: &FieldTable) -> Value {
    Value::Object(
        table.iter().map(|(name, value)| (name.to_string(), write_value(value))).collect(),
    )
}

pub(super) fn write_value(value: &FieldValue) -> Value {
    match value {
        FieldValue::Boolean(flag) => Value::Bool(*flag),
        FieldValue::F32(float) => write_float(f64::from(*float)),
        FieldValue::F64(float) => write_float(*float),
        FieldValue::Decimal { scale, value } => {
            write_float(f64::from(*value) / 10_f64.powi(i32::from(*scale)))
        }
        FieldValue::LongString(bytes) | FieldValue::ByteArray(bytes) => {
            match std::str::from_utf8(bytes) {
                Ok(text) => Value::from(text),
                Err(_) => Value::from(format!("Not UTF-8, base64 is: {}", STANDARD.encode(bytes))),
            }
        }
        FieldValue::Array(values) => Value::Array(values.iter().map(write_value).collect()),
        FieldValue::Table(table) => write_table(table),
        // What is larger than an integer here is a float in a file, which can be read again.
        FieldValue::Timestamp(seconds) => {
            i64::try_from(*seconds).map_or_else(|_| write_float(*seconds as f64), Value::from)
        }
        // RabbitMQ's word for it, which it takes for a text when it reads it.
        FieldValue::Void => Value::from("undefined"),
        integer => integer.as_i64().map_or(Value::Null, Value::from),
    }
}

/// JSON has no numbers for those that are none.
fn write_float(float: f64) -> Value {
    Number::from_f64(float).map_or_else(|| Value::from(float.to_string()), Value::Number)
}
