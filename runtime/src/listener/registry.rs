//! The listeners of an application: starts and stops them, all or by id.

mod joining;

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use springhare_amqp::ShortString;

use super::consumer::StartedConsumer;
use super::consumer_states::ConsumerStates;
use super::container::Container;
use super::endpoint::Concurrency;
use super::health::ListenerHealth;
use super::plan::{ContainerPlan, ListenerPlan};
use super::registered::{Registered, StartOf};
use super::stop_signal::{StopPhase, StopSignal};
use super::supervisor::{ListenerScope, Redeclare, Supervised};
use crate::connection::LinkError;
use crate::error::{Error, StartFault};
use crate::events::ApplicationEvent;

/// The listeners of an application, by what shares consumers.
#[derive(Debug)]
pub(crate) struct ListenerRegistry {
    /// Those that there are now: one who holds the list keeps what was removed meanwhile.
    containers: ArcSwap<Vec<Arc<Registered>>>,
    /// How far the whole application is to stop. One task at a time waits on it: that which
    /// starts a listener, or that which stops all.
    pub(crate) stop: StopSignal,
}

impl ListenerRegistry {
    /// The listeners of these brokers.
    pub(crate) fn new<'s>(scopes: impl IntoIterator<Item = &'s Arc<ListenerScope>>) -> Self {
        let mut containers = Vec::new();
        for scope in scopes {
            let graph = scope.graph();
            let plans = graph.containers.iter();
            containers.extend(plans.map(|plan| Arc::new(registered(plan, scope))));
        }
        Self { containers: ArcSwap::from_pointee(containers), stop: StopSignal::default() }
    }

    fn all(&self) -> Arc<Vec<Arc<Registered>>> {
        self.containers.load_full()
    }

    /// The ids, sorted.
    pub(crate) fn ids(&self) -> Vec<Arc<str>> {
        let all = self.all();
        let plans = all.iter().flat_map(|registered| registered.plans());
        let mut ids: Vec<_> = plans.map(|plan| Arc::clone(&plan.id)).collect();
        ids.sort_unstable();
        ids
    }

    /// Starts every listener that starts with the application, those of a lower phase before the
    /// others: first all consumers at the broker, then, if all of them could be started, their work.
    /// Those of a broker that the start does not wait for start by themselves.
    pub(crate) async fn start_all(&self) -> Result<(), Vec<StartFault>> {
        let mut all_started = Vec::new();
        let mut faults = Vec::new();
        for registered in self.to_be_started() {
            if registered.scope.starts_in_background {
                let started = Self::not_started(&registered);
                all_started.push((registered, started));
                continue;
            }
            match Self::start_or_wait(&registered).await {
                Ok(started) => all_started.push((registered, started)),
                Err(fault) => faults.extend(registered.scope.told_of(vec![fault])),
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

    /// Starts the consumers of a container at the broker; where a queue of somebody else's is not
    /// there, they are to start by themselves.
    async fn start_or_wait(registered: &Registered) -> Result<Vec<StartOf>, StartFault> {
        match Self::start_consumers(registered, Redeclare::No).await {
            Ok(started) => Ok(started),
            Err((queue, error)) if Self::starts_by_itself(registered, &queue, &error) => {
                Ok(Self::not_started(registered))
            }
            Err((queue, error)) => {
                let origin = &registered.container.common().origin;
                let text = format!(
                    "{}: the broker refuses a consumer of queue '{queue}': {error}",
                    origin.by
                );
                Err(StartFault::new(text).at(origin.file, origin.line))
            }
        }
    }

    /// Whether its consumers ask again after this refusal: until a queue of somebody else's is there, or
    /// another consumer is gone.
    fn starts_by_itself(registered: &Registered, queue: &str, error: &LinkError) -> bool {
        if registered.waits_for_queues() && error.is_not_found() {
            let listener = &*registered.container.name;
            tracing::warn!(listener, queue, "the listener waits for its queue");
            return true;
        }
        registered.container.stands_by_at(error)
    }

    /// Its consumers, which are to start by themselves.
    fn not_started(registered: &Registered) -> Vec<StartOf> {
        let consumers = Self::consumers_of(registered).into_iter();
        consumers.map(|supervised| (supervised, None)).collect()
    }

    fn to_be_started(&self) -> Vec<Arc<Registered>> {
        let mut all = self.all().to_vec();
        all.retain(|registered| registered.container.common().auto_startup);
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
        let mut tasks = match registered.tasks.try_lock() {
            Ok(tasks) => tasks,
            // Somebody waits for its handlers, for as long as they take.
            Err(_) if registered.crew.is_pausing() => {
                return Err(Error::StillStopping { id: id.to_owned() });
            }
            Err(_) => registered.tasks.lock().await,
        };
        registered.reap(&mut tasks);
        if !tasks.is_empty() {
            let stopping = registered.crew.is_told_to_stop();
            return if stopping { Err(Error::StillStopping { id: id.to_owned() }) } else { Ok(()) };
        }
        let _starting = registered.crew.starts();
        let started = match Self::start_consumers(&registered, Redeclare::Yes).await {
            Ok(started) => started,
            Err((queue, error)) if Self::starts_by_itself(&registered, &queue, &error) => {
                Self::not_started(&registered)
            }
            Err((_, error)) => return Err(error.into()),
        };
        registered.run(&mut tasks, started);
        Ok(())
    }

    async fn start_consumers(
        registered: &Registered,
        redeclare: Redeclare,
    ) -> Result<Vec<StartOf>, (String, LinkError)> {
        let mut started = Vec::new();
        for supervised in Self::consumers_of(registered) {
            match Self::start_consumer(&supervised, redeclare).await {
                Ok(consumer) => started.push((supervised, Some(consumer))),
                Err(error) => return Err((supervised.queue.to_string(), error)),
            }
        }
        Ok(started)
    }

    async fn start_consumer(
        supervised: &Supervised,
        redeclare: Redeclare,
    ) -> Result<StartedConsumer, LinkError> {
        let connections = &supervised.scope.connection;
        let connection = connections.open().await?;
        let started = supervised.start(&connection, redeclare).await;
        if started.is_err() && connection.link.closed().is_some() {
            // It was lost before, and nobody knew.
            let connection = connections.open().await?;
            return supervised.start(&connection, redeclare).await;
        }
        started
    }

    /// The consumers of a container, none of them started.
    fn consumers_of(registered: &Registered) -> Vec<Supervised> {
        let states = Arc::new(ConsumerStates::default());
        let consumers = registered.concurrency().min;
        let of_queue = |queue| (0..consumers).map(move |_| queue);
        let supervised = |queue: &ShortString| {
            Self::supervised(registered, queue, Arc::clone(&states), states.add())
        };
        registered.queues().iter().flat_map(of_queue).map(supervised).collect()
    }

    fn supervised(
        registered: &Registered,
        queue: &ShortString,
        states: Arc<ConsumerStates>,
        number: usize,
    ) -> Supervised {
        Supervised {
            scope: Arc::clone(&registered.scope),
            container: Arc::clone(&registered.container),
            queue: queue.clone(),
            stop: Arc::default(),
            load: Arc::default(),
            states,
            number,
        }
    }

    /// The ids of a group's listeners.
    pub(crate) fn group(&self, group: &str) -> Vec<Arc<str>> {
        let in_group = |plan: &&ListenerPlan| plan.group.as_deref() == Some(group);
        let all = self.all();
        let plans = all.iter().flat_map(|registered| registered.plans()).filter(in_group);
        let mut ids: Vec<_> = plans.map(|plan| Arc::clone(&plan.id)).collect();
        ids.sort_unstable();
        ids
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
        let Some(registered) = self.find(id) else { return false };
        if registered.crew.pause() {
            registered.container.telling.tell(|listener| ApplicationEvent::Paused { listener });
        }
        true
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
        let concurrency = Concurrency {
            min: concurrency.min.max(1),
            max: concurrency.max.max(concurrency.min).max(1),
        };
        if registered.container.common().exclusive_consumer && concurrency.max > 1 {
            let text = format!(
                "listener `{id}` has an exclusive consumer, which is the only one of its queue; \
                 remove `exclusive_consumer` to have more"
            );
            return Err(Error::Other(text.into()));
        }
        if !registered.crew.set_concurrency(concurrency) {
            let mut tasks = registered.tasks.lock().await;
            // Another call may have come before.
            if !registered.crew.is_scaled() {
                registered.run_scalers(&mut tasks);
            }
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
        self.all().iter().for_each(|registered| registered.crew.raise(phase));
    }

    /// Stops all listeners, those of a higher phase before the others, and waits for their ends.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped; the phases after the one that is waited for have
    /// not been told to stop then.
    pub(crate) async fn stop_in_order(&self) {
        let phase_of = |registered: &Registered| registered.container.common().phase;
        let all = self.all();
        let phases: BTreeSet<i32> = all.iter().map(|one| phase_of(one)).collect();
        for phase in phases.into_iter().rev() {
            let members = || all.iter().filter(move |one| phase_of(one) == phase);
            members().for_each(|registered| registered.crew.raise(self.stop.phase()));
            join_all(members().map(|registered| Self::wait_for_good(registered))).await;
        }
    }

    /// Waits for the end of a listener that stops with its application: nobody answers calls to it
    /// then.
    async fn wait_for_good(registered: &Registered) {
        registered.wait().await;
        registered.scope.template.leave(registered.queues().iter());
    }

    /// How many messages listeners that were told to stop hold, in words: `orders: 4, lines: 1`.
    /// None if they hold none.
    pub(crate) fn held(&self) -> Option<String> {
        let all = self.all();
        let holding = all.iter().filter_map(|registered| match registered.crew.held() {
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
        for registered in &*self.all() {
            registered.wait().await;
        }
    }

    /// What the listeners of these brokers do right now, sorted by their ids.
    pub(crate) fn health_of(&self, scopes: &[&Arc<ListenerScope>]) -> Vec<ListenerHealth> {
        let is_meant = |registered: &Registered| {
            scopes.iter().any(|scope| Arc::ptr_eq(&registered.scope, scope))
        };
        let of_container = |registered: &Arc<Registered>| {
            let trouble = registered.scope.connection.trouble();
            let status = registered.status(trouble.as_deref());
            let of_listener =
                |plan: &ListenerPlan| ListenerHealth::new(&plan.id, &plan.broker, status.clone());
            registered.plans().map(of_listener).collect::<Vec<_>>()
        };
        let all = self.all();
        let meant = all.iter().filter(|registered| is_meant(registered));
        let mut listeners: Vec<_> = meant.flat_map(of_container).collect();
        listeners.sort_by(|one, other| one.id().cmp(other.id()));
        listeners
    }

    /// The container with the listener of this id.
    fn find(&self, id: &str) -> Option<Arc<Registered>> {
        let has = |registered: &&Arc<Registered>| registered.plans().any(|plan| &*plan.id == id);
        self.all().iter().find(has).cloned()
    }
}

fn registered(plan: &ContainerPlan, scope: &Arc<ListenerScope>) -> Registered {
    let ListenerScope { connection, middleware, events, .. } = &**scope;
    let container = Container::new(plan, middleware, events, connection.clock());
    Registered::new(container, Arc::clone(scope))
}
