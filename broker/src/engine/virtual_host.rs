use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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
use crate::model::limits::{VirtualHostLimits, reached};
use crate::model::policy::Policies;
use crate::model::queue::DeadBatch;
use crate::model::topology::Topology;
use crate::model::virtual_host::VirtualHostOptions;
use crate::store::Failure;

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
    options: ArcSwap<VirtualHostOptions>,
    limits: ArcSwap<VirtualHostLimits>,
    /// Stored by whoever has the writer, so that a queue that is declared has those of then.
    policies: ArcSwap<Policies>,
    connections: AtomicUsize,
}

/// The next snapshot of a topology while it is made. Dropped without a commit it is none.
#[derive(Debug)]
#[must_use = "what is not committed does not count"]
pub(crate) struct TopologyUpdate<'v> {
    virtual_host: &'v VirtualHost,
    pub(crate) next: Topology<QueueRef>,
    writer: MutexGuard<'v, ()>,
}

impl TopologyUpdate<'_> {
    /// From now on this is the topology, and what of it survives a restart is written.
    ///
    /// # Errors
    ///
    /// The store takes nothing: the topology is as it was.
    pub(crate) fn commit(mut self) -> Result<(), Failure> {
        let changed = self.next.take_changed();
        self.virtual_host.write_changed(&self.next, changed)?;
        self.store();
        Ok(())
    }

    /// From now on this is the topology, whether it can be written or not: a queue is gone already.
    pub(crate) fn commit_deletion(mut self) {
        let changed = self.next.take_changed();
        if let Err(failure) = self.virtual_host.write_changed(&self.next, changed) {
            tracing::error!(%failure, "what was deleted comes back when the broker is started again");
            self.virtual_host.shared.definition_not_appended();
        }
        self.store();
    }

    /// From now on this is the topology, of which nothing is to be written.
    pub(crate) fn commit_in_memory(mut self) {
        self.next.take_changed();
        self.store();
    }

    fn store(self) {
        let Self { virtual_host, next, writer } = self;
        let has_lost_exchanges =
            next.exchange_count() < virtual_host.topology.load().exchange_count();
        virtual_host.topology.store(Arc::new(next));
        // Before another writer declares an exchange of the same name.
        let forgotten_bytes = if has_lost_exchanges { virtual_host.forget_delayed() } else { 0 };
        drop(writer);
        virtual_host.memory().free(forgotten_bytes);
    }
}

impl VirtualHost {
    pub(crate) fn new(
        name: ShortString,
        options: VirtualHostOptions,
        shared: Arc<Shared>,
    ) -> Arc<Self> {
        let delaying = Delaying::new(shared.timers().new_id(), Arc::clone(shared.memory()));
        Arc::new_cyclic(|me| Self {
            name,
            shared,
            delaying,
            topology: ArcSwap::from_pointee(Topology::new()),
            writer: Mutex::new(()),
            reply_consumers: ReplyConsumers::default(),
            me: Weak::clone(me),
            options: ArcSwap::from_pointee(options),
            limits: ArcSwap::default(),
            policies: ArcSwap::default(),
            connections: AtomicUsize::new(0),
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

    /// Makes the next snapshot; none is stored when `change` fails, or the store does.
    ///
    /// Writers wait for each other, so what `change` finds is still so when it is stored.
    /// It may look at queues (one lock at a time) but must not publish.
    pub(crate) fn update<T, E: From<Failure>>(
        &self,
        change: impl FnOnce(&mut Topology<QueueRef>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut update = self.begin_update();
        let result = change(&mut update.next)?;
        update.commit()?;
        Ok(result)
    }

    /// The same for a `change` that deletes queues, which can't be taken back: that is done whatever
    /// the store says.
    pub(crate) fn update_deleting<T, E>(
        &self,
        change: impl FnOnce(&mut Topology<QueueRef>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut update = self.begin_update();
        let result = change(&mut update.next)?;
        update.commit_deletion();
        Ok(result)
    }

    /// Begins to make the next snapshot, and keeps other writers waiting. Who does so for several
    /// virtual hosts takes them in the order of their names.
    pub(crate) fn begin_update(&self) -> TopologyUpdate<'_> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Topology::clone(&self.topology.load());
        TopologyUpdate { virtual_host: self, next, writer }
    }

    pub(crate) fn options(&self) -> Arc<VirtualHostOptions> {
        self.options.load_full()
    }

    pub(super) fn set_options(&self, options: VirtualHostOptions) {
        self.options.store(Arc::new(options));
    }

    pub(crate) fn limits(&self) -> VirtualHostLimits {
        **self.limits.load()
    }

    pub(super) fn set_limits(&self, limits: VirtualHostLimits) {
        self.limits.store(Arc::new(limits));
    }

    /// The policies of now.
    pub(crate) fn policies(&self) -> Arc<Policies> {
        self.policies.load_full()
    }

    /// Only for who has the writer.
    pub(super) fn store_policies(&self, policies: Policies) {
        self.policies.store(Arc::new(policies));
    }

    /// The limit of connections, if there are as many as it allows.
    pub(super) fn connections_reached(&self) -> Option<u64> {
        reached(self.limits().max_connections, self.connections.load(Ordering::Relaxed))
    }

    pub(super) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl QueueHome for VirtualHost {
    fn dead_letter(&self, queue: &QueueCell, dead: DeadBatch) {
        self.dead_letter_all(queue, dead);
    }

    fn delete_expired_queue(&self, queue: &QueueCell) {
        self.delete_expired(queue);
    }
}
