use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value};
use springhare_amqp::{FieldTable, ShortString};

use super::arguments::read_table;
use crate::engine::declare::stripped;
use crate::model::definitions::{FaultKind, Report};

/// One object of a file, with its place. What is wrong with a key is reported, and the key then
/// taken for one that is not there.
#[derive(Debug)]
pub(super) struct Entry<'v> {
    pub(super) path: String,
    fields: &'v Map<String, Value>,
}

impl<'v> Entry<'v> {
    /// The object there, whose keys are known but for those that are warned about.
    pub(super) fn new(
        path: String,
        value: &'v Value,
        known: &[&str],
        report: &mut Report,
    ) -> Option<Self> {
        let Value::Object(fields) = value else {
            report.fault(path, FaultKind::WrongType { expected: "an object", found: found(value) });
            return None;
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            report.warn(key_path(&path, key), "this key is not known here, and means nothing");
        }
        Some(Self { path, fields })
    }

    /// What is under the key, if anything is.
    pub(super) fn get(&self, key: &str) -> Option<&'v Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    /// The place of a key.
    pub(super) fn path_of(&self, key: &str) -> String {
        key_path(&self.path, key)
    }

    /// A text that has to be there.
    pub(super) fn text(&self, key: &'static str, report: &mut Report) -> Option<&'v str> {
        self.require(key, report)?;
        self.optional_text(key, report)
    }

    /// A text that may be there.
    pub(super) fn optional_text(&self, key: &str, report: &mut Report) -> Option<&'v str> {
        self.optional(key, "a string", Value::as_str, report)
    }

    /// A name that has to be there.
    pub(super) fn name(&self, key: &'static str, report: &mut Report) -> Option<ShortString> {
        let text = self.text(key, report)?;
        let name = ShortString::new(text);
        if name.is_err() {
            report.fault(self.path_of(key), FaultKind::NameTooLong);
        }
        name.ok()
    }

    /// The name of a queue or an exchange, which has no line ends: they are taken out, as where it
    /// is declared.
    pub(super) fn declared_name(
        &self,
        key: &'static str,
        report: &mut Report,
    ) -> Option<ShortString> {
        self.name(key, report).as_ref().map(stripped)
    }

    /// A flag that has to be there.
    pub(super) fn flag(&self, key: &'static str, report: &mut Report) -> Option<bool> {
        self.require(key, report)?;
        self.optional(key, "true or false", Value::as_bool, report)
    }

    /// A flag that is not set if it is not there.
    pub(super) fn optional_flag(&self, key: &str, report: &mut Report) -> Option<bool> {
        match self.get(key) {
            None => Some(false),
            Some(_) => self.optional(key, "true or false", Value::as_bool, report),
        }
    }

    /// A whole number that may be there.
    pub(super) fn optional_integer(&self, key: &str, report: &mut Report) -> Option<i64> {
        self.optional(key, "a whole number", Value::as_i64, report)
    }

    /// An object that may be there; an empty list is RabbitMQ's other way to write an empty one.
    pub(super) fn object(&self, key: &str, known: &[&str], report: &mut Report) -> Option<Self> {
        static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
        let value = self.get(key)?;
        let is_empty_list = value.as_array().is_some_and(Vec::is_empty);
        let value = if is_empty_list { &*EMPTY } else { value };
        Self::new(self.path_of(key), value, known, report)
    }

    /// An object that has to be there.
    pub(super) fn required_object(
        &self,
        key: &'static str,
        known: &[&str],
        report: &mut Report,
    ) -> Option<Self> {
        self.require(key, report)?;
        self.object(key, known, report)
    }

    /// Arguments, which may have any keys; none are an empty table.
    pub(super) fn arguments(&self, key: &str, report: &mut Report) -> FieldTable {
        let value = self.get(key).filter(|value| !value.as_array().is_some_and(Vec::is_empty));
        match value {
            None => FieldTable::new(),
            Some(Value::Object(fields)) => read_table(&self.path_of(key), fields, report),
            Some(other) => {
                let kind = FaultKind::WrongType { expected: "an object", found: found(other) };
                report.fault(self.path_of(key), kind);
                FieldTable::new()
            }
        }
    }

    /// Words: a list of texts, or one text with commas.
    pub(super) fn words(&self, key: &str, report: &mut Report) -> Vec<String> {
        let words: Vec<&str> = match self.get(key) {
            None => return Vec::new(),
            Some(Value::String(words)) => words.split(',').collect(),
            Some(Value::Array(words)) => {
                let mut texts = Vec::new();
                for (index, word) in words.iter().enumerate() {
                    match word {
                        Value::String(word) => texts.push(word.as_str()),
                        other => report.fault(
                            format!("{}[{index}]", self.path_of(key)),
                            FaultKind::WrongType { expected: "a string", found: found(other) },
                        ),
                    }
                }
                texts
            }
            Some(other) => {
                let expected = "a list of strings, or one string with commas";
                let kind = FaultKind::WrongType { expected, found: found(other) };
                report.fault(self.path_of(key), kind);
                return Vec::new();
            }
        };
        words
            .into_iter()
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Reports a key that is not there.
    fn require(&self, key: &'static str, report: &mut Report) -> Option<()> {
        let value = self.get(key);
        if value.is_none() {
            report.fault(&self.path, FaultKind::Missing { key });
        }
        value.map(drop)
    }

    fn optional<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'v Value) -> Option<T>,
        report: &mut Report,
    ) -> Option<T> {
        let value = self.get(key)?;
        let read = read(value);
        if read.is_none() {
            let kind = FaultKind::WrongType { expected, found: found(value) };
            report.fault(self.path_of(key), kind);
        }
        read
    }
}

/// What stands there, in words.
pub(super) fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(number) if !number.is_i64() => {
            "a larger number than fits 64 bits with its sign"
        }
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The place of a key in what is at `path`.
pub(super) fn key_path(path: &str, key: &str) -> String {
    let mut path = path.to_owned();
    push_key(&mut path, key);
    path
}

/// Makes a place that of a key in what is there.
pub(super) fn push_key(path: &mut String, key: &str) {
    let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(is_word) {
        path.push('.');
        path.push_str(key);
    } else {
        // Writing to a string does not fail.
        let _ = write!(path, "[{key:?}]");
    }
}
