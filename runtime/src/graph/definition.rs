//! What the graph is made of: queues, exchanges and bindings as they will be declared, each
//! with the place that it was written down at.

use std::fmt;

use springhare_amqp::{FieldTable, FieldValue, ShortString};
use springhare_broker::{ExchangeDeclareOptions, QueueDeclareOptions};

use crate::declare::{ExchangeType, Kind};
use crate::error::Place;

/// Where something was written down, and by what: a listener or a builder call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) by: String,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// What a builder's `.declare(..)` is called in faults.
const BUILDER: &str = "`.declare(..)`";

impl Origin {
    /// A `.declare(..)` item of the builder.
    pub(crate) fn builder(place: Place) -> Self {
        Self { by: BUILDER.to_owned(), file: place.file, line: place.line }
    }

    pub(crate) fn is_builder(&self) -> bool {
        self.by == BUILDER
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.by, self.file, self.line)
    }
}

/// How much a definition says about what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Definition {
    /// The whole of it: a `.declare(..)` item, or a listener that sets one of its attributes.
    Full,
    /// A name alone: a listener without attributes for it. It takes over what a `.declare(..)`
    /// item says, and defines the defaults where there is none.
    NameOnly,
}

/// Which of the connections that an application's listeners have, one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Generation(u64);

impl Generation {
    /// The connection after this one.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Who has named a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// The user.
    Given,
    /// The application, for an anonymous queue.
    Generated,
    /// The application, for messages that wait for another delivery.
    Waiting,
}

/// A queue of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueueNode {
    /// Its name on the listeners' first connection; see [`name_in`](Self::name_in).
    pub(crate) name: ShortString,
    pub(crate) naming: Naming,
    pub(crate) options: QueueDeclareOptions,
    pub(crate) definition: Definition,
    /// That the broker refuses it is logged, and no more.
    pub(crate) lenient: bool,
    pub(crate) origin: Origin,
}

/// An exchange of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExchangeNode {
    pub(crate) name: ShortString,
    pub(crate) kind: String,
    pub(crate) options: ExchangeDeclareOptions,
    pub(crate) definition: Definition,
    /// That the broker refuses it is logged, and no more.
    pub(crate) lenient: bool,
    pub(crate) origin: Origin,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DestinationKind {
    Queue,
    Exchange,
}

impl DestinationKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        }
    }
}

/// A binding of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BindingNode {
    pub(crate) exchange: ShortString,
    pub(crate) kind: DestinationKind,
    pub(crate) destination: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) arguments: FieldTable,
    /// That the broker refuses it is logged, and no more.
    pub(crate) lenient: bool,
    pub(crate) origin: Origin,
}

impl QueueNode {
    /// Its name on this connection. An anonymous queue that belongs to its connection has another
    /// on each: the broker may not know yet that the last one is dead, and keep its queue locked.
    pub(crate) fn name_in(&self, generation: Generation) -> ShortString {
        let belongs_to_a_connection = self.naming == Naming::Generated && self.options.exclusive;
        if belongs_to_a_connection && generation != Generation::default() {
            ShortString::truncated(&format!("{}-{}", self.name, generation.0))
        } else {
            self.name.clone()
        }
    }

    /// Whether the application has named it, another name at each start.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.naming == Naming::Generated
    }

    pub(crate) fn is_stream(&self) -> bool {
        Kind::of(&self.options.arguments) == Some(Kind::Stream)
    }

    /// The exchange that its rejected messages go to.
    pub(crate) fn dead_letter_exchange(&self) -> Option<&str> {
        self.options.arguments.get("x-dead-letter-exchange").and_then(FieldValue::as_str)
    }

    /// The queue that its rejected messages go to, if the default exchange is to take them there.
    pub(crate) fn dead_letter_queue(&self) -> Option<&str> {
        let arguments = &self.options.arguments;
        let key = arguments.get("x-dead-letter-routing-key").and_then(FieldValue::as_str);
        key.filter(|_| self.dead_letter_exchange() == Some(""))
    }

    /// Whether its rejected messages go under a key of its own, and not under their own.
    pub(crate) fn has_dead_letter_key(&self) -> bool {
        self.options.arguments.get("x-dead-letter-routing-key").is_some()
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let (one, other) = (&self.options, &other.options);
        let QueueDeclareOptions { durable, exclusive, auto_delete, arguments } = one;
        *durable == other.durable
            && *exclusive == other.exclusive
            && *auto_delete == other.auto_delete
            && same_arguments(arguments, &other.arguments)
    }

    /// The definition in words: `durable, x-max-length = 5`.
    pub(crate) fn describe(&self) -> String {
        let options = &self.options;
        let mut words = vec![if options.durable { "durable" } else { "not durable" }.to_owned()];
        words.extend(options.exclusive.then(|| "exclusive".to_owned()));
        words.extend(options.auto_delete.then(|| "auto-delete".to_owned()));
        words.extend(options.arguments.iter().map(|(name, value)| describe_value(name, value)));
        words.join(", ")
    }
}

impl ExchangeNode {
    /// The exchange that messages go to which it can't route.
    pub(crate) fn alternate(&self) -> Option<&str> {
        self.options.arguments.get("alternate-exchange").and_then(FieldValue::as_str)
    }

    /// How it routes, after it has kept a message back if it does that; none if the type is not
    /// known here.
    pub(crate) fn routes_as(&self) -> Option<ExchangeType> {
        let delayed = self.options.arguments.get("x-delayed-type").and_then(FieldValue::as_str);
        match self.kind.as_str() {
            "x-delayed-message" => delayed.and_then(ExchangeType::of_name),
            kind => ExchangeType::of_name(kind),
        }
    }

    /// The definition in words: `topic, durable`.
    pub(crate) fn describe(&self) -> String {
        let options = &self.options;
        let durable = if options.durable { "durable" } else { "not durable" };
        let mut words = vec![self.kind.clone(), durable.to_owned()];
        words.extend(options.auto_delete.then(|| "auto-delete".to_owned()));
        words.extend(options.internal.then(|| "internal".to_owned()));
        words.extend(options.arguments.iter().map(|(name, value)| describe_value(name, value)));
        words.join(", ")
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        let (one, others) = (&self.options, &other.options);
        let ExchangeDeclareOptions { durable, auto_delete, internal, arguments } = one;
        self.kind == other.kind
            && *durable == others.durable
            && *auto_delete == others.auto_delete
            && *internal == others.internal
            && same_arguments(arguments, &others.arguments)
    }
}

impl BindingNode {
    /// The binding in words: `exchange 'logs' key '*.error'`.
    pub(crate) fn describe(&self) -> String {
        let arguments = self.arguments.iter().map(|(name, value)| describe_value(name, value));
        let arguments: String = arguments.map(|argument| format!(", {argument}")).collect();
        format!("exchange '{}' key '{}'{arguments}", self.exchange, self.routing_key)
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.exchange == other.exchange
            && self.kind == other.kind
            && self.destination == other.destination
            && self.routing_key == other.routing_key
            && self.arguments == other.arguments
    }
}

/// Whether they say the same, in any order and with integers of any size, as brokers compare them.
fn same_arguments(one: &FieldTable, other: &FieldTable) -> bool {
    let same = |value: &FieldValue, other: &FieldValue| match (value.as_i64(), other.as_i64()) {
        (Some(value), Some(other)) => value == other,
        _ => value == other,
    };
    one.len() == other.len()
        && one.iter().all(|(name, value)| other.get(name).is_some_and(|found| same(value, found)))
}

fn describe_value(name: &str, value: &FieldValue) -> String {
    let shown = match value {
        FieldValue::Boolean(value) => value.to_string(),
        FieldValue::Void => "no value".to_owned(),
        value => match (value.as_str(), value.as_i64(), value.as_f64()) {
            (Some(text), _, _) => format!("{text:?}"),
            (_, Some(number), _) => number.to_string(),
            (_, _, Some(number)) => number.to_string(),
            _ => format!("{value:?}"),
        },
    };
    format!("{name} = {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_told_in_words() {
        let mut arguments = FieldTable::new();
        arguments.insert("x-max-length", 5).unwrap();
        arguments.insert("x-dead-letter-exchange", "dead").unwrap();
        let queue = QueueNode {
            name: ShortString::from_static("q"),
            naming: Naming::Given,
            options: QueueDeclareOptions { durable: true, arguments, ..Default::default() },
            definition: Definition::Full,
            lenient: false,
            origin: Origin { by: "listener `l`".to_owned(), file: "a.rs", line: 1 },
        };
        assert_eq!(
            queue.describe(),
            "durable, x-max-length = 5, x-dead-letter-exchange = \"dead\""
        );
        assert_eq!(queue.dead_letter_exchange(), Some("dead"));
        assert_eq!(queue.origin.to_string(), "listener `l` (a.rs:1)");
    }

    #[test]
    fn arguments_are_compared_by_their_value() {
        let table = |list: &[(&str, FieldValue)]| -> FieldTable {
            let mut table = FieldTable::new();
            for (name, value) in list {
                table.insert(name, value.clone()).unwrap();
            }
            table
        };
        let one = table(&[("x-max-priority", 10.into()), ("x-own", "10".into())]);
        assert!(same_arguments(
            &one,
            &table(&[("x-own", "10".into()), ("x-max-priority", 10_i64.into())])
        ));
        for other in [
            table(&[("x-max-priority", 9.into()), ("x-own", "10".into())]),
            table(&[("x-max-priority", 10.into()), ("x-own", 10.into())]),
            table(&[("x-max-priority", 10.into()), ("x-other", "10".into())]),
            table(&[("x-max-priority", 10.into())]),
        ] {
            assert!(!same_arguments(&one, &other), "{other:?}");
            assert!(!same_arguments(&other, &one), "{other:?}");
        }
    }

    #[test]
    fn only_an_anonymous_queue_of_one_connection_has_another_name_on_the_next() {
        let queue = |naming, exclusive| QueueNode {
            name: ShortString::from_static("q"),
            naming,
            options: QueueDeclareOptions { exclusive, ..Default::default() },
            definition: Definition::Full,
            lenient: false,
            origin: Origin { by: "listener `l`".to_owned(), file: "a.rs", line: 1 },
        };
        let first = Generation::default();
        let third = first.next().next();
        let anonymous = queue(Naming::Generated, true);
        assert_eq!(anonymous.name_in(first), "q");
        assert_eq!(anonymous.name_in(third), "q-2");
        // It outlives the connection, with the messages in it.
        assert_eq!(queue(Naming::Generated, false).name_in(third), "q");
        assert_eq!(queue(Naming::Given, true).name_in(third), "q");
    }
}
