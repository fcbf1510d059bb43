//! How answers read in a record.

use std::fmt::Write as _;

use springhare::connection::{LinkConsumer, LinkError, PublishError};
use springhare_amqp::{BasicProperties, FieldTable, FieldValue, Message};
use springhare_broker::{ChannelEvent, ConsumerEnd, Delivery, GetOk, QueueDeclareOk};

/// How much of a body is shown, in characters.
const BODY_SHOWN: usize = 40;

/// An answer that can be read.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

impl Shown for () {
    fn shown(&self) -> String {
        "ok".to_owned()
    }
}

impl Shown for u64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Option<u64> {
    fn shown(&self) -> String {
        self.map_or_else(|| "ok".to_owned(), |number| format!("number {number}"))
    }
}

impl Shown for QueueDeclareOk {
    fn shown(&self) -> String {
        let Self { queue, message_count, consumer_count } = self;
        format!("'{queue}', {message_count} ready, {consumer_count} consumers")
    }
}

impl Shown for Delivery {
    fn shown(&self) -> String {
        let (exchange, key) = (&self.message.exchange, &self.message.routing_key);
        let again = if self.redelivered { " again" } else { "" };
        format!("{} from '{exchange}' by '{key}'{again}", self.message.message.shown())
    }
}

impl Shown for Message {
    fn shown(&self) -> String {
        let mut properties = BasicProperties::from(self.properties.clone());
        let headers = properties.headers.take();
        let debug = format!("{properties:?}");
        let given = debug.split(['{', '}', ',']).map(str::trim).skip(1);
        let given = given.filter(|field| !field.is_empty() && !field.ends_with(": None"));
        let mut shown = body(self);
        for field in given {
            let _ = write!(shown, " {field}");
        }
        let headers = headers.iter().flat_map(sorted);
        for (name, value) in headers.filter(|(name, _)| *name != COUNT && !is_last_death(name)) {
            let _ = write!(shown, " {name}: {}", field_value(value));
        }
        shown
    }
}

/// Ours tells listeners with it how many deliveries have failed, of any queue; RabbitMQ's classic
/// queues don't count.
const COUNT: &str = "x-delivery-count";

/// RabbitMQ tells the last death since 4.0 only.
fn is_last_death(name: &str) -> bool {
    name.starts_with("x-last-death-")
}

/// A table's fields by their names: their order means nothing.
fn sorted(table: &FieldTable) -> Vec<(&str, &FieldValue)> {
    let mut fields: Vec<_> = table.iter().map(|(name, value)| (name.as_str(), value)).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

fn field_value(value: &FieldValue) -> String {
    match value {
        FieldValue::Table(table) => {
            let fields = sorted(table).into_iter();
            let fields: Vec<_> =
                fields.map(|(name, value)| format!("{name}: {}", field_value(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        FieldValue::Array(values) => {
            let values: Vec<_> = values.iter().map(field_value).collect();
            format!("[{}]", values.join(", "))
        }
        value => format!("{value:?}"),
    }
}

impl Shown for Option<GetOk> {
    fn shown(&self) -> String {
        match self {
            Some(got) => format!("{}, {} left", got.delivery.shown(), got.message_count),
            None => NOTHING.to_owned(),
        }
    }
}

/// What `basic.get` answers for an empty queue.
pub(super) const NOTHING: &str = "nothing";

impl Shown for Box<dyn LinkConsumer> {
    fn shown(&self) -> String {
        format!("'{}'", self.tag())
    }
}

impl Shown for LinkError {
    fn shown(&self) -> String {
        let text = self.amqp().map_or_else(|| self.to_string(), ToString::to_string);
        // No broker says that of itself; links do, each in its own way.
        if text.ends_with(" is closed") { "closed before".to_owned() } else { text }
    }
}

impl Shown for PublishError {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for ConsumerEnd {
    fn shown(&self) -> String {
        match self {
            Self::Closed(error) => error.to_string(),
            end => format!("{end:?}"),
        }
    }
}

impl<T: Shown, E: Shown> Shown for Result<T, E> {
    fn shown(&self) -> String {
        match self {
            Ok(answer) => answer.shown(),
            Err(error) => error.shown(),
        }
    }
}

/// What an event says. Nothing for a confirm, since a broker is free to join them.
pub(super) fn event(event: Option<&ChannelEvent>) -> Option<String> {
    match event {
        None => Some("the end".to_owned()),
        Some(ChannelEvent::Confirmed { .. }) => None,
        Some(ChannelEvent::Closed(error)) => Some(error.to_string()),
        Some(ChannelEvent::Returned(returned)) => {
            let (code, text) = (returned.reply_code.code(), &returned.reply_text);
            let (exchange, key) = (&returned.exchange, &returned.routing_key);
            let message = returned.message.shown();
            Some(format!("{code} {text}: {message} from '{exchange}' by '{key}'"))
        }
        Some(other) => Some(format!("{other:?}")),
    }
}

/// The beginning of a body.
pub(super) fn body(message: &Message) -> String {
    let text = String::from_utf8_lossy(&message.body);
    format!("{:?}", text.chars().take(BODY_SHOWN).collect::<String>())
}
