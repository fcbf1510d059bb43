use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use springhare_amqp::ShortString;

use super::memory::MessageMemory;
use super::queue_cell::QueueRef;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::model::topology::Topology;

/// A virtual host: its exchanges, queues and bindings.
///
/// Routing reads a snapshot and takes no lock. Whoever declares, binds or deletes makes the
/// next snapshot, one at a time.
#[derive(Debug)]
pub(crate) struct VirtualHost {
    name: ShortString,
    config: BrokerConfig,
    clock: Clock,
    memory: Arc<MessageMemory>,
    topology: ArcSwap<Topology<QueueRef>>,
    writer: Mutex<()>,
    last_id: AtomicU64,
}

impl VirtualHost {
    pub(crate) fn new(name: ShortString, config: BrokerConfig, clock: Clock) -> Self {
        Self {
            name,
            memory: Arc::new(MessageMemory::new(config.memory_high_watermark)),
            config,
            clock,
            topology: ArcSwap::from_pointee(Topology::new()),
            writer: Mutex::new(()),
            last_id: AtomicU64::new(0),
        }
    }

    pub(crate) fn name(&self) -> &ShortString {
        &self.name
    }

    pub(crate) fn config(&self) -> &BrokerConfig {
        &self.config
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn memory(&self) -> &Arc<MessageMemory> {
        &self.memory
    }

    /// A number that nothing else in this virtual host has.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The snapshot of now.
    pub(crate) fn topology(&self) -> Arc<Topology<QueueRef>> {
        self.topology.load_full()
    }

    /// Makes the next snapshot; none is stored when `change` fails.
    ///
    /// Writers wait for each other, so what `change` finds is still so when it is stored.
    /// It may look at queues (one lock at a time) but must not publish.
    pub(crate) fn update<T, E>(
        &self,
        change: impl FnOnce(&mut Topology<QueueRef>) -> Result<T, E>,
    ) -> Result<T, E> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Topology::clone(&self.topology.load());
        let result = change(&mut next)?;
        self.topology.store(Arc::new(next));
        Ok(result)
    }
}
