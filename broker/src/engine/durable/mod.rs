//! Definitions that survive a restart: virtual hosts, users, policies, exchanges, queues, bindings.
//!
//! Each is a record in the journal, which is settled when the definition is changed or removed. What
//! is changed in one step is written in one: after a crash all of it is there, or nothing. They are
//! in the same journal as the messages, so that a message that is safe has its queue.
//!
//! In: which definitions are durable, how they are written (`encode`), read (`decode`) and made again
//! (`restore`). Out: how the journal keeps them.

mod decode;
mod encode;
mod key;
pub(crate) mod restore;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::key::Key;
pub(crate) use self::restore::RestoredDefinitions;
use super::broker_cell::BrokerCell;
use super::shared::Shared;
use super::virtual_host::VirtualHost;
use crate::model::binding::{Binding, Destination};
use crate::model::definition::{ExchangeDefinition, QueueDefinition};
use crate::model::stored::Reference;
use crate::model::topology::{Changed, Topology};
use crate::store::{Failure, Journal};

/// What the journal has of definitions.
#[derive(Debug, Default)]
pub(crate) struct DurableDefinitions {
    /// Locked after a topology's writer, before the journal.
    written: Mutex<BTreeMap<Key, Written>>,
}

/// A definition in the journal.
#[derive(Debug)]
struct Written {
    reference: Reference,
    /// What it says, where that is compared: of what an operator changes.
    content: Option<Box<[u8]>>,
}

/// A definition as it is to be in the journal; none if it is not.
type Change = (Key, Option<Vec<u8>>);

impl DurableDefinitions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what has changed, all of it or nothing.
    fn write(&self, shared: &Shared, changes: Vec<Change>) -> Result<(), Failure> {
        let Some(journal) = shared.journal() else { return Ok(()) };
        let mut written = self.lock();
        write_to(journal, shared, &mut written, changes)
    }

    /// Writes what an operator has changed: `current` is all that there is.
    fn write_administrative(&self, shared: &Shared, current: Vec<Change>) -> Result<(), Failure> {
        let Some(journal) = shared.journal() else { return Ok(()) };
        let mut written = self.lock();
        let current: BTreeMap<Key, Option<Vec<u8>>> = current.into_iter().collect();
        let gone = written.keys().filter(|key| key.is_administrative());
        let gone = gone.filter(|key| !current.contains_key(*key)).cloned();
        let mut changes: Vec<Change> = gone.map(|key| (key, None)).collect();
        changes.extend(current.into_iter().filter(|(key, content)| {
            let known = written.get(key).and_then(|known| known.content.as_deref());
            known != content.as_deref()
        }));
        write_to(journal, shared, &mut written, changes)
    }

    /// A virtual host is gone, with all that was declared in it.
    fn forget_virtual_host(&self, shared: &Shared, virtual_host: &str) -> Result<(), Failure> {
        let Some(journal) = shared.journal() else { return Ok(()) };
        let mut written = self.lock();
        let gone = written.keys().filter(|key| key.declared_in() == Some(virtual_host));
        let changes = gone.map(|key| (key.clone(), None)).collect();
        write_to(journal, shared, &mut written, changes)
    }
}

fn write_to(
    journal: &Journal,
    shared: &Shared,
    written: &mut BTreeMap<Key, Written>,
    mut changes: Vec<Change>,
) -> Result<(), Failure> {
    changes.retain(|(key, content)| content.is_some() || written.contains_key(key));
    if changes.is_empty() {
        return Ok(());
    }
    let size = |(_, content): &Change| {
        let content = content.as_ref().map_or(0, |content| content.len() + Journal::SMALL_BOUND);
        content + Journal::SMALL_BOUND
    };
    let bytes = changes.iter().map(size).sum();
    let ((), end) = journal.append_always(Some(bytes), |append| {
        for (key, content) in changes {
            let new = content.map(|content| Written {
                reference: append.definition(&content),
                content: key.is_administrative().then(|| content.into_boxed_slice()),
            });
            let old = match new {
                Some(new) => written.insert(key, new),
                None => written.remove(&key),
            };
            if let Some(Written { reference, .. }) = old {
                append.settle(&[reference]);
            }
        }
    })?;
    shared.definition_appended(end);
    Ok(())
}

impl VirtualHost {
    /// Writes what has changed in a topology that is about to count.
    ///
    /// # Errors
    ///
    /// The store takes nothing; nothing was written.
    pub(super) fn write_changed(
        &self,
        next: &Topology<super::queue_cell::QueueRef>,
        changed: Vec<Changed>,
    ) -> Result<(), Failure> {
        if changed.is_empty() || self.shared().journal().is_none() {
            return Ok(());
        }
        let name = self.name().as_str();
        let changes = changed.into_iter().map(|changed| match changed {
            Changed::Exchange(exchange) => {
                let definition = next.exchange(&exchange).filter(is_kept);
                let content = definition.map(|definition| encode::exchange(name, definition));
                (Key::exchange(name, &exchange), content)
            }
            Changed::Queue(queue) => {
                let kept = next.queue(&queue).filter(|queue| survives(queue.definition()));
                let content = kept.map(|kept| encode::queue(name, kept.id(), kept.definition()));
                (Key::queue(name, &queue), content)
            }
            Changed::Binding(binding) => {
                let is_kept = next.has_binding(&binding) && binds_what_survives(next, &binding);
                let content = is_kept.then(|| encode::binding(name, &binding));
                (Key::binding(name, &binding), content)
            }
        });
        self.shared().durable_definitions().write(self.shared(), changes.collect())
    }
}

impl BrokerCell {
    /// Writes what an operator has changed. Only for who has the administration.
    ///
    /// # Errors
    ///
    /// The store takes nothing; nothing was written.
    pub(crate) fn write_administration(&self) -> Result<(), Failure> {
        if self.shared().journal().is_none() {
            return Ok(());
        }
        let current = encode::administration(self);
        self.shared().durable_definitions().write_administrative(self.shared(), current)
    }

    /// Writes a virtual host before anything can be declared in it.
    ///
    /// # Errors
    ///
    /// The store takes nothing; nothing was written.
    pub(super) fn write_virtual_host(&self, host: &VirtualHost) -> Result<(), Failure> {
        let key = Key::VirtualHost(host.name().to_string());
        let change = (key, Some(encode::virtual_host(host)));
        self.shared().durable_definitions().write(self.shared(), vec![change])
    }

    /// Writes that all is gone that was declared in a virtual host: before the virtual host goes.
    ///
    /// # Errors
    ///
    /// The store takes nothing; nothing was written.
    pub(super) fn write_virtual_host_gone(&self, name: &str) -> Result<(), Failure> {
        self.shared().durable_definitions().forget_virtual_host(self.shared(), name)
    }
}

/// Whether an exchange survives a restart and was declared by somebody.
fn is_kept(exchange: &&ExchangeDefinition) -> bool {
    exchange.durable && !is_predeclared(&exchange.name)
}

fn is_predeclared(exchange: &str) -> bool {
    exchange.is_empty() || exchange.starts_with(super::declare::RESERVED_PREFIX)
}

/// Whether a queue survives a restart: an exclusive one goes with its connection.
pub(crate) fn survives(queue: &QueueDefinition) -> bool {
    queue.durable && !queue.exclusive
}

/// Whether both ends of a binding survive a restart.
fn binds_what_survives(
    topology: &Topology<super::queue_cell::QueueRef>,
    binding: &Binding,
) -> bool {
    let is_durable = |name: &str| topology.exchange(name).is_some_and(|exchange| exchange.durable);
    is_durable(binding.source())
        && match binding.destination() {
            Destination::Queue(queue) => {
                topology.queue(queue).is_some_and(|queue| survives(queue.definition()))
            }
            Destination::Exchange(exchange) => is_durable(exchange),
        }
}
