use std::fmt;

use springhare_amqp::{FieldTable, FieldValue, ShortString};

use crate::model::arguments::{
    ArgumentError, QueueArguments, QueueType, check_argument, check_depth, check_field,
};
use crate::model::exchange::{
    DelayedTypeError, ExchangeKind, HASH_HEADER, HASH_PROPERTY, X_DELAYED_TYPE,
    check_hash_arguments, delayed_type,
};

/// A queue or an exchange as the error texts call it: `queue 'q' in vhost '/'`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    kind: &'static str,
    name: &'a str,
    virtual_host: &'a str,
}

impl<'a> Resource<'a> {
    /// The queue `name` of a virtual host.
    pub(crate) fn queue(name: &'a str, virtual_host: &'a str) -> Self {
        Self { kind: "queue", name, virtual_host }
    }

    /// The exchange `name` of a virtual host.
    pub(crate) fn exchange(name: &'a str, virtual_host: &'a str) -> Self {
        Self { kind: "exchange", name, virtual_host }
    }

    /// The same as permissions know it: they call the default exchange, which has no name,
    /// `amq.default`.
    pub(crate) fn named(self) -> Self {
        match self {
            Self { kind: "exchange", name: "", .. } => Self { name: "amq.default", ..self },
            _ => self,
        }
    }

    pub(crate) fn name(&self) -> &'a str {
        self.name
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}' in vhost '{}'", self.kind, self.name, self.virtual_host)
    }
}

/// What an exchange was declared as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExchangeDefinition {
    /// The name; empty for the default exchange.
    pub(crate) name: ShortString,
    /// How it routes.
    pub(crate) kind: ExchangeKind,
    /// Outlives a restart of the broker.
    pub(crate) durable: bool,
    /// Goes when its last binding is removed.
    pub(crate) auto_delete: bool,
    /// Takes messages from other exchanges only.
    pub(crate) internal: bool,
    /// `alternate-exchange`, and whatever else was given.
    pub(crate) arguments: FieldTable,
}

const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

impl ExchangeDefinition {
    /// Where messages go that match no binding.
    pub(crate) fn alternate_exchange(&self) -> Option<ShortString> {
        let name = self.arguments.get(ALTERNATE_EXCHANGE)?.as_str()?;
        ShortString::new(name).ok()
    }

    /// The type whose way it takes messages: its own, or for one that delays what its arguments
    /// name.
    pub(crate) fn routes_as(&self) -> ExchangeKind {
        match self.kind {
            ExchangeKind::DelayedMessage => delayed_type(&self.arguments).unwrap_or(self.kind),
            kind => kind,
        }
    }

    /// Checks the arguments of an exchange that is declared for the first time.
    ///
    /// # Errors
    ///
    /// An `alternate-exchange` that is no text, or arguments that its type does not understand: 406;
    /// or as for an unknown type, if that is what it is to delay as.
    pub(crate) fn check_arguments(&self, exchange: Resource<'_>) -> Result<(), DelayedTypeError> {
        check_depth(&self.arguments)?;
        check_is_name(&self.arguments, ALTERNATE_EXCHANGE, exchange)?;
        let kind = match self.kind {
            ExchangeKind::DelayedMessage => delayed_type(&self.arguments)?,
            kind => kind,
        };
        if kind == ExchangeKind::ConsistentHash {
            check_is_name(&self.arguments, HASH_HEADER, exchange)?;
            check_is_name(&self.arguments, HASH_PROPERTY, exchange)?;
            check_hash_arguments(&self.arguments)?;
        }
        Ok(())
    }

    /// Checks that this exchange, which exists, is what another declaration describes.
    ///
    /// # Errors
    ///
    /// The first difference: 406. Arguments other than `alternate-exchange` may differ.
    pub(crate) fn check_equivalent(
        &self,
        received: &Self,
        exchange: Resource<'_>,
    ) -> Result<(), ArgumentError> {
        check_field("type", exchange, &self.kind, &received.kind)?;
        check_field("durable", exchange, &self.durable, &received.durable)?;
        check_field("auto_delete", exchange, &self.auto_delete, &received.auto_delete)?;
        check_field("internal", exchange, &self.internal, &received.internal)?;
        check_argument(
            ALTERNATE_EXCHANGE,
            exchange,
            self.arguments.get(ALTERNATE_EXCHANGE),
            received.arguments.get(ALTERNATE_EXCHANGE),
        )
    }

    /// Checks that the arguments are the same that the type chooses destinations by, which clients may
    /// declare otherwise.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub(crate) fn check_same_choice(
        &self,
        received: &Self,
        exchange: Resource<'_>,
    ) -> Result<(), ArgumentError> {
        let delays = self.kind == ExchangeKind::DelayedMessage;
        let hashes = self.routes_as() == ExchangeKind::ConsistentHash;
        [(delays, X_DELAYED_TYPE), (hashes, HASH_HEADER), (hashes, HASH_PROPERTY)]
            .into_iter()
            .filter(|(matters, _)| *matters)
            .try_for_each(|(_, name)| {
                let (current, received) = (self.arguments.get(name), received.arguments.get(name));
                check_argument(name, exchange, current, received)
            })
    }
}

/// A queue as a client describes it: nothing is checked yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueueDeclaration {
    /// The name, which may be empty no more.
    pub(crate) name: ShortString,
    /// Outlives a restart of the broker; an exclusive queue never does.
    pub(crate) durable: bool,
    /// Belongs to the connection that declares it.
    pub(crate) exclusive: bool,
    /// Goes with its last consumer.
    pub(crate) auto_delete: bool,
    /// `x-message-ttl` and the like.
    pub(crate) arguments: FieldTable,
}

impl QueueDeclaration {
    /// Durable and not exclusive: what RabbitMQ keeps as the queue's durability.
    fn is_durable(&self) -> bool {
        self.durable && !self.exclusive
    }

    /// Gives a queue without a type the one that is its virtual host's default, if what else is
    /// declared can have it.
    pub(crate) fn set_default_type(&mut self, default: Option<QueueType>) {
        let Some(default) = default.filter(|_| !self.arguments.contains("x-queue-type")) else {
            return;
        };
        let replicated = self.is_durable() && !self.exclusive && !self.auto_delete;
        if default == QueueType::Classic || replicated {
            self.arguments.set(ShortString::from_static("x-queue-type"), default.as_str());
        }
    }

    /// Checks the declaration of a queue that does not exist yet.
    ///
    /// # Errors
    ///
    /// An argument that is wrong or that the queue's type does not have, or a quorum queue that
    /// is not durable, or is exclusive, or deleted with its last consumer: 406.
    pub(crate) fn define(self, queue: Resource<'_>) -> Result<QueueDefinition, ArgumentError> {
        check_depth(&self.arguments)?;
        check_is_name(&self.arguments, "x-dead-letter-exchange", queue)?;
        let arguments = QueueArguments::parse(&self.arguments, queue)?;
        let durable = self.is_durable();
        if arguments.queue_type != QueueType::Classic {
            for (wrong, key, property) in [
                (self.auto_delete, "auto_delete", "auto-delete"),
                (self.exclusive, "exclusive", "exclusive-owner"),
                (!durable, "durable", "non-durable"),
            ] {
                if wrong {
                    let text = format!("invalid property '{property}' for {queue}");
                    return Err(ArgumentError::of(key, text));
                }
            }
        }
        Ok(QueueDefinition {
            name: self.name,
            durable,
            exclusive: self.exclusive,
            auto_delete: self.auto_delete,
            arguments,
        })
    }
}

/// What a queue was declared as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueueDefinition {
    /// The name.
    pub(crate) name: ShortString,
    /// Outlives a restart of the broker.
    pub(crate) durable: bool,
    /// Belongs to one connection and goes with it.
    pub(crate) exclusive: bool,
    /// Goes with its last consumer.
    pub(crate) auto_delete: bool,
    /// The arguments, read.
    pub(crate) arguments: QueueArguments,
}

impl QueueDefinition {
    /// Checks that this queue, which exists, is what another declaration describes. Whose queue
    /// it is (`exclusive`) is checked before, since that is another error.
    ///
    /// # Errors
    ///
    /// The first difference: 406. Arguments that the queue's type does not have may differ.
    pub(crate) fn check_equivalent(
        &self,
        received: &QueueDeclaration,
        queue: Resource<'_>,
    ) -> Result<(), ArgumentError> {
        check_field("durable", queue, &self.durable, &received.is_durable())?;
        check_field("auto_delete", queue, &self.auto_delete, &received.auto_delete)?;
        self.arguments.check_equivalent(&received.arguments, queue)
    }
}

/// Checks that an argument, if it is there, is a text.
fn check_is_name(
    arguments: &FieldTable,
    name: &str,
    resource: Resource<'_>,
) -> Result<(), ArgumentError> {
    match arguments.get(name) {
        None | Some(FieldValue::LongString(_)) => Ok(()),
        Some(value) => {
            let found = value.type_name();
            let text = format!("invalid type '{found}' for arg '{name}' in {resource}");
            Err(ArgumentError::of(name, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: Resource<'static> = Resource { kind: "exchange", name: "x", virtual_host: "/" };
    const Q: Resource<'static> = Resource { kind: "queue", name: "q", virtual_host: "/" };

    fn exchange() -> ExchangeDefinition {
        ExchangeDefinition {
            name: ShortString::from_static("x"),
            kind: ExchangeKind::Direct,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::new(),
        }
    }

    fn queue() -> QueueDeclaration {
        QueueDeclaration {
            name: ShortString::from_static("q"),
            durable: false,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
        }
    }

    fn with(name: &str, value: impl Into<FieldValue>) -> FieldTable {
        let mut table = FieldTable::new();
        table.insert(name, value).unwrap();
        table
    }

    #[test]
    fn the_first_difference_of_an_exchange_is_named() {
        let other = |change: fn(&mut ExchangeDefinition)| {
            let mut other = exchange();
            change(&mut other);
            exchange().check_equivalent(&other, X).map_err(|error| error.to_string())
        };
        let differs = |field: &str, received: &str, current: &str| {
            Err(format!(
                "inequivalent arg '{field}' for exchange 'x' in vhost '/': received {received} \
                 but current is {current}"
            ))
        };
        assert_eq!(other(|_| ()), Ok(()));
        assert_eq!(
            other(|x| x.kind = ExchangeKind::Fanout),
            differs("type", "'fanout'", "'direct'")
        );
        assert_eq!(other(|x| x.durable = true), differs("durable", "'true'", "'false'"));
        assert_eq!(other(|x| x.auto_delete = true), differs("auto_delete", "'true'", "'false'"));
        assert_eq!(other(|x| x.internal = true), differs("internal", "'true'", "'false'"));
        assert_eq!(
            other(|x| x.arguments = with("alternate-exchange", "ae")),
            differs("alternate-exchange", "the value 'ae' of type 'longstr'", "none")
        );
        assert_eq!(other(|x| x.arguments = with("x-foo", 1)), Ok(()));
    }

    #[test]
    fn an_alternate_exchange_is_a_text() {
        let mut wrong = exchange();
        wrong.arguments = with("alternate-exchange", 5);
        assert_eq!(
            wrong.check_arguments(X).unwrap_err().to_string(),
            "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"
        );
        wrong.arguments = with("alternate-exchange", "ae");
        assert!(wrong.check_arguments(X).is_ok());
        assert_eq!(wrong.alternate_exchange().unwrap(), "ae");
    }

    #[test]
    fn the_first_difference_of_a_queue_is_named() {
        let defined = queue().define(Q).unwrap();
        let other = |change: fn(&mut QueueDeclaration)| {
            let mut other = queue();
            change(&mut other);
            defined.check_equivalent(&other, Q).map_err(|error| error.to_string())
        };
        let differs = |field: &str, received: &str, current: &str| {
            Err(format!(
                "inequivalent arg '{field}' for queue 'q' in vhost '/': received {received} but \
                 current is {current}"
            ))
        };
        assert_eq!(other(|_| ()), Ok(()));
        assert_eq!(other(|q| q.durable = true), differs("durable", "'true'", "'false'"));
        assert_eq!(other(|q| q.auto_delete = true), differs("auto_delete", "'true'", "'false'"));
        assert_eq!(
            other(|q| (q.durable, q.auto_delete) = (true, true)),
            differs("durable", "'true'", "'false'")
        );
        assert_eq!(
            other(|q| q.arguments = with("x-message-ttl", 60_000)),
            differs("x-message-ttl", "the value '60000' of type 'signedint'", "none")
        );
    }

    #[test]
    fn an_exclusive_queue_is_never_durable() {
        let declared = QueueDeclaration { durable: true, exclusive: true, ..queue() };
        let defined = declared.clone().define(Q).unwrap();
        assert!(!defined.durable);
        assert!(defined.check_equivalent(&declared, Q).is_ok());
    }

    #[test]
    fn a_quorum_queue_is_durable_shared_and_stays() {
        let quorum = |change: fn(&mut QueueDeclaration)| {
            let mut declared = QueueDeclaration { durable: true, ..queue() };
            declared.arguments = with("x-queue-type", "quorum");
            change(&mut declared);
            declared.define(Q).map(drop).map_err(|error| error.to_string())
        };
        let refused =
            |what: &str| Err(format!("invalid property '{what}' for queue 'q' in vhost '/'"));
        assert_eq!(quorum(|_| ()), Ok(()));
        assert_eq!(quorum(|q| q.durable = false), refused("non-durable"));
        assert_eq!(quorum(|q| q.exclusive = true), refused("exclusive-owner"));
        assert_eq!(quorum(|q| q.auto_delete = true), refused("auto-delete"));
    }

    #[test]
    fn a_queue_gets_the_default_type_if_it_can_have_it() {
        let typed = |change: fn(&mut QueueDeclaration), default| {
            let mut declared = QueueDeclaration { durable: true, ..queue() };
            change(&mut declared);
            declared.set_default_type(default);
            let queue_type = declared.arguments.get("x-queue-type").and_then(FieldValue::as_str);
            queue_type.map(str::to_owned)
        };
        let quorum = Some(QueueType::Quorum);
        assert_eq!(typed(|_| (), None), None);
        assert_eq!(typed(|_| (), quorum).unwrap(), "quorum");
        assert_eq!(typed(|q| q.durable = false, quorum), None);
        assert_eq!(typed(|q| q.exclusive = true, quorum), None);
        assert_eq!(typed(|q| q.auto_delete = true, quorum), None);
        assert_eq!(typed(|q| q.durable = false, Some(QueueType::Classic)).unwrap(), "classic");
        let given: fn(&mut QueueDeclaration) = |q| q.arguments = with("x-queue-type", "classic");
        assert_eq!(typed(given, quorum).unwrap(), "classic");
    }

    #[test]
    fn a_dead_letter_exchange_is_a_text() {
        let declared = QueueDeclaration { arguments: with("x-dead-letter-exchange", 5), ..queue() };
        assert_eq!(
            declared.define(Q).unwrap_err().to_string(),
            "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
        );
    }
}
