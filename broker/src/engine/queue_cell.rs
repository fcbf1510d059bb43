use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use springhare_amqp::ShortString;

use super::keeping::Keeping;
use super::queue_state::QueueState;
pub(crate) use super::queue_state::{
    ConsumeRefused, ConsumerAccess, ConsumersRemoved, Consuming, DeleteConditions, Deletion,
    Leaving, QueueCounts,
};
use super::restoring::OfStream;
use super::shared::Shared;
use super::stream_journal::StreamJournal;
use super::timers::{Timed, TimerId};
use super::virtual_host::VirtualHost;
use crate::model::arguments::QueueType;
use crate::model::dead_letter::LastLetter;
use crate::model::definition::QueueDefinition;
use crate::model::ids::{ConnectionId, ConsumerId, QueueId};
use crate::model::message::PublishedMessage;
use crate::model::now::Now;
use crate::model::pager::{NotReadNow, Pager};
use crate::model::queue::{
    Dead, DeadBatch, Enqueued, JournalChanges, Queue, QueueConsumer, QueueMessage, QueueSettings,
    Returned, ReturnedReference, SettlementMode, Wakeups,
};
use crate::model::stored::Reference;
use crate::model::topology::QueueHandle;
use crate::store::Journal;

/// Of how many messages the journal is told in one step: whoever else has something to append gets
/// between.
const TOLD_AT_ONCE_MAX: usize = 4_096;

/// A queue behind its lock: the only place that knows that there is one.
///
/// Every change lets time catch up first and dispatches before the lock is let go, tells the
/// memory count what the queue holds and the timers when time matters next; afterwards it wakes
/// readers, tells the journal what is done with, and sends the dead letters on. Nothing here waits, but
/// for the disk where a queue reads back what it does not have in memory; and nothing called under the
/// lock takes another queue's lock.
#[derive(Debug)]
pub(crate) struct QueueCell {
    id: QueueId,
    definition: QueueDefinition,
    /// The connection that an exclusive queue belongs to.
    owner: Option<ConnectionId>,
    shared: Arc<Shared>,
    home: Weak<dyn QueueHome>,
    timer: TimerId,
    /// Whether it was told already that dead letters went round.
    has_told_dropped: AtomicBool,
    /// The dead letter that was written last.
    last_letter: Mutex<Option<Box<LastLetter>>>,
    me: Weak<Self>,
    /// What the journal keeps of it.
    keeping: Keeping,
    /// What the journal has to know of it if it is a stream.
    stream_journal: Option<Box<StreamJournal>>,
    /// What a stream is made of while it is restored.
    of_stream: Mutex<OfStream>,
    state: Mutex<QueueState>,
}

/// A message on its way into a queue.
#[derive(Debug)]
pub(crate) struct Entering {
    pub(crate) message: Arc<PublishedMessage>,
    /// How many queues share it.
    pub(crate) copies: usize,
    /// What the journal knows it by in this queue, if it keeps it.
    pub(crate) reference: Option<Reference>,
}

/// A virtual host as its queues know it.
pub(crate) trait QueueHome: std::fmt::Debug + Send + Sync {
    /// Sends the dead of a queue to where they belong.
    fn dead_letter(&self, queue: &QueueCell, dead: DeadBatch);

    /// Deletes a queue that nobody has used for as long as it stays then (`x-expires`), unless
    /// somebody uses it now.
    fn delete_expired_queue(&self, queue: &QueueCell);
}

/// A handle of a queue: cheap to clone, the same queue for all.
#[derive(Debug, Clone)]
pub(crate) struct QueueRef(pub(crate) Arc<QueueCell>);

impl std::ops::Deref for QueueRef {
    type Target = QueueCell;

    fn deref(&self) -> &QueueCell {
        &self.0
    }
}

impl QueueHandle for QueueRef {
    fn queue_id(&self) -> QueueId {
        self.0.id
    }
}

impl QueueCell {
    pub(crate) fn create(
        id: QueueId,
        definition: QueueDefinition,
        owner: Option<ConnectionId>,
        settings: Arc<QueueSettings>,
        virtual_host: &VirtualHost,
    ) -> QueueRef {
        let shared = Arc::clone(virtual_host.shared());
        let timer = shared.timers().new_id();
        let queue_type = definition.arguments.queue_type;
        let keeping = match shared.journal() {
            Some(_) => Keeping::of(&definition, owner),
            None => Keeping::Nothing,
        };
        let journal = shared.journal().filter(|_| keeping != Keeping::Nothing);
        let pager = journal.map(|journal| -> Arc<dyn Pager> { Arc::<Journal>::clone(journal) });
        let is_stream = queue_type == QueueType::Stream;
        let stream_journal = journal.filter(|_| is_stream).map(|_| Box::default());
        let state = QueueState::new(queue_type, settings, shared.clock(), pager);
        let cell = Arc::new_cyclic(|me| Self {
            id,
            definition,
            owner,
            shared,
            home: virtual_host.weak(),
            timer,
            has_told_dropped: AtomicBool::new(false),
            last_letter: Mutex::default(),
            me: Weak::clone(me),
            keeping,
            stream_journal,
            of_stream: Mutex::default(),
            state: Mutex::new(state),
        });
        // A queue that expires has a time from the start.
        cell.change(|_, _, _| ());
        QueueRef(cell)
    }

    pub(crate) fn id(&self) -> QueueId {
        self.id
    }

    pub(crate) fn name(&self) -> &ShortString {
        &self.definition.name
    }

    pub(crate) fn definition(&self) -> &QueueDefinition {
        &self.definition
    }

    /// The dead letter that was written last; none when another is being written.
    pub(crate) fn take_last_letter(&self) -> Option<Box<LastLetter>> {
        self.last_letter.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn keep_last_letter(&self, last: Option<Box<LastLetter>>) {
        *self.last_letter.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// A dead letter of this queue would go round for ever: it is dropped. Told once.
    pub(crate) fn tell_dropped(&self, target: &ShortString) {
        if !self.has_told_dropped.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                queue = %self.name(),
                %target,
                "a dead letter was in the queue that it goes to already, and nobody rejected it \
                 since, or in too many queues: it is dropped, and so are those that follow"
            );
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What the journal keeps of it.
    pub(super) fn keeping(&self) -> Keeping {
        self.keeping
    }

    /// What the journal has to know of it if it is a stream.
    pub(super) fn stream_journal(&self) -> Option<&StreamJournal> {
        self.stream_journal.as_deref()
    }

    pub(crate) fn owner(&self) -> Option<ConnectionId> {
        self.owner
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        self.lock().counts()
    }

    /// What the queue does now; nothing if it was deleted.
    #[cfg(test)]
    pub(crate) fn settings(&self) -> Arc<QueueSettings> {
        self.lock().settings()
    }

    /// From now on these hold: a policy has changed.
    pub(crate) fn apply(&self, settings: Arc<QueueSettings>) {
        self.change_state(|state, now, _| state.apply(settings, now));
    }

    /// The queue is declared again: that counts as use.
    pub(crate) fn touch(&self) {
        self.change(|queue, now, _| queue.touch(now));
    }

    /// Puts messages at the end, in their order. The places in the order of those that the queue
    /// refuses are given to `refused`.
    pub(crate) fn enqueue(
        &self,
        messages: impl IntoIterator<Item = Entering>,
        mut refused: impl FnMut(usize),
    ) {
        if let Some(dead) = self.enqueue_alive(messages, |place, _| refused(place)) {
            self.dead_letter(dead);
        }
    }

    /// The same, but leaves the dead letters to the caller, and says how each was refused.
    pub(crate) fn enqueue_alive(
        &self,
        messages: impl IntoIterator<Item = Entering>,
        mut refused: impl FnMut(usize, Enqueued),
    ) -> Option<DeadBatch> {
        let ((), dead) = self.change_alive(|state, now, wakeups| {
            for (place, entering) in messages.into_iter().enumerate() {
                let Entering { message, copies, reference } = entering;
                let share = message.charge() / copies.max(1);
                let charge = u32::try_from(share).unwrap_or(u32::MAX);
                match state.enqueue(message, charge, reference, now, wakeups) {
                    Enqueued::Taken => {}
                    refusal @ (Enqueued::Refused | Enqueued::DeadLettered) => {
                        refused(place, refusal);
                    }
                }
            }
        });
        dead
    }

    /// Takes the first ready message, and says how many are left. With automatic settlement it is to
    /// be [given away](Self::given_away), or put back as unread.
    ///
    /// # Errors
    ///
    /// It can't be read back from the disk now.
    pub(crate) fn get(
        &self,
        settlement: SettlementMode,
    ) -> Result<Option<(QueueMessage, usize)>, NotReadNow> {
        let got = self.change(|queue, now, _| {
            let message = queue.get(settlement, now)?;
            Ok(message.map(|message| (message, queue.ready_count())))
        });
        got.unwrap_or(Ok(None))
    }

    /// A message that nobody acknowledges has got where it was to go.
    pub(crate) fn given_away(&self, message: &QueueMessage) {
        if let (Some(journal), Some(reference)) = (self.shared.journal(), message.reference) {
            journal.settle(&[reference]);
        }
    }

    /// Forgets settled deliveries.
    pub(crate) fn acknowledge(&self, consumer: Option<ConsumerId>, messages: &[QueueMessage]) {
        self.change_state(|state, _, _| state.acknowledge(consumer, messages));
    }

    /// Takes leave of deliveries that were refused for good.
    pub(crate) fn discard(&self, consumer: Option<ConsumerId>, messages: Vec<QueueMessage>) {
        self.change_state(|state, _, _| state.discard(consumer, messages));
    }

    /// Puts deliveries back to their old places.
    pub(crate) fn put_back(
        &self,
        consumer: Option<ConsumerId>,
        messages: Vec<QueueMessage>,
        why: Returned,
    ) {
        self.change_state(|state, now, _| state.put_back(consumer, messages, why, now));
    }

    /// What became of dead messages that the queue gave away: these are dead-lettered, those not. The next
    /// that are dead, with the queue.
    pub(crate) fn dead_lettered(
        &self,
        done: &[Dead],
        kept: Vec<Dead>,
    ) -> Option<(QueueRef, DeadBatch)> {
        let ((), dead) = self.change_alive(|state, now, _| state.dead_lettered(done, kept, now));
        self.me.upgrade().map(QueueRef).zip(dead)
    }

    pub(crate) fn add_consumer(
        &self,
        consumer: QueueConsumer,
        consuming: Consuming,
    ) -> Result<(), ConsumeRefused> {
        self.change_state(|state, now, _| state.add_consumer(consumer, consuming, now))
    }

    /// Puts back a message that never reached the application.
    pub(crate) fn put_back_unread(&self, messages: Vec<QueueMessage>, settlement: SettlementMode) {
        self.change_state(|state, now, _| state.put_back_unread(messages, settlement, now));
    }

    /// Removes consumers and puts back what they had, all before the next one is served.
    pub(crate) fn leave(&self, leaving: Leaving) -> ConsumersRemoved {
        self.change_state(|state, now, _| state.leave(leaving, now))
    }

    /// The outlets of these consumers may take messages again.
    pub(crate) fn resume(&self, consumers: &[ConsumerId]) {
        self.change_state(|state, _, _| state.resume(consumers));
    }

    /// Drops all ready messages and says how many there were.
    pub(crate) fn purge(&self) -> usize {
        self.change(|queue, _, _| queue.purge()).unwrap_or(0)
    }

    /// Ends the queue, if the conditions hold.
    pub(crate) fn delete(&self, conditions: DeleteConditions) -> Deletion {
        self.change_state(|state, now, _| {
            let known = state.times().and_then(|(known, _)| *known);
            let deletion = state.delete(conditions, now);
            if let Deletion::Deleted { .. } = deletion {
                self.shared.timers().clear(self.timer, known);
                if let (Some(journal), Some(stream)) =
                    (self.shared.journal(), self.stream_journal())
                {
                    stream.end(journal);
                }
            }
            deletion
        })
    }

    /// Changes the live queue; none when it is deleted, or is a stream.
    fn change<T>(&self, change: impl FnOnce(&mut Queue, &Now<'_>, &mut Wakeups) -> T) -> Option<T> {
        self.change_state(|state, now, wakeups| match state {
            QueueState::Live { queue, .. } => Some(change(queue, now, wakeups)),
            QueueState::Stream { .. } | QueueState::Deleted { .. } => None,
        })
    }

    fn change_state<T>(
        &self,
        change: impl FnOnce(&mut QueueState, &Now<'_>, &mut Wakeups) -> T,
    ) -> T {
        let (result, dead) = self.change_alive(change);
        if let Some(dead) = dead {
            self.dead_letter(dead);
        }
        result
    }

    /// Changes the queue and all that follows from it, but for the dead: the caller is to
    /// dead-letter them.
    fn change_alive<T>(
        &self,
        change: impl FnOnce(&mut QueueState, &Now<'_>, &mut Wakeups) -> T,
    ) -> (T, Option<DeadBatch>) {
        let clock = || self.shared.clock().now();
        let now = Now::from_clock(&clock);
        let memory = self.shared.memory();
        let mut wakeups = Wakeups::new();
        let mut state = self.lock();
        let before = state.held_bytes();
        state.advance(&now, &mut wakeups);
        let result = change(&mut state, &now, &mut wakeups);
        let dead = state.dispatch(&now, &mut wakeups);
        if let Some((known, next)) = state.times() {
            self.set_timer(known, next);
        }
        let changes = (self.keeping != Keeping::Nothing).then(|| self.keep(&mut state));
        let after = state.held_bytes();
        // Before the lock is let go: nobody can free what is not counted yet.
        memory.grow(after.saturating_sub(before));
        drop(state);
        memory.free(before.saturating_sub(after));
        for outlet in wakeups {
            outlet.wake();
        }
        if let Some(changes) = changes {
            self.tell_settled(changes);
        }
        (result, dead)
    }

    /// Takes out of memory what is too much, and tells the journal what has come back. What else it is
    /// to know, once the lock is let go.
    fn keep(&self, state: &mut QueueState) -> JournalChanges {
        if let Some(how) = self.shared.page_out() {
            state.page_out(how);
        }
        let changes = state.take_changes();
        if !changes.returned.is_empty() {
            // Before anybody can get them, and return them again.
            self.tell_returned(&changes.returned);
        }
        changes
    }

    /// Changes the queue while it is restored: time stands still for it, and nobody is served.
    pub(super) fn change_restoring(&self, change: impl FnOnce(&mut QueueState)) {
        let mut state = self.lock();
        let before = state.held_bytes();
        change(&mut state);
        let after = state.held_bytes();
        self.shared.memory().grow(after.saturating_sub(before));
        drop(state);
        self.shared.memory().free(before.saturating_sub(after));
    }

    /// All that was there is there again: from now on it is a queue like others.
    pub(super) fn end_restoring(&self) {
        self.change_state(|_, _, _| ());
    }

    /// Tells the journal what has come back.
    fn tell_returned(&self, returned: &[ReturnedReference]) {
        let Some(journal) = self.shared.journal() else { return };
        let epoch = self.shared.clock().epoch();
        for piece in returned.chunks(TOLD_AT_ONCE_MAX) {
            journal.append_returned(|append| {
                for ReturnedReference { reference, delivery_count, retry_at } in piece {
                    let retry_at = retry_at.map(|at| epoch.saturating_add(at));
                    append.returned(*reference, *delivery_count, retry_at);
                }
            });
        }
    }

    /// Tells the journal what is done with.
    fn tell_settled(&self, changes: JournalChanges) {
        let JournalChanges { settled, stream_start, .. } = changes;
        let Some(journal) = self.shared.journal().filter(|_| !settled.is_empty()) else { return };
        match (self.stream_journal(), stream_start) {
            (Some(stream), Some(start)) => stream.dropped(journal, self.id, settled, start),
            _ => settled.in_pieces(TOLD_AT_ONCE_MAX, |piece| journal.settle(piece)),
        }
    }

    /// Asks for an earlier time than the timers know; under the lock, so that they know the last
    /// one. A time at which there is nothing to do any more is left: a queue that is used all the
    /// time would have to change it with every message.
    fn set_timer(&self, known: &mut Option<Duration>, next: Option<Duration>) {
        let Some(next) = next.filter(|next| known.is_none_or(|known| *next < known)) else {
            return;
        };
        let me = || -> Weak<dyn Timed> { Weak::<Self>::clone(&self.me) };
        self.shared.timers().set(self.timer, *known, next, me);
        *known = Some(next);
    }

    /// Sends the queue's dead letters to where they belong.
    fn dead_letter(&self, dead: DeadBatch) {
        if let Some(home) = self.home.upgrade() {
            home.dead_letter(self, dead);
        }
    }

    pub(super) fn lock_of_stream(&self) -> MutexGuard<'_, OfStream> {
        self.of_stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic under the lock would be a defect of the pure queue; its counts may then be wrong,
    /// but its messages are whole, so the queue goes on.
    pub(super) fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages expire, what waited is ready again, and a queue that nobody uses goes.
impl Timed for QueueCell {
    fn due(self: Arc<Self>) {
        let has_expired = self.change_state(|state, now, _| state.is_due(now));
        if has_expired && let Some(home) = self.home.upgrade() {
            home.delete_expired_queue(&self);
        }
    }
}
