use springhare_amqp::{AmqpError, FieldTable, FieldValue, MethodId, ReplyCode};

use crate::model::arguments::QueueType;
use crate::model::definition::Resource;
use crate::model::stream::StreamOffset;

/// The arguments of `basic.consume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConsumerArguments {
    /// `x-priority`: a higher one is served first.
    pub(super) priority: i32,
    /// `x-stream-offset`: where a consumer of a stream begins.
    pub(super) stream_offset: StreamOffset,
}

impl ConsumerArguments {
    /// Reads them for a queue of this type. What no type knows means nothing.
    ///
    /// # Errors
    ///
    /// 406 for a wrong value, and for an argument that only consumers of other queues have.
    pub(super) fn read(
        table: &FieldTable,
        queue_type: QueueType,
        queue: Resource<'_>,
    ) -> Result<Self, AmqpError> {
        let (mine, foreign) = match queue_type {
            QueueType::Stream => ("x-stream-offset", "x-priority"),
            QueueType::Classic | QueueType::Quorum => ("x-priority", "x-stream-offset"),
        };
        let mut read = Self { priority: 0, stream_offset: StreamOffset::default() };
        match table.get(mine) {
            None => {}
            Some(value) if queue_type == QueueType::Stream => {
                read.stream_offset = StreamOffset::try_from(value).map_err(|error| {
                    refused(format_args!("invalid arg '{mine}' for {queue}: {error}"))
                })?;
            }
            Some(value) => {
                read.priority = priority(value).ok_or_else(|| {
                    let got = value.type_name();
                    let text = "expected integer, got";
                    refused(format_args!("invalid arg '{mine}' for {queue}: \"{text} {got}\""))
                })?;
            }
        }
        if table.contains(foreign) {
            let module = queue_type.module();
            return Err(refused(format_args!(
                "invalid arg '{foreign}' for {queue} of queue type {module}"
            )));
        }
        Ok(read)
    }
}

/// Any integer; what does not fit is the nearest that does.
fn priority(value: &FieldValue) -> Option<i32> {
    let nearest = value.as_i64()?.clamp(i32::MIN.into(), i32::MAX.into());
    i32::try_from(nearest).ok()
}

fn refused(explanation: std::fmt::Arguments<'_>) -> AmqpError {
    AmqpError::new(ReplyCode::PreconditionFailed, MethodId::BASIC_CONSUME, explanation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        name: &str,
        value: impl Into<FieldValue>,
        queue_type: QueueType,
    ) -> Result<ConsumerArguments, String> {
        let mut table = FieldTable::new();
        table.insert(name, value).unwrap();
        let queue = Resource::queue("q", "/");
        ConsumerArguments::read(&table, queue_type, queue).map_err(|error| error.to_string())
    }

    #[test]
    fn each_type_has_its_own() {
        for queue_type in [QueueType::Classic, QueueType::Quorum] {
            let priority = |value: i64| read("x-priority", value, queue_type).unwrap().priority;
            assert_eq!((priority(5), priority(i64::MAX)), (5, i32::MAX));
            let error = read("x-priority", "5", queue_type).unwrap_err();
            assert!(error.contains(": \"expected integer, got longstr\""), "{error}");
            let error = read("x-stream-offset", "first", queue_type).unwrap_err();
            let module = queue_type.module();
            let expected = "invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type";
            assert!(error.contains(&format!("{expected} {module}")), "{error}");
        }
        let offset = |value| read("x-stream-offset", value, QueueType::Stream);
        assert_eq!(offset("first").unwrap().stream_offset, StreamOffset::First);
        let error = offset("0").unwrap_err();
        let expected = "invalid arg 'x-stream-offset' for queue 'q' in vhost '/': \
                        {invalid_stream_offset_arg,{longstr,<<\"0\">>}}";
        assert!(error.contains(expected), "{error}");
        let error = read("x-priority", 5, QueueType::Stream).unwrap_err();
        assert!(error.contains("of queue type rabbit_stream_queue"), "{error}");
        let unknown = read("x-own", 5, QueueType::Stream).unwrap();
        assert_eq!(unknown.stream_offset, StreamOffset::Next);
    }
}
