use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::entry::push_key;
use crate::model::definitions::{FaultKind, Report};

/// JSON in which no object has a key twice: of two values one would be lost without a word.
///
/// # Errors
///
/// It is no JSON.
pub(super) fn parse(json: &str, report: &mut Report) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let mut path = "$".to_owned();
    let value = Place { path: &mut path, report }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads what stands at a place.
struct Place<'r> {
    path: &'r mut String,
    report: &'r mut Report,
}

impl Place<'_> {
    /// Reads what stands further in; `step` says where.
    fn within<T>(
        &mut self,
        step: impl FnOnce(&mut String),
        read: impl FnOnce(Place<'_>) -> T,
    ) -> T {
        let length = self.path.len();
        step(self.path);
        let value = read(Place { path: self.path, report: self.report });
        self.path.truncate(length);
        value
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::from(integer))
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<Value, E> {
        Ok(Value::from(integer))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<Value, E> {
        Ok(Number::from_f64(float).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let index = values.len();
            let step = |path: &mut String| {
                // Writing to a string does not fail.
                let _ = write!(path, "[{index}]");
            };
            match self.within(step, |place| sequence.next_element_seed(place))? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let is_known = fields.contains_key(&key);
            let value = self.within(
                |path| push_key(path, &key),
                |place| {
                    if is_known {
                        place.report.fault(place.path.as_str(), FaultKind::Repeated);
                    }
                    entries.next_value_seed(place)
                },
            )?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}
