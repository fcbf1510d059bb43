//! The listeners of an application: starts and stops them, all or by id.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use springhare_amqp::ShortString;

use super::consumer::StartedConsumer;
use super::consumer_states::ConsumerStates;
use super::container::Container;
use super::endpoint::Concurrency;
use super::health::{Health, ListenerHealth};
use super::plan::{ContainerPlan, ListenerPlan};
use super::registered::{Registered, StartOf};
use super::stop_signal::{StopPhase, StopSignal};
use super::supervisor::{ListenerScope, Redeclare, Supervised};
use crate::connection::LinkError;
use crate::error::{Error, Fault};

/// The listeners of an application, by what shares consumers.
#[derive(Debug)]
pub(crate) struct ListenerRegistry {
    scope: Arc<ListenerScope>,
    containers: Vec<Registered>,
    /// How far the whole application is to stop. One task at a time waits on it: that which
    /// starts a listener, or that which stops all.
    pub(crate) stop: StopSignal,
}

impl ListenerRegistry {
    pub(crate) fn new(scope: Arc<ListenerScope>) -> Self {
        let registered =
            |plan: &ContainerPlan| Registered::new(Container::new(plan, &scope.middleware));
        let graph = scope.graph();
        let containers = graph.containers.iter().map(registered).collect();
        Self { scope, containers, stop: StopSignal::default() }
    }

    /// The plans, sorted by id.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &ListenerPlan> {
        self.sorted().into_iter().map(|(_, plan)| plan)
    }

    /// Every listener with its container, sorted by id.
    fn sorted(&self) -> Vec<(&Registered, &ListenerPlan)> {
        let plans = |registered| Registered::plans(registered).map(move |plan| (registered, plan));
        let mut sorted: Vec<_> = self.containers.iter().flat_map(plans).collect();
        sorted.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
        sorted
    }

    /// Starts every listener that starts with the application, those of a lower phase before the
    /// others: first all consumers at the broker, then, if all of them could be started, their work.
    pub(crate) async fn start_all(&self) -> Result<(), Vec<Fault>> {
        let mut all_started = Vec::new();
        let mut faults = Vec::new();
        for registered in self.to_be_started() {
            match self.start_consumers(registered, Redeclare::No).await {
                Ok(started) => all_started.push((registered, started)),
                Err((queue, error)) if registered.waits_for_queues() && error.is_not_found() => {
                    let listener = &*registered.container.name;
                    tracing::warn!(listener, queue, "the listener waits for its queue");
                    all_started.push((registered, self.not_started(registered)));
                }
                // It asks again until the other consumer is gone.
                Err((_, error)) if registered.container.stands_by_at(&error) => {
                    all_started.push((registered, self.not_started(registered)));
                }
                Err((queue, error)) => {
                    let origin = &registered.container.common().origin;
                    let text = format!(
                        "{}: the broker refuses a consumer of queue '{queue}': {error}",
                        origin.by
                    );
                    faults.push(Fault::new(text).at(origin.file, origin.line));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        for (registered, started) in all_started {
            registered.run(&mut *registered.tasks.lock().await, started);
        }
        Ok(())
    }

    /// Lets every listener that starts with the application start by itself, as soon as there is
    /// a connection.
    pub(crate) async fn start_all_in_background(&self) {
        for registered in self.to_be_started() {
            let consumers = self.not_started(registered);
            registered.run(&mut *registered.tasks.lock().await, consumers);
        }
    }

    /// Its consumers, which are to start by themselves.
    fn not_started(&self, registered: &Registered) -> Vec<StartOf> {
        let consumers = self.consumers_of(registered).into_iter();
        consumers.map(|supervised| (supervised, None)).collect()
    }

    fn to_be_started(&self) -> Vec<&Registered> {
        let starts = |registered: &&Registered| registered.container.common().auto_startup;
        let mut all: Vec<_> = self.containers.iter().filter(starts).collect();
        all.sort_by_key(|registered| registered.container.common().phase);
        all
    }

    /// Starts one listener, and those that share its consumers; nothing happens if it runs. It
    /// can't start while a task of it that was told to stop is not done: its handler blocks the
    /// thread, or who stopped it did not wait.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, none of its consumers runs.
    pub(crate) async fn start(&self, id: &str) -> Result<(), Error> {
        let unknown = || Error::UnknownListener { id: id.to_owned() };
        let registered = self.find(id).ok_or_else(unknown)?;
        let mut tasks = registered.tasks.lock().await;
        while let Some(ended) = tasks.try_join_next() {
            registered.tell_failure(ended);
        }
        if !tasks.is_empty() {
            let stopping = registered.crew.is_told_to_stop();
            return if stopping { Err(Error::StillStopping { id: id.to_owned() }) } else { Ok(()) };
        }
        let started = match self.start_consumers(registered, Redeclare::Yes).await {
            Ok(started) => started,
            Err((_, error)) if registered.container.stands_by_at(&error) => {
                self.not_started(registered)
            }
            Err((_, error)) => return Err(error.into()),
        };
        registered.run(&mut tasks, started);
        Ok(())
    }

    async fn start_consumers(
        &self,
        registered: &Registered,
        redeclare: Redeclare,
    ) -> Result<Vec<StartOf>, (String, LinkError)> {
        let mut started = Vec::new();
        for supervised in self.consumers_of(registered) {
            match self.start_consumer(&supervised, redeclare).await {
                Ok(consumer) => started.push((supervised, Some(consumer))),
                Err(error) => return Err((supervised.queue.to_string(), error)),
            }
        }
        Ok(started)
    }

    async fn start_consumer(
        &self,
        supervised: &Supervised,
        redeclare: Redeclare,
    ) -> Result<StartedConsumer, LinkError> {
        let connection = self.scope.connection.open().await?;
        let started = supervised.start(&connection, redeclare).await;
        if started.is_err() && connection.link.closed().is_some() {
            // It was lost before, and nobody knew.
            let connection = self.scope.connection.open().await?;
            return supervised.start(&connection, redeclare).await;
        }
        started
    }

    /// The consumers of a container, none of them started.
    fn consumers_of(&self, registered: &Registered) -> Vec<Supervised> {
        let container = &registered.container;
        let states = Arc::new(ConsumerStates::default());
        let consumers = registered.concurrency().min;
        let of_queue = |queue| (0..consumers).map(move |_| queue);
        let supervised = |queue: &ShortString| Supervised {
            scope: Arc::clone(&self.scope),
            container: Arc::clone(container),
            queue: queue.clone(),
            stop: Arc::default(),
            load: Arc::default(),
            number: states.add(),
            states: Arc::clone(&states),
        };
        container.queues().flat_map(of_queue).map(supervised).collect()
    }

    /// The ids of a group's listeners.
    pub(crate) fn group(&self, group: &str) -> Vec<Arc<str>> {
        let in_group = |plan: &&ListenerPlan| plan.group.as_deref() == Some(group);
        self.plans().filter(in_group).map(|plan| Arc::clone(&plan.id)).collect()
    }

    /// Tells the listener of this id, and those that share its consumers, how far to stop. False if
    /// there is none.
    pub(crate) fn raise(&self, id: &str, phase: StopPhase) -> bool {
        let Some(registered) = self.find(id) else { return false };
        if registered.plans().nth(1).is_some() {
            tracing::info!(
                listener = id,
                stopped = &*registered.container.name,
                "listeners that share a queue stop together"
            );
        }
        registered.crew.raise(phase);
        true
    }

    /// Has the listener of this id, and those that share its consumers, finish what it has in hand,
    /// until it is started again. False if there is none.
    pub(crate) fn pause(&self, id: &str) -> bool {
        self.find(id).inspect(|registered| registered.crew.pause()).is_some()
    }

    /// Whether the listener of this id is paused; none if there is none.
    pub(crate) fn is_paused(&self, id: &str) -> Option<bool> {
        self.find(id).map(|registered| registered.crew.is_paused())
    }

    /// Changes how many consumers each queue of a listener has, now and whenever it starts.
    pub(crate) async fn scale(&self, id: &str, concurrency: Concurrency) -> Result<(), Error> {
        let unknown = || Error::UnknownListener { id: id.to_owned() };
        let registered = self.find(id).ok_or_else(unknown)?;
        if registered.container.common().partition.is_some() {
            let text = format!(
                "listener `{id}` keeps the order of each key by `partition_by`, with one consumer; \
                 how many handlers it has is what its `concurrency` says"
            );
            return Err(Error::Other(text.into()));
        }
        if registered.container.common().exclusive_consumer && concurrency.max > 1 {
            let text = format!(
                "listener `{id}` has an exclusive consumer, which is the only one of its queue; \
                 remove `exclusive_consumer` to have more"
            );
            return Err(Error::Other(text.into()));
        }
        let concurrency = Concurrency {
            min: concurrency.min.max(1),
            max: concurrency.max.max(concurrency.min).max(1),
        };
        if !registered.crew.set_concurrency(concurrency) {
            let mut tasks = registered.tasks.lock().await;
            registered.run_scalers(&mut tasks, &self.scope);
        }
        registered.crew.changed.notify_waiters();
        Ok(())
    }

    /// Waits until the listener of this id has stopped, if it was told to.
    pub(crate) async fn wait(&self, id: &str) {
        if let Some(registered) = self.find(id) {
            registered.wait_if_stopping().await;
        }
    }

    /// Has the listener of this id end at once, if it was told to stop.
    pub(crate) fn force(&self, id: &str) {
        if let Some(registered) = self.find(id)
            && registered.crew.is_told_to_stop()
        {
            registered.crew.raise(StopPhase::Forced);
        }
    }

    /// Tells all listeners how far to stop.
    pub(crate) fn raise_all(&self, phase: StopPhase) {
        self.containers.iter().for_each(|registered| registered.crew.raise(phase));
    }

    /// Stops all listeners, those of a higher phase before the others, and waits for their ends.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped; the phases after the one that is waited for have
    /// not been told to stop then.
    pub(crate) async fn stop_in_order(&self) {
        let phase_of = |registered: &Registered| registered.container.common().phase;
        let phases: BTreeSet<i32> = self.containers.iter().map(phase_of).collect();
        for phase in phases.into_iter().rev() {
            let members = || self.containers.iter().filter(move |one| phase_of(one) == phase);
            members().for_each(|registered| registered.crew.raise(self.stop.phase()));
            join_all(members().map(|registered| self.wait_for_good(registered))).await;
        }
    }

    /// Waits for the end of a listener that stops with its application: nobody answers calls to it
    /// then.
    async fn wait_for_good(&self, registered: &Registered) {
        registered.wait().await;
        self.scope.template.leave(registered.container.queues());
    }

    /// How many messages listeners that were told to stop hold, in words: `orders: 4, lines: 1`.
    /// None if they hold none.
    pub(crate) fn held(&self) -> Option<String> {
        let holding =
            self.containers.iter().filter_map(|registered| match registered.crew.held() {
                0 => None,
                messages => Some(format!("{}: {messages}", registered.container.name)),
            });
        let words = holding.collect::<Vec<_>>().join(", ");
        (!words.is_empty()).then_some(words)
    }

    /// Waits until all listeners have stopped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn wait_all(&self) {
        for registered in &self.containers {
            registered.wait().await;
        }
    }

    /// What every listener does right now.
    pub(crate) fn health(&self) -> Health {
        let trouble = self.scope.connection.trouble();
        let of_listener = |(registered, plan): (&Registered, &ListenerPlan)| {
            ListenerHealth::new(&plan.id, registered.status(trouble.as_deref()))
        };
        Health::new(self.sorted().into_iter().map(of_listener).collect())
    }

    /// The container with the listener of this id.
    fn find(&self, id: &str) -> Option<&Registered> {
        let has = |registered: &&Registered| registered.plans().any(|plan| &*plan.id == id);
        self.containers.iter().find(has)
    }
}
