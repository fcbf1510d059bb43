use std::time::Duration;

use springhare_amqp::FieldValue;

use super::interval;
use super::log::Log;
use crate::model::erlang::Term;

/// Where a consumer begins to read: `x-stream-offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StreamOffset {
    /// With the first message that is kept.
    First,
    /// With the last message.
    Last,
    /// With what comes from now on.
    #[default]
    Next,
    /// With the message of this offset; with the first that is kept, if that one is gone.
    Number(u64),
    /// With the first message of this time since 1970 or later.
    Time(Duration),
    /// With the first message that is not older than this.
    Ago(Duration),
}

/// A value that is none; prints as the Erlang term that RabbitMQ's text ends with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{{invalid_stream_offset_arg,{{{type_name},{term}}}}}")]
pub(crate) struct InvalidOffset {
    type_name: &'static str,
    term: String,
}

impl TryFrom<&FieldValue> for StreamOffset {
    type Error = InvalidOffset;

    fn try_from(value: &FieldValue) -> Result<Self, InvalidOffset> {
        let invalid =
            || InvalidOffset { type_name: value.type_name(), term: Term(value).to_string() };
        if let FieldValue::Timestamp(seconds) = value {
            return Ok(Self::Time(Duration::from_secs(*seconds)));
        }
        if let Some(number) = value.as_i64() {
            return Ok(Self::Number(u64::try_from(number).unwrap_or(0)));
        }
        match value.as_str() {
            Some("first") => Ok(Self::First),
            Some("last") => Ok(Self::Last),
            Some("next") => Ok(Self::Next),
            Some(text) => interval(text).map(Self::Ago).ok_or_else(invalid),
            None => Err(invalid()),
        }
    }
}

impl StreamOffset {
    /// The offset in the log; `now` is the time since 1970.
    pub(super) fn resolve(self, log: &Log, now: impl FnOnce() -> Duration) -> u64 {
        match self {
            Self::First => log.first_offset(),
            Self::Last => log.last_offset(),
            Self::Next => log.next_offset(),
            Self::Number(number) => number.max(log.first_offset()),
            Self::Time(time) => log.offset_at(time),
            Self::Ago(ago) => log.offset_at(now().saturating_sub(ago)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        let seconds = Duration::from_secs;
        for (value, expected) in [
            (FieldValue::from("first"), StreamOffset::First),
            ("last".into(), StreamOffset::Last),
            ("next".into(), StreamOffset::Next),
            (FieldValue::I8(3), StreamOffset::Number(3)),
            (FieldValue::I64(i64::MAX), StreamOffset::Number(i64::MAX.unsigned_abs())),
            (FieldValue::I64(-1), StreamOffset::Number(0)),
            (FieldValue::Timestamp(7), StreamOffset::Time(seconds(7))),
            ("1h".into(), StreamOffset::Ago(seconds(3600))),
        ] {
            assert_eq!(StreamOffset::try_from(&value), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_rabbitmqs_words() {
        for (value, text) in [
            (FieldValue::from("0"), "{invalid_stream_offset_arg,{longstr,<<\"0\">>}}"),
            ("".into(), "{invalid_stream_offset_arg,{longstr,<<>>}}"),
            ("0s".into(), "{invalid_stream_offset_arg,{longstr,<<\"0s\">>}}"),
            ("First".into(), "{invalid_stream_offset_arg,{longstr,<<\"First\">>}}"),
            (true.into(), "{invalid_stream_offset_arg,{bool,true}}"),
            (FieldValue::Void, "{invalid_stream_offset_arg,{void,undefined}}"),
        ] {
            assert_eq!(StreamOffset::try_from(&value).unwrap_err().to_string(), text);
        }
    }
}
