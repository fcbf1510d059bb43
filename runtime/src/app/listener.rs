//! A listener that is made while the program runs, as the graph takes it.

use std::panic::Location;
use std::time::Duration;

use super::listener_builder::ListenerBuilder;
use super::listener_failures::ListenerFailures;
use crate::error::Place;
use crate::graph::ListenerSource;
use crate::listener::endpoint::{ListenerAttributes, PartitionBy};
use crate::listener::function::Function;
use crate::settings::{ListenerSettings, Section};

/// A listener without an attribute: which queue, how, and what handles the messages. For
/// [`Listeners::add`](crate::Listeners::add), and for
/// [`SpringhareBuilder::add_listener`](crate::SpringhareBuilder::add_listener).
///
/// ```
/// use springhare::prelude::*;
///
/// # async fn example(app: &Springhare, tenant: &str) -> springhare::Result<()> {
/// let orders = Listener::queue(format!("orders.{tenant}"))
///     .exchange("orders")
///     .kind("topic")
///     .key(format!("{tenant}.#"))
///     .prefetch(10)
///     .handler(|Text(order): Text| async move { println!("{order}") });
/// app.listeners().add(orders).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    definition: Definition,
    function: Function,
}

/// What it says, as an attribute would.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) place: Place,
    pub(super) id: Option<String>,
    pub(super) queues: Vec<String>,
    pub(super) exchange: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) keys: Vec<String>,
    pub(super) group: Option<String>,
    pub(super) phase: i32,
    pub(super) durable: Option<bool>,
    pub(super) exclusive: Option<bool>,
    pub(super) auto_delete: Option<bool>,
    pub(super) declare: Option<bool>,
    pub(super) competing: bool,
    pub(super) batch: Option<u16>,
    pub(super) batch_timeout: Option<Duration>,
    pub(super) partition_by: Option<PartitionBy>,
    pub(super) failures: ListenerFailures,
    pub(super) settings: ListenerSettings,
}

impl Listener {
    /// A listener of this queue, which is declared durable unless it is known.
    #[track_caller]
    pub fn queue(queue: impl Into<String>) -> ListenerBuilder {
        Self::queues([queue])
    }

    /// A listener of several queues.
    #[track_caller]
    pub fn queues<Q: Into<String>>(queues: impl IntoIterator<Item = Q>) -> ListenerBuilder {
        let caller = Location::caller();
        ListenerBuilder::new(Definition {
            place: Place { file: caller.file(), line: caller.line() },
            id: None,
            queues: queues.into_iter().map(Into::into).collect(),
            exchange: None,
            kind: None,
            keys: Vec::new(),
            group: None,
            phase: 0,
            durable: None,
            exclusive: None,
            auto_delete: None,
            declare: None,
            competing: false,
            batch: None,
            batch_timeout: None,
            partition_by: None,
            failures: ListenerFailures::default(),
            settings: ListenerSettings::default(),
        })
    }

    /// A listener with a queue of its own, exclusive and deleted at its end: for an exchange whose
    /// messages each program gets.
    #[track_caller]
    pub fn anonymous() -> ListenerBuilder {
        Self::queues(std::iter::empty::<String>())
    }

    pub(super) fn new(definition: Definition, function: Function) -> Self {
        Self { definition, function }
    }

    /// Its id: what it was given, else the name of its first queue, else where it stands.
    pub(super) fn id(&self) -> String {
        let Definition { id, queues, place, .. } = &self.definition;
        id.clone().or_else(|| queues.first().cloned()).unwrap_or_else(|| place.to_string())
    }

    /// Lends its texts.
    pub(super) fn lend(&self) -> Lent<'_> {
        Lent {
            listener: self,
            id: self.id(),
            queues: texts(&self.definition.queues),
            keys: texts(&self.definition.keys),
        }
    }
}

/// A listener whose texts are lent, in the lists that attributes have.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    listener: &'a Listener,
    id: String,
    queues: Vec<&'a str>,
    keys: Vec<&'a str>,
}

impl Lent<'_> {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// As the graph takes listeners.
    pub(super) fn source(&self) -> ListenerSource<'_> {
        let Listener { definition, function } = self.listener;
        let attributes = definition.failures.of(ListenerAttributes {
            id: Some(&self.id),
            queues: &self.queues,
            exchange: definition.exchange.as_deref(),
            kind: definition.kind.as_deref(),
            keys: &self.keys,
            durable: definition.durable,
            exclusive: definition.exclusive,
            auto_delete: definition.auto_delete,
            group: definition.group.as_deref(),
            phase: definition.phase,
            declare: definition.declare,
            competing: definition.competing,
            batch: definition.batch,
            batch_timeout: definition.batch_timeout,
            partition_by: definition.partition_by,
            ..ListenerAttributes::DEFAULT
        });
        ListenerSource {
            id: self.id.clone(),
            function: function.clone(),
            attributes,
            settings: ListenerSettings::of(&attributes).beneath(definition.settings.clone()),
            unchecked: definition.settings.given(),
        }
    }
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
