//! A container that may run: its tasks, and who works in them.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use springhare_amqp::ShortString;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use super::consumer::StartedConsumer;
use super::container::Container;
use super::crew::Crew;
use super::endpoint::Concurrency;
use super::health::ListenerStatus;
use super::idle::IdleWatch;
use super::plan::ListenerPlan;
use super::scaler::Scaler;
use super::supervisor::{ListenerScope, Supervised};
use crate::events::ApplicationEvent;

/// A consumer, and what the broker has started of it.
pub(super) type StartOf = (Supervised, Option<StartedConsumer>);

#[derive(Debug)]
pub(super) struct Registered {
    /// What it shares with the others of its broker.
    pub(super) scope: Arc<ListenerScope>,
    pub(super) container: Arc<Container>,
    /// Dropping them ends the tasks. Held by who starts the container or waits for its end.
    pub(super) tasks: Mutex<JoinSet<()>>,
    pub(super) crew: Arc<Crew>,
    /// What it consumes from now, which may change while it runs.
    queues: StdMutex<Vec<ShortString>>,
}

impl Registered {
    pub(super) fn new(container: Container, scope: Arc<ListenerScope>) -> Self {
        Self {
            scope,
            tasks: Mutex::new(JoinSet::new()),
            crew: Arc::default(),
            queues: StdMutex::new(container.queues().cloned().collect()),
            container: Arc::new(container),
        }
    }

    /// What it consumes from.
    pub(super) fn queues(&self) -> Vec<ShortString> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It consumes from these queues, too, from its next start on.
    pub(super) fn consume_when_started(&self, queues: &[ShortString]) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(queues);
    }

    /// It consumes from these queues, too, with the consumers that were started for them.
    pub(super) fn consume_from(
        &self,
        queues: &[ShortString],
        started: Vec<StartOf>,
        tasks: &mut JoinSet<()>,
    ) {
        self.consume_when_started(queues);
        self.reap(tasks);
        for (supervised, started) in started {
            if let Some(started) = &started {
                supervised.states.consuming(supervised.number, started.channel.link());
            }
            tasks.spawn(supervised.supervise(started));
        }
        let Concurrency { min, max } = self.concurrency();
        if min < max || self.crew.is_scaled() {
            queues.iter().for_each(|queue| self.run_scaler(queue, tasks));
        }
    }

    /// It consumes from these queues no more.
    pub(super) fn leave_queues(&self, queues: &[ShortString]) {
        let mut all = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|queue| !queues.contains(queue));
        drop(all);
        self.crew.leave(queues);
    }

    /// Whether it may start without its queues, which somebody else declares.
    pub(super) fn waits_for_queues(&self) -> bool {
        let plan = self.container.common();
        !plan.declare && !plan.missing_queues_fatal
    }

    pub(super) fn plans(&self) -> impl Iterator<Item = &ListenerPlan> {
        self.container.plans()
    }

    /// How many consumers each queue is to have.
    pub(super) fn concurrency(&self) -> Concurrency {
        let common = self.container.common();
        let planned = Concurrency { min: common.concurrency, max: common.concurrency_max };
        self.crew.changed_concurrency().unwrap_or(planned)
    }

    /// Runs these consumers in place of those that ran before.
    pub(super) fn run(&self, tasks: &mut JoinSet<()>, consumers: Vec<StartOf>) {
        if consumers.is_empty() {
            return;
        }
        if let Some(idleness) = self.container.idleness() {
            idleness.begin();
        }
        if self.crew.begin(consumers.iter().map(|(supervised, _)| supervised)) {
            self.container.telling.tell(|listener| ApplicationEvent::Resumed { listener });
        }
        let started = consumers.len();
        for (supervised, started) in consumers {
            if let Some(started) = &started {
                supervised.states.consuming(supervised.number, started.channel.link());
            }
            tasks.spawn(supervised.supervise(started));
        }
        let Concurrency { min, max } = self.concurrency();
        // It may have been changed while they were started.
        if min < max || started != usize::from(min) * self.queues().len() {
            self.run_scalers(tasks);
        }
        self.watch_idleness(tasks);
    }

    /// Tells when it is idle, if somebody asks.
    fn watch_idleness(&self, tasks: &mut JoinSet<()>) {
        if self.container.idleness().is_none() {
            return;
        }
        let Some(stop) = self.crew.watcher() else { return };
        let (container, crew) = (Arc::clone(&self.container), Arc::clone(&self.crew));
        tasks.spawn(IdleWatch { scope: Arc::clone(&self.scope), container, crew, stop }.run());
    }

    /// Lets the number of consumers change while it runs.
    pub(super) fn run_scalers(&self, tasks: &mut JoinSet<()>) {
        self.queues().iter().for_each(|queue| self.run_scaler(queue, tasks));
    }

    fn run_scaler(&self, queue: &ShortString, tasks: &mut JoinSet<()>) {
        let Some(stop) = self.crew.scaler(queue) else { return };
        let scaler = Scaler {
            scope: Arc::clone(&self.scope),
            container: Arc::clone(&self.container),
            queue: queue.clone(),
            crew: Arc::clone(&self.crew),
            concurrency: self.concurrency(),
            stop,
        };
        tasks.spawn(scaler.run());
    }

    pub(super) fn status(&self, trouble: Option<&str>) -> ListenerStatus {
        self.crew.status(trouble)
    }

    pub(super) async fn wait(&self) {
        let mut tasks = self.tasks.lock().await;
        while let Some(ended) = tasks.join_next().await {
            self.tell_failure(ended);
        }
        self.crew.end();
    }

    /// Waits for the end of those that were told to stop. Who was started since is not waited for.
    pub(super) async fn wait_if_stopping(&self) {
        let mut tasks = self.tasks.lock().await;
        if !tasks.is_empty() && !self.crew.is_told_to_stop() {
            return;
        }
        while let Some(ended) = tasks.join_next().await {
            self.tell_failure(ended);
        }
        self.crew.end();
    }

    /// Forgets the tasks that have ended, and tells which have failed.
    pub(super) fn reap(&self, tasks: &mut JoinSet<()>) {
        while let Some(ended) = tasks.try_join_next() {
            self.tell_failure(ended);
        }
    }

    fn tell_failure(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            tracing::error!(listener = &*self.container.name, %error, "a listener's task failed");
        }
    }
}
