//! The consumers of a container, as those see them who start, stop, pause and scale it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use springhare_amqp::ShortString;
use tokio::sync::Notify;

use super::consumer_states::ConsumerStates;
use super::endpoint::Concurrency;
use super::health::ListenerStatus;
use super::scaling::Load;
use super::stop_signal::{StopPhase, StopSignal};
use super::supervisor::Supervised;

/// The consumers of a container that runs; none of one that does not. Apart from the tasks, so that
/// a stop can be forced while somebody waits for them.
#[derive(Debug, Default)]
pub(super) struct Crew {
    members: Mutex<Members>,
    /// The number that there are to be has changed.
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct Members {
    consumers: Vec<Member>,
    /// Of those who start and stop consumers by their load.
    scalers: Vec<(ShortString, Arc<StopSignal>)>,
    /// Of who looks whether they are idle.
    watcher: Option<Arc<StopSignal>>,
    states: Arc<ConsumerStates>,
    /// How far it was told to stop.
    raised: StopPhase,
    is_paused: bool,
    /// Its consumers are about to run.
    is_starting: bool,
    /// How many consumers each queue is to have, if that was changed.
    concurrency: Option<Concurrency>,
}

/// A start that is under way, until it is dropped: a stop or a pause that comes meanwhile is one of what
/// it starts.
#[derive(Debug)]
pub(super) struct Starting<'c>(&'c Crew);

#[derive(Debug)]
struct Member {
    queue: ShortString,
    number: usize,
    stop: Arc<StopSignal>,
    load: Arc<Load>,
    /// It is one too many, and handles what it holds.
    leaves: bool,
}

impl Crew {
    /// Begins a start, for who has the tasks: what was told to those that ran before is over.
    pub(super) fn starts(&self) -> Starting<'_> {
        let mut members = self.members();
        members.raised = StopPhase::Running;
        members.is_starting = true;
        Starting(self)
    }

    /// These are its consumers, told what was told while they were started; whether they go on after a
    /// pause.
    pub(super) fn begin<'c>(&self, consumers: impl Iterator<Item = &'c Supervised>) -> bool {
        let mut members = self.members();
        let mut states = None;
        members.consumers = consumers
            .map(|supervised| {
                states = Some(Arc::clone(&supervised.states));
                Member::of(supervised)
            })
            .collect();
        members.states = states.unwrap_or_default();
        members.scalers.clear();
        members.watcher = None;
        let raised = members.raised;
        members.consumers.iter().for_each(|member| member.stop.raise(raised));
        raised == StopPhase::Running && std::mem::take(&mut members.is_paused)
    }

    pub(super) fn end(&self) {
        let mut members = self.members();
        members.consumers.clear();
        members.scalers.clear();
        members.watcher = None;
        members.states = Arc::default();
        members.raised = StopPhase::Running;
    }

    /// What they do; `trouble` is what their connection is in.
    pub(super) fn status(&self, trouble: Option<&str>) -> ListenerStatus {
        let members = self.members();
        if members.is_paused {
            ListenerStatus::Paused
        } else if !members.are_running() {
            ListenerStatus::Stopped
        } else {
            members.states.status(trouble)
        }
    }

    /// Tells all how far to stop.
    pub(super) fn raise(&self, phase: StopPhase) {
        let mut members = self.members();
        if phase == StopPhase::Draining {
            members.is_paused = false;
        }
        members.raise(phase);
    }

    /// Has all finish what they have in hand, until they are started again. Nothing happens if it does
    /// not run, or stops. Whether it is paused now, and was not before.
    pub(super) fn pause(&self) -> bool {
        let mut members = self.members();
        let runs = members.is_starting || !members.consumers.is_empty();
        if !runs || members.raised != StopPhase::Running {
            return false;
        }
        members.raise(StopPhase::Returning);
        !std::mem::replace(&mut members.is_paused, true)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.members().is_paused
    }

    /// Whether it was paused and is not known to be done.
    pub(super) fn is_pausing(&self) -> bool {
        let members = self.members();
        members.is_paused && !members.consumers.is_empty()
    }

    pub(super) fn is_told_to_stop(&self) -> bool {
        self.members().raised != StopPhase::Running
    }

    /// How many messages its consumers hold that were told to stop.
    pub(super) fn held(&self) -> usize {
        self.members().consumers.iter().map(|member| member.load.held()).sum()
    }

    /// Changes how many consumers each queue is to have; whether somebody sees to it: who scales them, or
    /// who starts them next.
    pub(super) fn set_concurrency(&self, concurrency: Concurrency) -> bool {
        let mut members = self.members();
        members.concurrency = Some(concurrency);
        !members.are_running() || !members.scalers.is_empty()
    }

    pub(super) fn changed_concurrency(&self) -> Option<Concurrency> {
        self.members().concurrency
    }

    /// What stops another scaler; none if nothing runs, or stops already.
    pub(super) fn scaler(&self, queue: &ShortString) -> Option<Arc<StopSignal>> {
        let mut members = self.members();
        if !members.are_running() {
            return None;
        }
        let stop = Arc::<StopSignal>::default();
        members.scalers.push((queue.clone(), Arc::clone(&stop)));
        Some(stop)
    }

    /// What stops who looks whether they are idle; none if nothing runs, or stops already.
    pub(super) fn watcher(&self) -> Option<Arc<StopSignal>> {
        let mut members = self.members();
        if !members.are_running() {
            return None;
        }
        Some(Arc::clone(members.watcher.insert(Arc::default())))
    }

    /// One consumer more, for `supervised` to be made of.
    pub(super) fn add(
        &self,
        supervised: impl FnOnce(Arc<ConsumerStates>, usize) -> Supervised,
    ) -> Supervised {
        self.members().add(supervised)
    }

    /// The same by who scales the consumers of a queue, known by what stops it; none if the queue was
    /// removed meanwhile.
    pub(super) fn add_by(
        &self,
        scaler: &Arc<StopSignal>,
        supervised: impl FnOnce(Arc<ConsumerStates>, usize) -> Supervised,
    ) -> Option<Supervised> {
        let mut members = self.members();
        let is_there = members.scalers.iter().any(|(_, stop)| Arc::ptr_eq(stop, scaler));
        is_there.then(|| members.add(supervised))
    }

    /// Whether its consumers run, and are not told to stop.
    pub(super) fn is_running(&self) -> bool {
        self.members().are_running()
    }

    /// Whether the number of its consumers changes while it runs.
    pub(super) fn is_scaled(&self) -> bool {
        !self.members().scalers.is_empty()
    }

    /// Has all consumers of these queues finish what they hold, and end.
    pub(super) fn leave(&self, queues: &[ShortString]) {
        let mut members = self.members();
        members.forget_who_left();
        let Members { consumers, states, scalers, .. } = &mut *members;
        scalers.retain(|(queue, stop)| {
            let leaves = queues.contains(queue);
            if leaves {
                stop.raise(StopPhase::Draining);
            }
            !leaves
        });
        for member in consumers.iter_mut().filter(|member| queues.contains(&member.queue)) {
            member.leaves = true;
            states.leave(member.number);
            member.stop.raise(StopPhase::Draining);
        }
    }

    /// Has the youngest consumer of this queue finish what it holds, and end.
    pub(super) fn dismiss(&self, queue: &ShortString) {
        let mut members = self.members();
        members.forget_who_left();
        let Members { consumers, states, .. } = &mut *members;
        let youngest = consumers.iter_mut().rev().find(|member| member.stays_with(queue));
        let Some(member) = youngest else { return };
        member.leaves = true;
        states.leave(member.number);
        member.stop.raise(StopPhase::Draining);
    }

    /// The queues that it has consumers of, in their order.
    pub(super) fn queues(&self) -> Vec<ShortString> {
        let members = self.members();
        let mut queues = Vec::new();
        for member in members.consumers.iter().filter(|member| !member.leaves) {
            if !queues.contains(&member.queue) {
                queues.push(member.queue.clone());
            }
        }
        queues
    }

    /// How many consumers this queue has.
    pub(super) fn count(&self, queue: &ShortString) -> u16 {
        let members = self.members();
        let of_queue = members.consumers.iter().filter(|member| member.stays_with(queue));
        u16::try_from(of_queue.count()).unwrap_or(u16::MAX)
    }

    /// How many consumers this queue has, and how many were busy since the last look.
    pub(super) fn look(&self, queue: &ShortString, now: Duration) -> (u16, u16) {
        let members = self.members();
        let of_queue = members.consumers.iter().filter(|member| member.stays_with(queue));
        let (mut all, mut busy) = (0_u16, 0_u16);
        for member in of_queue {
            all = all.saturating_add(1);
            busy = busy.saturating_add(u16::from(member.load.was_busy(now)));
        }
        (all, busy)
    }

    /// The list is whole between any two statements, so a panic elsewhere leaves nothing half
    /// done.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.members().is_starting = false;
    }
}

impl Members {
    /// Whether they run, and are not told to stop.
    fn are_running(&self) -> bool {
        !self.consumers.is_empty() && self.raised == StopPhase::Running
    }

    fn raise(&mut self, phase: StopPhase) {
        self.raised = self.raised.max(phase);
        self.consumers.iter().for_each(|member| member.stop.raise(phase));
        let scalers = self.scalers.iter().map(|(_, stop)| stop);
        let others = scalers.chain(&self.watcher);
        others.for_each(|stop| stop.raise(phase));
    }

    fn add(
        &mut self,
        supervised: impl FnOnce(Arc<ConsumerStates>, usize) -> Supervised,
    ) -> Supervised {
        self.forget_who_left();
        let states = Arc::clone(&self.states);
        let number = states.join();
        let supervised = supervised(states, number);
        supervised.stop.raise(self.raised);
        self.consumers.push(Member::of(&supervised));
        supervised
    }

    /// Forgets those that were too many and whose tasks have ended: nobody else has their signal.
    fn forget_who_left(&mut self) {
        self.consumers.retain(|member| !member.leaves || Arc::strong_count(&member.stop) > 1);
    }
}

impl Member {
    fn stays_with(&self, queue: &ShortString) -> bool {
        !self.leaves && self.queue == *queue
    }

    fn of(supervised: &Supervised) -> Self {
        Self {
            queue: supervised.queue.clone(),
            number: supervised.number,
            stop: Arc::clone(&supervised.stop),
            load: Arc::clone(&supervised.load),
            leaves: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_scales_a_queue_that_was_removed_starts_no_consumer_of_it() {
        let (crew, queue) = (Crew::default(), ShortString::from_static("orders.fr"));
        let scaler = Arc::<StopSignal>::default();
        crew.members().scalers.push((queue.clone(), Arc::clone(&scaler)));
        crew.leave(&[queue]);
        assert_eq!(scaler.phase(), StopPhase::Draining);
        assert!(crew.add_by(&scaler, |_, _| unreachable!("none is made")).is_none());
    }
}
