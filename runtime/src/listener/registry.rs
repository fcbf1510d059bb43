//! The listeners of an application: starts and stops them, all or by id.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use super::consumer::StartedConsumer;
use super::plan::ListenerPlan;
use super::stop_signal::{StopPhase, StopSignal};
use super::supervisor::{ListenerScope, Redeclare, Supervised};
use crate::connection::LinkError;
use crate::error::{Error, Fault};

/// The listeners of an application, sorted by id.
#[derive(Debug)]
pub(crate) struct ListenerRegistry {
    scope: Arc<ListenerScope>,
    listeners: Vec<Registered>,
    /// How far the whole application is to stop. One task at a time waits on it: that which
    /// starts a listener, or that which stops all.
    pub(crate) stop: StopSignal,
}

#[derive(Debug)]
struct Registered {
    plan: Arc<ListenerPlan>,
    /// Dropping them ends the tasks. Held by who starts the listener or waits for its end.
    tasks: Mutex<JoinSet<()>>,
    /// Apart from the tasks, so that a stop can be forced while somebody waits for them.
    consumers: StdMutex<Vec<RunningConsumer>>,
}

#[derive(Debug)]
struct RunningConsumer {
    stop: Arc<StopSignal>,
    consuming: Arc<AtomicBool>,
}

impl ListenerRegistry {
    pub(crate) fn new(scope: Arc<ListenerScope>) -> Self {
        let registered = |plan: &ListenerPlan| Registered {
            plan: Arc::new(plan.clone()),
            tasks: Mutex::new(JoinSet::new()),
            consumers: StdMutex::default(),
        };
        let listeners = scope.graph.listeners.iter().map(registered).collect();
        Self { scope, listeners, stop: StopSignal::default() }
    }

    /// The plans, sorted by id.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &ListenerPlan> {
        self.listeners.iter().map(|listener| &*listener.plan)
    }

    /// Starts every listener that starts with the application: first all consumers at the broker,
    /// then, if all of them could be started, their work.
    pub(crate) async fn start_all(&self) -> Result<(), Vec<Fault>> {
        let mut all_started = Vec::new();
        let mut faults = Vec::new();
        for listener in self.listeners.iter().filter(|listener| listener.plan.auto_startup) {
            match self.start_consumers(&listener.plan, Redeclare::No).await {
                Ok(started) => all_started.push((listener, started)),
                Err((queue, error)) => {
                    let origin = &listener.plan.origin;
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
        for (listener, started) in all_started {
            listener.run(&mut *listener.tasks.lock().await, started);
        }
        Ok(())
    }

    /// Starts one listener; nothing happens if it runs. It can't start while a task of it that was
    /// told to stop is not done: its handler blocks the thread, or who stopped it did not wait.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, none of its consumers runs.
    pub(crate) async fn start(&self, id: &str) -> Result<(), Error> {
        let listener = self.find(id).ok_or_else(|| Error::UnknownListener { id: id.to_owned() })?;
        let mut tasks = listener.tasks.lock().await;
        while let Some(ended) = tasks.try_join_next() {
            listener.tell_failure(ended);
        }
        if !tasks.is_empty() {
            let stopping = listener.is_told_to_stop();
            return if stopping { Err(Error::StillStopping { id: id.to_owned() }) } else { Ok(()) };
        }
        let started = self.start_consumers(&listener.plan, Redeclare::Yes).await;
        let started = started.map_err(|(_, error)| error)?;
        listener.consumers().clear();
        listener.run(&mut tasks, started);
        Ok(())
    }

    async fn start_consumers(
        &self,
        plan: &Arc<ListenerPlan>,
        redeclare: Redeclare,
    ) -> Result<Vec<(Supervised, StartedConsumer)>, (String, LinkError)> {
        let mut started = Vec::new();
        for queue in &plan.queues {
            for _ in 0..plan.concurrency {
                let supervised = Supervised {
                    scope: Arc::clone(&self.scope),
                    plan: Arc::clone(plan),
                    queue: queue.clone(),
                    stop: Arc::default(),
                    consuming: Arc::default(),
                };
                match supervised.start(redeclare).await {
                    Ok(consumer) => started.push((supervised, consumer)),
                    Err(error) => return Err((queue.to_string(), error)),
                }
            }
        }
        Ok(started)
    }

    /// The ids of a group's listeners.
    pub(crate) fn group(&self, group: &str) -> Vec<Arc<str>> {
        let in_group = |plan: &&ListenerPlan| plan.group.as_deref() == Some(group);
        self.plans().filter(in_group).map(|plan| Arc::clone(&plan.id)).collect()
    }

    /// Tells the listener of this id how far to stop. False if there is none.
    pub(crate) fn raise(&self, id: &str, phase: StopPhase) -> bool {
        let listener = self.find(id);
        listener.inspect(|listener| listener.raise(phase)).is_some()
    }

    /// Waits until the listener of this id has stopped.
    pub(crate) async fn wait(&self, id: &str) {
        if let Some(listener) = self.find(id) {
            listener.wait().await;
        }
    }

    /// Tells all listeners how far to stop.
    pub(crate) fn raise_all(&self, phase: StopPhase) {
        self.listeners.iter().for_each(|listener| listener.raise(phase));
    }

    /// Waits until all listeners have stopped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn wait_all(&self) {
        for listener in &self.listeners {
            listener.wait().await;
        }
    }

    /// Whether every consumer of every listener that was started consumes.
    pub(crate) fn is_consuming(&self) -> bool {
        let consuming = |consumer: &RunningConsumer| consumer.consuming.load(Ordering::Acquire);
        self.listeners.iter().all(|listener| listener.consumers().iter().all(consuming))
    }

    fn find(&self, id: &str) -> Option<&Registered> {
        self.listeners.iter().find(|listener| &*listener.plan.id == id)
    }
}

impl Registered {
    fn run(&self, tasks: &mut JoinSet<()>, started: Vec<(Supervised, StartedConsumer)>) {
        for (supervised, consumer) in started {
            self.consumers().push(RunningConsumer {
                stop: Arc::clone(&supervised.stop),
                consuming: Arc::clone(&supervised.consuming),
            });
            supervised.consuming.store(true, Ordering::Release);
            tasks.spawn(supervised.supervise(consumer));
        }
    }

    fn raise(&self, phase: StopPhase) {
        self.consumers().iter().for_each(|consumer| consumer.stop.raise(phase));
    }

    fn is_told_to_stop(&self) -> bool {
        self.consumers().iter().any(|consumer| consumer.stop.phase() != StopPhase::Running)
    }

    async fn wait(&self) {
        let mut tasks = self.tasks.lock().await;
        while let Some(ended) = tasks.join_next().await {
            self.tell_failure(ended);
        }
        self.consumers().clear();
    }

    fn tell_failure(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            tracing::error!(listener = &*self.plan.id, %error, "a listener's task failed");
        }
    }

    /// The list is whole between any two statements, so a panic elsewhere leaves nothing half
    /// done.
    fn consumers(&self) -> MutexGuard<'_, Vec<RunningConsumer>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
