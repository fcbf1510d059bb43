//! A value as a file or the environment gives it, and what becomes of it.

use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::source::Source;
use crate::connection::{AddressOrder, Password};
use crate::listener::endpoint::{AcknowledgeMode, Concurrency};

/// A value as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Integer(i64),
    /// A number with a fraction.
    Decimal(f64),
    /// All that the environment has, and a file's strings.
    Text(String),
    List(Vec<Self>),
    /// A time of the calendar, which no key takes.
    Other,
    /// A table with nothing in it.
    EmptyTable,
}

/// A value that a key can't have: what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Wrong(pub(crate) Cow<'static, str>);

impl Wrong {
    /// What it should be, behind "is".
    pub(crate) const fn is(expected: &'static str) -> Self {
        Self(Cow::Borrowed(expected))
    }
}

/// What a key's value can be read as.
pub(crate) trait Setting: Sized {
    /// Reads the value that was given at `source`.
    fn read(value: &Value, source: &Source) -> Result<Self, Wrong>;
}

impl Value {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, or a text that is one.
    fn number<N: TryFrom<i64> + FromStr>(&self) -> Option<N> {
        match self {
            Self::Integer(number) => N::try_from(*number).ok(),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

impl Setting for bool {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        // The words of Spring Boot, which are those of variables.
        let words = [("true", true), ("yes", true), ("on", true), ("1", true)];
        let others = [("false", false), ("no", false), ("off", false), ("0", false)];
        let of_word = |text: &str| {
            let mut all = words.iter().chain(&others);
            all.find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, value)| *value)
        };
        match value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) => of_word(text.trim()),
            _ => None,
        }
        .ok_or(Wrong::is("true or false"))
    }
}

impl Setting for u16 {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        value.number().ok_or(Wrong::is("a whole number from 0 to 65535"))
    }
}

impl Setting for u32 {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        value.number().ok_or(Wrong::is("a whole number from 0 to 4294967295"))
    }
}

impl Setting for i32 {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        value.number().ok_or(Wrong::is("a whole number from -2147483648 to 2147483647"))
    }
}

impl Setting for f64 {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let number = match value {
            Value::Decimal(number) => Some(*number),
            other => other.number::<i32>().map(Self::from),
        };
        let number = number.or_else(|| value.text().and_then(|text| text.trim().parse().ok()));
        number.filter(|number| number.is_finite()).ok_or(Wrong::is("a number, as 2 or 1.5"))
    }
}

impl Setting for String {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        value.text().map(str::to_owned).ok_or(Wrong::is("a text"))
    }
}

impl Setting for Password {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        value.text().map(Self::new).ok_or(Wrong::is("a text"))
    }
}

/// A path in a file is meant from the directory of the file.
impl Setting for PathBuf {
    fn read(value: &Value, source: &Source) -> Result<Self, Wrong> {
        let path = value.text().filter(|path| !path.is_empty());
        let path = path.ok_or(Wrong::is("the path of a file"))?;
        Ok(source.directory().map_or_else(|| Self::from(path), |directory| directory.join(path)))
    }
}

/// A number without a unit is one of milliseconds, as Spring Boot has it.
impl Setting for Duration {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let in_millis = value.number().map(Self::from_millis);
        let with_unit = || value.text().and_then(duration);
        in_millis.or_else(with_unit).ok_or(Wrong::is(
            "a time with its unit (ms, s, m, h), as 200ms, or a number of milliseconds",
        ))
    }
}

/// A time whose number without a unit is one of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Setting for Seconds {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let in_seconds = value.number().map(Duration::from_secs);
        let with_unit = || value.text().and_then(duration);
        let time: Option<Duration> = in_seconds.or_else(with_unit);
        time.filter(|time| time.subsec_nanos() == 0 && time.as_secs() <= u64::from(u16::MAX))
            .map(Self)
            .ok_or(Wrong::is(
                "a time in whole seconds, at most 65535, with its unit (s, m, h), as 10s, or a number \
                 of seconds",
            ))
    }
}

/// A time that is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LongerThanZero(pub(crate) Duration);

impl Setting for LongerThanZero {
    fn read(value: &Value, source: &Source) -> Result<Self, Wrong> {
        let time = Duration::read(value, source)?;
        Some(time).filter(|time| !time.is_zero()).map(Self).ok_or(Wrong::is(
            "a time that is not 0: there is no word for without end; give it a long one, as 24h",
        ))
    }
}

/// A number of bytes, not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataSize(pub(crate) u64);

/// A number without a unit is one of bytes; units are multiples of 1024, as Spring Boot has it.
impl Setting for DataSize {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let with_unit = |text: &str| {
            let text = text.trim();
            let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
            let shift = match unit.trim().to_ascii_uppercase().as_str() {
                "B" => 0,
                "KB" => 10,
                "MB" => 20,
                "GB" => 30,
                _ => return None,
            };
            number.parse::<u64>().ok()?.checked_mul(1 << shift)
        };
        let bytes = value.number().and_then(|bytes: i64| u64::try_from(bytes).ok());
        let bytes = bytes.or_else(|| value.text().and_then(with_unit));
        bytes.filter(|bytes| *bytes > 0).map(Self).ok_or(Wrong::is(
            "a size with its unit (B, KB, MB, GB), as 64MB, or a number of bytes; not 0",
        ))
    }
}

/// A text that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled(pub(crate) String);

impl Setting for Filled {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let text = value.text().filter(|text| !text.is_empty());
        let text =
            text.ok_or(Wrong::is("a text that is not empty; leave it out where it is not set"));
        Ok(Self(text?.to_owned()))
    }
}

impl Setting for AcknowledgeMode {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        match value.text().map(str::to_ascii_lowercase).as_deref() {
            Some("auto") => Ok(Self::Auto),
            Some("manual") => Ok(Self::Manual),
            Some("first") => Ok(Self::First),
            Some("none") => Ok(Self::None),
            _ => Err(Wrong::is("one of auto, manual, first and none")),
        }
    }
}

/// `4`, or `2-8`.
impl Setting for Concurrency {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let range = |text: &str| {
            let (min, max) = text.split_once('-')?;
            Some(Self { min: min.trim().parse().ok()?, max: max.trim().parse().ok()? })
        };
        let one = value.number().map(|number| Self { min: number, max: number });
        let concurrency = one.or_else(|| value.text().and_then(range));
        concurrency
            .filter(|concurrency| concurrency.min > 0 && concurrency.min <= concurrency.max)
            .ok_or(Wrong::is("a number from 1, or two as in 2-8, the smaller one first"))
    }
}

impl Setting for AddressOrder {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        match value.text().map(str::to_ascii_lowercase).as_deref() {
            Some("none") => Ok(Self::AsGiven),
            Some("random") => Ok(Self::Random),
            Some("inorder") => Ok(Self::InTurn),
            _ => Err(Wrong::is("one of none, random and inorder")),
        }
    }
}

/// A text or a list of texts, which may hold passwords: `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Texts(hidden)")
    }
}

impl Setting for Texts {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let texts = match value {
            Value::Text(text) => Some(vec![text.clone()]),
            Value::List(list) => list.iter().map(|item| item.text().map(str::to_owned)).collect(),
            _ => None,
        };
        let texts = texts.filter(|texts: &Vec<String>| texts.iter().any(|text| !text.is_empty()));
        texts.map(Self).ok_or(Wrong::is("a text, or a list of texts, that is not empty"))
    }
}

/// A value that remembers where it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

impl<T: Setting> Setting for Sourced<T> {
    fn read(value: &Value, source: &Source) -> Result<Self, Wrong> {
        Ok(Self { value: T::read(value, source)?, source: source.clone() })
    }
}

/// What this client does anyway, and so can't be turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirmed;

impl Setting for Confirmed {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        match value.text().map(str::to_ascii_lowercase).as_deref() {
            Some("correlated" | "simple") => Ok(Self),
            _ => Err(Wrong::is(
                "correlated or simple, and not none: every message is confirmed here. Leave it out",
            )),
        }
    }
}

/// Boot's kind of container: there is one here, which does what both of these do. It says which of
/// their tables counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindOfContainer {
    Simple,
    Direct,
}

impl Setting for KindOfContainer {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        match value.text().map(str::to_ascii_lowercase).as_deref() {
            Some("simple") => Ok(Self::Simple),
            Some("direct") => Ok(Self::Direct),
            _ => Err(Wrong::is(
                "simple or direct, which are the same here; a stream is consumed by AMQP, from a queue \
                 with `arguments(queue_type = \"stream\")`",
            )),
        }
    }
}

/// A time as ISO 8601 writes it, and Spring Boot takes it: `PT30S`, `P1DT2H`.
fn iso_duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let (days, times) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, times)) => (days, times),
        None => (text.get(1..)?, ""),
    };
    let mut total = Duration::ZERO;
    let mut units = 0;
    for (part, known) in [(days, &[('D', 86_400)][..]), (times, &UNITS_OF_TIME)] {
        let mut rest = part;
        while let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let (number, unit) = rest.split_at(end);
            let (_, each) = known.iter().find(|(letter, _)| unit.starts_with(*letter))?;
            let number: f64 = number.parse().ok().filter(|number: &f64| *number >= 0.0)?;
            let more = Duration::try_from_secs_f64(number * f64::from(*each)).ok()?;
            total = total.checked_add(more)?;
            units += 1;
            rest = unit.get(1..)?;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (units > 0).then_some(total)
}

const UNITS_OF_TIME: [(char, u32); 3] = [('H', 3600), ('M', 60), ('S', 1)];

/// A whole number and its unit: `500ms`, `30s`, `2m`, `1h`, `1d`; or the same as ISO 8601 has it.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with(['P', 'p']) {
        return iso_duration(text);
    }
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        "d" => seconds(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Setting>(value: &Value) -> Result<T, Wrong> {
        T::read(value, &Source::Builder)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_file_and_the_environment_write_the_same_values() {
        for value in [Value::Integer(7), text("7"), text(" 7 ")] {
            assert_eq!(read::<u16>(&value), Ok(7));
            assert_eq!(read::<Duration>(&value), Ok(Duration::from_millis(7)));
            assert_eq!(read::<Seconds>(&value), Ok(Seconds(Duration::from_secs(7))));
            assert_eq!(read::<Concurrency>(&value), Ok(Concurrency { min: 7, max: 7 }));
        }
        for (written, bytes) in
            [("7", 7), ("7B", 7), ("7kb", 7 << 10), ("64 MB", 64 << 20), ("1GB", 1 << 30)]
        {
            assert_eq!(read::<DataSize>(&text(written)), Ok(DataSize(bytes)));
        }
        assert_eq!(read::<f64>(&Value::Decimal(1.5)), read::<f64>(&text("1.5")));
        for (written, seconds) in
            [("PT30S", 30.0), ("pt1m0.5s", 60.5), ("P1DT2H", 93_600.0), ("P2D", 172_800.0)]
        {
            let expected = Ok(Duration::from_secs_f64(seconds));
            assert_eq!(read::<Duration>(&text(written)), expected, "{written}");
        }
        for (word, value) in [("yes", true), ("ON", true), ("1", true), ("no", false), ("0", false)]
        {
            assert_eq!(read::<bool>(&text(word)), Ok(value), "{word}");
        }
        assert_eq!(read::<bool>(&text("TRUE")), Ok(true));
        assert_eq!(read::<Concurrency>(&text("2-8")), Ok(Concurrency { min: 2, max: 8 }));
        assert_eq!(read::<AcknowledgeMode>(&text("MANUAL")), Ok(AcknowledgeMode::Manual));
        let list = Value::List(vec![text("a"), text("b")]);
        assert_eq!(read::<Texts>(&list), Ok(Texts(vec!["a".to_owned(), "b".to_owned()])));
    }

    #[test]
    fn a_value_that_does_not_fit_says_what_would() {
        assert!(read::<u16>(&Value::Integer(70_000)).is_err());
        assert!(read::<bool>(&Value::Integer(1)).is_err());
        for wrong in ["0", "0MB", "5MiB", "-1", "many", ""] {
            let error = read::<DataSize>(&text(wrong)).unwrap_err().to_string();
            assert!(error.contains("64MB"), "{wrong}: {error}");
        }
        for wrong in ["0", "8-2", "2-", "-1", ""] {
            assert!(read::<Concurrency>(&text(wrong)).is_err(), "{wrong}");
        }
        for wrong in ["soon", "5 parsecs", "-1s", "PT", "P", "PT-1S", "P1H", "PT5", ""] {
            let error = read::<Duration>(&text(wrong)).unwrap_err().to_string();
            assert!(error.contains("200ms"), "{wrong}: {error}");
        }
        assert!(read::<Confirmed>(&text("none")).unwrap_err().to_string().contains("Leave it out"));
    }
}
