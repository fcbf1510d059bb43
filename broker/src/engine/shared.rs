use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use springhare_amqp::{AmqpError, MethodId};

use super::durable::DurableDefinitions;
use super::memory::MessageMemory;
use super::synced::not_stored;
use super::timers::Timers;
use super::unfinished::Unfinished;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::model::deprecated::GLOBAL_QOS;
use crate::model::ids::QueueId;
use crate::model::queue::PageOut;
use crate::model::stored::Lsn;
use crate::store::Journal;

/// What all virtual hosts of a broker share: limits, time, the memory of messages, and numbers.
#[derive(Debug)]
pub(crate) struct Shared {
    config: BrokerConfig,
    clock: Clock,
    memory: Arc<MessageMemory>,
    unfinished: Arc<Unfinished>,
    timers: Timers,
    last_id: AtomicU64,
    /// Where everything goes that survives a restart; none if nothing does.
    journal: Option<Arc<Journal>>,
    /// The end of the last definition in the journal.
    definitions_end: AtomicU64,
    durable_definitions: DurableDefinitions,
    has_told_global_qos: AtomicBool,
}

impl Shared {
    pub(crate) fn new(config: BrokerConfig, clock: Clock) -> Self {
        let memory = Arc::new(MessageMemory::new(config.memory_high_watermark));
        let unfinished = Arc::new(Unfinished::new(config.unfinished_max_bytes));
        let timers = Timers::new(clock.clone());
        Self {
            config,
            clock,
            memory,
            unfinished,
            timers,
            last_id: AtomicU64::new(0),
            journal: None,
            definitions_end: AtomicU64::new(0),
            durable_definitions: DurableDefinitions::default(),
            has_told_global_qos: AtomicBool::new(false),
        }
    }

    /// The same for a broker that keeps in a journal what is to survive. `last_queue` is the last
    /// number of a queue that the journal knows.
    pub(crate) fn with_journal(mut self, journal: Arc<Journal>, last_queue: QueueId) -> Self {
        self.memory.heed(&journal);
        self.journal = Some(journal);
        self.last_id = AtomicU64::new(last_queue.0);
        self
    }

    /// Where everything goes that survives a restart; none if nothing does.
    pub(crate) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    /// What the journal has of definitions.
    pub(super) fn durable_definitions(&self) -> &DurableDefinitions {
        &self.durable_definitions
    }

    /// Checks that the store takes changes, where there is one.
    ///
    /// # Errors
    ///
    /// 541 when it has failed, or its disk is full.
    pub(super) fn check_writable(&self, method: MethodId) -> Result<(), AmqpError> {
        match self.journal().and_then(|journal| journal.failure()) {
            Some(failure) => Err(not_stored(method, &failure)),
            None => Ok(()),
        }
    }

    /// What has to be synced for all definitions to be safe.
    pub(crate) fn definitions_end(&self) -> Lsn {
        Lsn(self.definitions_end.load(Ordering::SeqCst))
    }

    /// A definition was appended to the journal, and ends there.
    pub(crate) fn definition_appended(&self, end: Lsn) {
        self.definitions_end.fetch_max(end.0, Ordering::SeqCst);
    }

    /// A definition could not be appended: whoever waits for it to be safe hears that the store has
    /// failed.
    pub(crate) fn definition_not_appended(&self) {
        self.definition_appended(Lsn(u64::MAX));
    }

    pub(crate) fn config(&self) -> &BrokerConfig {
        &self.config
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What happens at a time.
    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// The messages of all virtual hosts count for one mark, as for RabbitMQ's alarm.
    pub(crate) fn memory(&self) -> &Arc<MessageMemory> {
        &self.memory
    }

    /// What is to leave memory where something has changed, if all take more than they may.
    pub(super) fn page_out(&self) -> Option<PageOut> {
        let used = self.memory.used();
        if used <= self.config.memory_paging_watermark {
            return None;
        }
        // Publishers wait at that mark: then nothing stays.
        let is_short = used > self.config.memory_high_watermark / 2;
        Some(if is_short { PageOut::ALL } else { PageOut::BUT_THE_FRONT })
    }

    /// The messages of all virtual hosts that are not published yet.
    pub(crate) fn unfinished(&self) -> &Arc<Unfinished> {
        &self.unfinished
    }

    /// Somebody wants a prefetch that a channel's consumers share. Told once.
    pub(crate) fn tell_global_qos(&self) {
        if !self.has_told_global_qos.swap(true, Ordering::Relaxed) {
            tracing::warn!("{GLOBAL_QOS}");
        }
    }

    /// A number that nothing else in this broker has.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }
}
