//! Definitions made again at the start, before anybody is there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use springhare_amqp::{FieldValue, ShortString};

use super::decode::Definition;
use super::key::Key;
use super::{Written, encode};
use crate::engine::broker_cell::BrokerCell;
use crate::engine::policy::set_alternates;
use crate::engine::queue_cell::QueueRef;
use crate::engine::users::NewUser;
use crate::engine::virtual_host::VirtualHost;
use crate::model::binding::Binding;
use crate::model::definition::{ExchangeDefinition, QueueDeclaration, Resource};
use crate::model::ids::QueueId;
use crate::model::policy::{CheckedPolicy, Policies, PolicyKind};
use crate::model::stored::Reference;
use crate::store::{Opened, RecoveredDefinition, RecoveryReport, StoreError, Taken};

/// The definitions that a journal had, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct RestoredDefinitions {
    all: Vec<(Reference, Definition)>,
    stream_starts: Vec<StreamStart>,
    /// What can't be read, in words: it stays in the journal for a version that can.
    unreadable: Vec<String>,
}

/// The offset that a stream begins at, from which retention has dropped something.
#[derive(Debug)]
pub(crate) struct StreamStart {
    pub(crate) queue: QueueId,
    pub(crate) reference: Reference,
    pub(crate) offset: u64,
}

impl RestoredDefinitions {
    pub(crate) fn read(mut recovered: Vec<RecoveredDefinition>) -> Self {
        recovered.sort_unstable_by_key(|definition| definition.reference);
        let mut read = Self::default();
        for RecoveredDefinition { reference, content } in recovered {
            match Definition::decode(&content) {
                Ok(Definition::StreamStart { queue, offset }) => {
                    read.stream_starts.push(StreamStart { queue, reference, offset });
                }
                Ok(definition) => read.all.push((reference, definition)),
                Err(error) => {
                    let number = reference.number();
                    read.unreadable.push(format!("definition {number} can't be read: {error}"));
                }
            }
        }
        read
    }

    /// Whether there is any user.
    pub(crate) fn has_users(&self) -> bool {
        self.all.iter().any(|(_, definition)| matches!(definition, Definition::User(_)))
    }

    /// Where streams begin.
    pub(crate) fn take_stream_starts(&mut self) -> Vec<StreamStart> {
        std::mem::take(&mut self.stream_starts)
    }

    /// The largest number of a queue.
    pub(crate) fn highest_queue(&self) -> QueueId {
        let ids = self.all.iter().filter_map(|(_, definition)| match definition {
            Definition::Queue { id, .. } => Some(*id),
            _ => None,
        });
        ids.max().unwrap_or(QueueId(0))
    }

    /// The names of the virtual hosts.
    pub(crate) fn virtual_hosts(&self) -> impl Iterator<Item = ShortString> {
        self.all.iter().filter_map(|(_, definition)| match definition {
            Definition::VirtualHost { name, .. } => Some(name.clone()),
            _ => None,
        })
    }
}

/// What belongs to one virtual host.
#[derive(Debug, Default)]
struct OfHost {
    policies: Vec<(PolicyKind, CheckedPolicy)>,
    exchanges: Vec<ExchangeDefinition>,
    queues: Vec<(QueueId, QueueDeclaration)>,
    bindings: Vec<Binding>,
}

impl BrokerCell {
    /// Makes again what the journal has: definitions, and the messages in queues and at delayed
    /// exchanges. Only before anybody is connected.
    ///
    /// # Errors
    ///
    /// The folder can't be read. What is damaged is none: it is in the report.
    pub(crate) fn restore(
        &self,
        opened: Opened,
        mut definitions: RestoredDefinitions,
    ) -> Result<RecoveryReport, StoreError> {
        let stream_starts = definitions.take_stream_starts();
        let faults = self.restore_definitions(definitions);
        let hosts = self.virtual_hosts();
        let topologies = hosts.values().map(|host| host.topology());
        let queues: HashMap<QueueId, QueueRef> = topologies
            .flat_map(|topology| {
                topology.queues().map(|(_, queue)| (queue.id(), queue.clone())).collect::<Vec<_>>()
            })
            .collect();
        // What belongs to something that is not there was left over by its deletion, unless that is
        // missing for another reason.
        let keeps_all = !faults.is_empty() || !opened.report.damages.is_empty();
        let mut kept: u64 = 0;
        let mut last: Option<&QueueRef> = None;
        let mut report = opened.restore_messages(|message| {
            // Mostly it is for the queue that the one before was for.
            last = match last.filter(|last| last.id() == message.queue) {
                Some(last) => Some(last),
                None => queues.get(&message.queue),
            };
            match last {
                Some(queue) => queue.restore(&message),
                None if keeps_all => kept += 1,
                None => return Taken::No,
            }
            Taken::Yes
        })?;
        let Opened { journal, delayed, .. } = opened;
        let give_up = |reference: Reference| {
            if !keeps_all {
                journal.settle(&[reference]);
            }
        };
        for StreamStart { queue, reference, offset } in stream_starts {
            match queues.get(&queue) {
                Some(queue) => queue.restore_stream_start(reference, offset),
                None => give_up(reference),
            }
        }
        for host in hosts.values() {
            host.restored();
        }
        for message in delayed {
            match hosts.get(&message.virtual_host) {
                Some(host) => host.restore_delayed(message),
                None => give_up(message.reference),
            }
        }
        report.damages.extend(faults);
        if kept > 0 {
            let text = "messages belong to queues that are not there; they are kept in the folder";
            report.damages.push(format!("{kept} {text}"));
        }
        Ok(report)
    }

    /// Makes what was defined, in a broker that has the virtual hosts already, and nothing else.
    /// What is wrong with it, in words.
    pub(super) fn restore_definitions(&self, restored: RestoredDefinitions) -> Vec<String> {
        let RestoredDefinitions { all, unreadable: mut faults, .. } = restored;
        let mut written = BTreeMap::new();
        let mut hosts: BTreeMap<String, OfHost> = BTreeMap::new();
        let mut parameters: Vec<(String, FieldValue)> = Vec::new();
        for (reference, definition) in all {
            let key = match definition {
                Definition::VirtualHost { name, options, limits } => {
                    if let Some(host) = self.virtual_hosts().get(&name) {
                        host.set_options(options);
                        host.set_limits(limits);
                    }
                    Key::VirtualHost(name.to_string())
                }
                Definition::User(user) => {
                    let key = Key::User(user.name().to_owned());
                    // No randomness is needed where the hash is there already.
                    if let Ok(user) = NewUser::new(user) {
                        self.users().set(user);
                    }
                    key
                }
                Definition::GlobalParameter { name, value } => {
                    parameters.push((name.clone(), value));
                    Key::GlobalParameter(name)
                }
                Definition::Policy { virtual_host, kind, policy } => {
                    let key = Key::policy(&virtual_host, kind, &policy.name);
                    let name = policy.name.clone();
                    match CheckedPolicy::new(policy, kind) {
                        Ok(policy) => {
                            let of_host = hosts.entry(virtual_host).or_default();
                            of_host.policies.push((kind, policy));
                        }
                        Err(error) => faults.push(format!("the policy '{name}': {error}")),
                    }
                    key
                }
                Definition::Exchange { virtual_host, definition } => {
                    let key = Key::exchange(&virtual_host, &definition.name);
                    hosts.entry(virtual_host).or_default().exchanges.push(definition);
                    key
                }
                Definition::Queue { virtual_host, id, declaration } => {
                    let key = Key::queue(&virtual_host, &declaration.name);
                    hosts.entry(virtual_host).or_default().queues.push((id, declaration));
                    key
                }
                Definition::StreamStart { .. } => continue,
                Definition::Binding { virtual_host, binding } => {
                    let key = Key::binding(&virtual_host, &binding);
                    hosts.entry(virtual_host).or_default().bindings.push(binding);
                    key
                }
            };
            written.insert(key, Written { reference, content: None });
        }
        self.set_global_parameters(parameters);
        for (name, of_host) in hosts {
            match self.virtual_hosts().get(name.as_str()) {
                Some(host) => host.restore(of_host, &mut faults),
                None => faults.push(format!("the virtual host '{name}' is missing")),
            }
        }
        // As they would be written now, to be compared with what an operator changes.
        for (key, content) in encode::administration(self) {
            if let Some(written) = written.get_mut(&key) {
                written.content = content.map(Vec::into_boxed_slice);
            }
        }
        *self.shared().durable_definitions().lock() = written;
        faults
    }
}

impl VirtualHost {
    fn restore(self: &Arc<Self>, of_host: OfHost, faults: &mut Vec<String>) {
        let OfHost { policies: restored, exchanges, queues, bindings } = of_host;
        let mut policies = Policies::default();
        for (kind, policy) in restored {
            policies.set(kind, policy);
        }
        let mut update = self.begin_update();
        self.store_policies(policies);
        for exchange in exchanges {
            self.add_exchange(&mut update.next, exchange);
        }
        set_alternates(&mut update.next, &self.policies());
        for (id, declaration) in queues {
            let name = declaration.name.clone();
            match declaration.define(Resource::queue(&name, self.name())) {
                Ok(definition) => {
                    self.restore_queue(&mut update.next, id, definition);
                }
                Err(error) => faults.push(format!("the queue '{name}': {error}")),
            }
        }
        for binding in bindings {
            let (from, key) = (binding.source().clone(), binding.routing_key().clone());
            if let Err(missing) = update.next.bind(binding) {
                faults.push(format!("a binding from '{from}' by '{key}': {missing}"));
            }
        }
        update.commit_in_memory();
    }
}
