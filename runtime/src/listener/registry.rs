//! The listeners of an application: starts and stops them, all or by id.

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use springhare_amqp::ShortString;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use super::consumer::StartedConsumer;
use super::consumer_states::ConsumerStates;
use super::container::Container;
use super::health::{Health, ListenerHealth, ListenerStatus};
use super::plan::{ContainerPlan, ListenerPlan};
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

/// A consumer, and what the broker has started of it.
type StartOf = (Supervised, Option<StartedConsumer>);

#[derive(Debug)]
struct Registered {
    container: Arc<Container>,
    /// Dropping them ends the tasks. Held by who starts the container or waits for its end.
    tasks: Mutex<JoinSet<()>>,
    /// Apart from the tasks, so that a stop can be forced while somebody waits for them.
    running: StdMutex<RunningConsumers>,
}

/// The consumers of a container that runs; none of one that does not.
#[derive(Debug, Default)]
struct RunningConsumers {
    stops: Vec<Arc<StopSignal>>,
    states: Arc<ConsumerStates>,
}

impl ListenerRegistry {
    pub(crate) fn new(scope: Arc<ListenerScope>) -> Self {
        let registered = |plan: &ContainerPlan| Registered {
            container: Arc::new(Container::new(plan, &scope.middleware)),
            tasks: Mutex::new(JoinSet::new()),
            running: StdMutex::default(),
        };
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

    /// Starts every listener that starts with the application: first all consumers at the broker,
    /// then, if all of them could be started, their work.
    pub(crate) async fn start_all(&self) -> Result<(), Vec<Fault>> {
        let mut all_started = Vec::new();
        let mut faults = Vec::new();
        for registered in self.to_be_started() {
            match self.start_consumers(&registered.container, Redeclare::No).await {
                Ok(started) => all_started.push((registered, started)),
                Err((queue, error)) if registered.waits_for_queues() && error.is_not_found() => {
                    let listener = &*registered.container.name;
                    tracing::warn!(listener, queue, "the listener waits for its queue");
                    all_started.push((registered, self.not_started(&registered.container)));
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
            let consumers = self.not_started(&registered.container);
            registered.run(&mut *registered.tasks.lock().await, consumers);
        }
    }

    /// Its consumers, which are to start by themselves.
    fn not_started(&self, container: &Arc<Container>) -> Vec<StartOf> {
        let consumers = self.consumers_of(container).into_iter();
        consumers.map(|supervised| (supervised, None)).collect()
    }

    fn to_be_started(&self) -> impl Iterator<Item = &Registered> {
        let starts = |registered: &&Registered| registered.container.common().auto_startup;
        self.containers.iter().filter(starts)
    }

    /// Starts one listener, and those that share its consumers; nothing happens if it runs. It can't start while a task of it that was
    /// told to stop is not done: its handler blocks the thread, or who stopped it did not wait.
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
            let stopping = registered.is_told_to_stop();
            return if stopping { Err(Error::StillStopping { id: id.to_owned() }) } else { Ok(()) };
        }
        let started = self.start_consumers(&registered.container, Redeclare::Yes).await;
        let started = started.map_err(|(_, error)| error)?;
        registered.run(&mut tasks, started);
        Ok(())
    }

    async fn start_consumers(
        &self,
        container: &Arc<Container>,
        redeclare: Redeclare,
    ) -> Result<Vec<StartOf>, (String, LinkError)> {
        let mut started = Vec::new();
        for supervised in self.consumers_of(container) {
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
    fn consumers_of(&self, container: &Arc<Container>) -> Vec<Supervised> {
        let states = Arc::new(ConsumerStates::default());
        let of_queue = |queue| (0..container.common().concurrency).map(move |_| queue);
        let supervised = |queue: &ShortString| Supervised {
            scope: Arc::clone(&self.scope),
            container: Arc::clone(container),
            queue: queue.clone(),
            stop: Arc::default(),
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
        registered.raise(phase);
        true
    }

    /// Waits until the listener of this id has stopped.
    pub(crate) async fn wait(&self, id: &str) {
        if let Some(registered) = self.find(id) {
            registered.wait().await;
        }
    }

    /// Tells all listeners how far to stop.
    pub(crate) fn raise_all(&self, phase: StopPhase) {
        self.containers.iter().for_each(|registered| registered.raise(phase));
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

impl Registered {
    /// Whether it may start without its queues, which somebody else declares.
    fn waits_for_queues(&self) -> bool {
        let plan = self.container.common();
        !plan.declare && !plan.missing_queues_fatal
    }

    fn plans(&self) -> impl Iterator<Item = &ListenerPlan> {
        self.container.plans()
    }

    /// Runs these consumers in place of those that ran before.
    fn run(&self, tasks: &mut JoinSet<()>, consumers: Vec<StartOf>) {
        let states = consumers.first().map(|(supervised, _)| Arc::clone(&supervised.states));
        *self.running() = RunningConsumers {
            stops: consumers.iter().map(|(supervised, _)| Arc::clone(&supervised.stop)).collect(),
            states: states.unwrap_or_default(),
        };
        for (supervised, started) in consumers {
            if let Some(started) = &started {
                supervised.states.consuming(supervised.number, started.channel.link());
            }
            tasks.spawn(supervised.supervise(started));
        }
    }

    fn raise(&self, phase: StopPhase) {
        self.running().stops.iter().for_each(|stop| stop.raise(phase));
    }

    fn is_told_to_stop(&self) -> bool {
        self.running().is_told_to_stop()
    }

    fn status(&self, trouble: Option<&str>) -> ListenerStatus {
        let running = self.running();
        if running.stops.is_empty() || running.is_told_to_stop() {
            ListenerStatus::Stopped
        } else {
            running.states.status(trouble)
        }
    }

    async fn wait(&self) {
        let mut tasks = self.tasks.lock().await;
        while let Some(ended) = tasks.join_next().await {
            self.tell_failure(ended);
        }
        *self.running() = RunningConsumers::default();
    }

    fn tell_failure(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            tracing::error!(listener = &*self.container.name, %error, "a listener's task failed");
        }
    }

    /// The list is whole between any two statements, so a panic elsewhere leaves nothing half
    /// done.
    fn running(&self) -> MutexGuard<'_, RunningConsumers> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningConsumers {
    fn is_told_to_stop(&self) -> bool {
        self.stops.iter().any(|stop| stop.phase() != StopPhase::Running)
    }
}
