use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use springhare_amqp::ShortString;

use super::delaying::Delaying;
use super::memory::MessageMemory;
use super::queue_cell::{QueueCell, QueueHome, QueueRef};
use super::reply_to::ReplyConsumers;
use super::shared::Shared;
use super::timers::Timed;
use super::unfinished::Unfinished;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::model::queue::DeadBatch;
use crate::model::topology::Topology;

/// A virtual host: its exchanges, queues and bindings.
///
/// Routing reads a snapshot and takes no lock. Whoever declares, binds or deletes makes the
/// next snapshot, one at a time.
#[derive(Debug)]
pub(crate) struct VirtualHost {
    name: ShortString,
    shared: Arc<Shared>,
    topology: ArcSwap<Topology<QueueRef>>,
    writer: Mutex<()>,
    reply_consumers: ReplyConsumers,
    delaying: Delaying,
    /// Itself, for its queues: they send their dead letters through it.
    me: Weak<Self>,
}

impl VirtualHost {
    pub(crate) fn new(name: ShortString, shared: Arc<Shared>) -> Arc<Self> {
        let delaying = Delaying::new(shared.timers().new_id(), Arc::clone(shared.memory()));
        Arc::new_cyclic(|me| Self {
            name,
            shared,
            delaying,
            topology: ArcSwap::from_pointee(Topology::new()),
            writer: Mutex::new(()),
            reply_consumers: ReplyConsumers::default(),
            me: Weak::clone(me),
        })
    }

    /// The virtual host for a queue that it gets.
    pub(crate) fn weak(&self) -> Weak<dyn QueueHome> {
        Weak::<Self>::clone(&self.me)
    }

    /// The virtual host for the timers.
    pub(super) fn weak_timed(&self) -> Weak<dyn Timed> {
        Weak::<Self>::clone(&self.me)
    }

    /// What waits at its delayed exchanges.
    pub(super) fn delaying(&self) -> &Delaying {
        &self.delaying
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn name(&self) -> &ShortString {
        &self.name
    }

    pub(crate) fn config(&self) -> &BrokerConfig {
        self.shared.config()
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.shared.clock()
    }

    pub(crate) fn memory(&self) -> &Arc<MessageMemory> {
        self.shared.memory()
    }

    pub(crate) fn unfinished(&self) -> &Unfinished {
        self.shared.unfinished()
    }

    /// A number that nothing else in this broker has.
    pub(crate) fn next_id(&self) -> u64 {
        self.shared.next_id()
    }

    /// Who waits for direct replies.
    pub(crate) fn reply_consumers(&self) -> &ReplyConsumers {
        &self.reply_consumers
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
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Topology::clone(&self.topology.load());
        let exchange_count = next.exchange_count();
        let result = change(&mut next)?;
        let has_lost_exchanges = next.exchange_count() < exchange_count;
        self.topology.store(Arc::new(next));
        drop(writer);
        if has_lost_exchanges {
            self.forget_delayed();
        }
        Ok(result)
    }
}

impl QueueHome for VirtualHost {
    fn bury(&self, queue: &QueueCell, dead: DeadBatch) {
        self.bury_all(queue, dead);
    }

    fn delete_expired_queue(&self, queue: &QueueCell) {
        self.delete_expired(queue);
    }
}
