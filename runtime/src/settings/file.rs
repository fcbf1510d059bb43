//! `springhare.toml`, taken apart: what stands where.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Source;
use super::value::Value;
use crate::error::StartFault;

/// How many bytes a file may have: far more than any settings, far less than would hurt.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// How deep tables may stand in one another.
const DEPTH_MAX: usize = 16;

/// One value of the file.
#[derive(Debug, Clone)]
pub(crate) struct FileEntry {
    /// The names of the tables, and the key, each with its place.
    pub(crate) path: Vec<(String, Source)>,
    pub(crate) value: Value,
}

/// Reads the file. What can't be read is a fault, and the rest is returned all the same.
pub(crate) fn read(file: &Path, faults: &mut Vec<StartFault>) -> Vec<FileEntry> {
    let unreadable = |error: &dyn std::fmt::Display| {
        StartFault::new(format!("{}: the settings can't be read: {error}", file.display()))
    };
    let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
    if bytes > FILE_BYTES_MAX {
        faults.push(unreadable(&format_args!("the file has {bytes} bytes")));
        return Vec::new();
    }
    match fs::read_to_string(file) {
        Ok(text) => parse(file, &text, faults),
        Err(error) => {
            faults.push(unreadable(&error));
            Vec::new()
        }
    }
}

pub(crate) fn parse(file: &Path, text: &str, faults: &mut Vec<StartFault>) -> Vec<FileEntry> {
    let place = Places { file: Arc::new(PathBuf::from(file)), text };
    let (table, mut errors) = DeTable::parse_recoverable(text);
    let start_of = |error: &toml::de::Error| error.span().unwrap_or_default().start;
    errors.sort_by_key(start_of);
    for error in errors {
        let start = start_of(&error);
        // Not the line that the reader would show: it may be a password's.
        let words: Vec<&str> = error.message().split_whitespace().collect();
        faults.push(place.at(start).fault(words.join(" ")));
    }
    let mut entries = Vec::new();
    place.flatten(table.get_ref(), &mut Vec::new(), &mut entries, faults);
    entries
}

struct Places<'t> {
    file: Arc<PathBuf>,
    text: &'t str,
}

impl Places<'_> {
    fn at(&self, offset: usize) -> Source {
        Source::in_file(&self.file, self.text, offset)
    }

    fn flatten(
        &self,
        table: &DeTable<'_>,
        path: &mut Vec<(String, Source)>,
        entries: &mut Vec<FileEntry>,
        faults: &mut Vec<StartFault>,
    ) {
        for (key, value) in table {
            let place = self.at(key.span().start);
            if path.len() == DEPTH_MAX {
                faults.push(place.fault("tables stand too deep in one another here"));
                return;
            }
            path.push((key.get_ref().clone().into_owned(), place));
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => {
                    self.flatten(inner, path, entries, faults);
                }
                other => entries.push(FileEntry { path: path.clone(), value: scalar(other) }),
            }
            path.pop();
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other, Value::Integer),
        DeValue::Array(items) => {
            Value::List(items.iter().map(Spanned::get_ref).map(scalar).collect())
        }
        DeValue::Table(table) if table.is_empty() => Value::EmptyTable,
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Other, Value::Decimal),
        DeValue::Datetime(_) | DeValue::Table(_) => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_the_names_that_lead_to_it_and_their_places() {
        let mut faults = Vec::new();
        let text = "[rabbitmq]\nhost = \"rabbit\"\n\n[listener.\"shop::orders\"]\nprefetch = 5\n";
        let entries = parse(Path::new("springhare.toml"), text, &mut faults);
        assert_eq!(faults, []);
        let shown: Vec<String> = entries
            .iter()
            .map(|entry| {
                let path = entry.path.iter().map(|(name, place)| format!("{name}@{place}"));
                path.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "listener@springhare.toml:4:2 shop::orders@springhare.toml:4:11 \
                 prefetch@springhare.toml:5:1",
                "rabbitmq@springhare.toml:1:2 host@springhare.toml:2:1"
            ]
        );
        assert_eq!(entries[0].value, Value::Integer(5));
    }

    #[test]
    fn what_is_not_toml_is_told_by_its_place_and_without_the_line() {
        let mut faults = Vec::new();
        let text = "[rabbitmq]\npassword = \"s3cret\nport = 5672\nhost = = 1\n";
        parse(Path::new("springhare.toml"), text, &mut faults);
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(texts[0].starts_with("springhare.toml:2:"), "{texts:?}");
        assert!(texts.len() > 1, "{texts:?}");
        assert!(!texts.concat().contains("s3cret"), "{texts:?}");
    }
}
