use std::str::FromStr;

use springhare_amqp::FieldValue;

/// Where a consumer of a stream begins to read: `stream_offset`, which is AMQP's
/// `x-stream-offset`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamOffset {
    /// `first`: with the oldest message that is kept.
    First,
    /// `last`: with the last chunk of messages; on the embedded broker with the last message.
    Last,
    /// `next`: with what comes from now on.
    Next,
    /// A number: with the message of that offset.
    Offset(i64),
    /// A time in UTC: with what was appended from then on, in seconds since 1970.
    Timestamp(u64),
    /// `1h`: with what was appended since then, reckoned when the consumer starts. Since RabbitMQ
    /// 4.0.
    Ago(String),
}

/// A text that is no offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no place in a stream: it is first, last, next, the number of an offset, a time \
     like 2026-01-31T12:00:00Z, or a time ago like 30m, 1h, 7D"
)]
pub(crate) struct UnknownOffset {
    text: String,
}

impl FromStr for StreamOffset {
    type Err = UnknownOffset;

    fn from_str(text: &str) -> Result<Self, UnknownOffset> {
        let unknown = || UnknownOffset { text: text.to_owned() };
        match text {
            "first" => Ok(Self::First),
            "last" => Ok(Self::Last),
            "next" => Ok(Self::Next),
            number if is_digits(number) => number.parse().map(Self::Offset).map_err(|_| unknown()),
            ago if is_time_ago(ago) => Ok(Self::Ago(ago.to_owned())),
            time => seconds_since_1970(time).map(Self::Timestamp).ok_or_else(unknown),
        }
    }
}

impl From<&StreamOffset> for FieldValue {
    fn from(offset: &StreamOffset) -> Self {
        match offset {
            StreamOffset::First => "first".into(),
            StreamOffset::Last => "last".into(),
            StreamOffset::Next => "next".into(),
            StreamOffset::Offset(offset) => Self::I64(*offset),
            StreamOffset::Timestamp(seconds) => Self::Timestamp(*seconds),
            StreamOffset::Ago(text) => text.as_str().into(),
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number and one of RabbitMQ's units: years, months, days, hours, minutes, seconds.
fn is_time_ago(text: &str) -> bool {
    text.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']).is_some_and(is_digits)
}

/// `2026-01-31T12:00:00Z`, which is not before 1970.
fn seconds_since_1970(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    if year < 1970 || !(1..=12).contains(&month) || day < 1 || !is_time {
        return None;
    }
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let days_in = |month: u64| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > days_in(month) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(days_in).sum();
    let days = years + months + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Three numbers of so many digits each.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut read = [0; 3];
    for (number, digits) in read.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && is_digits(part))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_an_argument_of_its_type() {
        for (text, value) in [
            ("first", FieldValue::from("first")),
            ("last", "last".into()),
            ("next", "next".into()),
            ("0", FieldValue::I64(0)),
            ("9223372036854775807", FieldValue::I64(i64::MAX)),
            ("1970-01-01T00:00:00Z", FieldValue::Timestamp(0)),
            ("2000-03-01T00:00:01Z", FieldValue::Timestamp(951_868_801)),
            ("2026-01-31T12:00:00Z", FieldValue::Timestamp(1_769_860_800)),
            ("2028-02-29T23:59:59Z", FieldValue::Timestamp(1_835_481_599)),
            ("1h", "1h".into()),
            ("7D", "7D".into()),
        ] {
            let offset: StreamOffset = text.parse().unwrap();
            assert_eq!(FieldValue::from(&offset), value, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_shown() {
        for text in [
            "",
            "First",
            "-1",
            "9223372036854775808",
            "h",
            "1d",
            "1h30m",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00+01:00",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-01-00T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "26-01-31T12:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            let error = text.parse::<StreamOffset>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }
}
