//! What runs and how it stops. The stop is a task of its own, so that it gets done whoever asked
//! for it and however long they wait: a handler that stops its application goes on the way.

use std::future::Future;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, SetOnce, watch};
use tokio::task::AbortHandle;

use super::STOP_DEADLINE;
use super::joining::Standing;
use super::scopes::{BrokerScope, BrokerScopes};
use crate::connection::LinkError;
use crate::error::{Error, Result};
use crate::in_time::in_time;
use crate::listener::endpoint::Concurrency;
use crate::listener::health::{BrokerHealth, BrokerStatus, Health};
use crate::listener::{ListenerRegistry, StopPhase, keep_connected};

/// How long a forced stop waits for the listeners' tasks, which a handler that blocks its thread holds up,
/// or a start whose broker does not answer.
const FORCED_STOP_DEADLINE: Duration = Duration::from_secs(1);

/// How the stop ended; none before.
type Outcome = Option<Result<(), LinkError>>;

/// What an application and the task that stops it share.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) brokers: BrokerScopes,
    pub(super) listeners: ListenerRegistry,
    /// The runtime that the application was started on: the stop runs there.
    pub(super) runtime: Handle,
    /// Each keeps the listeners' connection to one broker open, until the stop begins.
    keepers: Vec<AbortHandle>,
    /// Held by who changes listeners, in a task of its own, and by the stop.
    changing: Mutex<()>,
    /// Set as the stop begins: it ends what tasks do for those who asked.
    stop_begins: SetOnce<()>,
    /// What holds for listeners that join later.
    pub(super) standing: Standing,
    /// How long handlers are waited for.
    stop_deadline: Duration,
    /// Taken by the stop's task, which there is once; if that is lost, nobody waits for it.
    stopper: StdMutex<Option<watch::Sender<Outcome>>>,
    outcome: watch::Receiver<Outcome>,
}

impl Running {
    /// What every listener does right now, and every broker is.
    pub(crate) fn health(&self) -> Health {
        self.health_of(self.brokers.iter())
    }

    /// What these brokers' listeners do right now, and what they are.
    pub(super) fn health_of<'b>(&self, brokers: impl Iterator<Item = &'b BrokerScope>) -> Health {
        let brokers: Vec<_> = brokers.collect();
        let scopes: Vec<_> = brokers.iter().map(|broker| &broker.scope).collect();
        let has_ended = self.unless_stopping().is_err();
        let of_broker = |broker: &&BrokerScope| {
            let status = match has_ended {
                true => BrokerStatus::Closed,
                false => broker.scope.connection.status(),
            };
            BrokerHealth::new(&broker.name, status)
        };
        Health::new(self.listeners.health_of(&scopes), brokers.iter().map(of_broker).collect())
    }

    /// Whether its stop has begun.
    #[cfg(feature = "axum")]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopper.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Running {
    pub(super) fn new(
        brokers: BrokerScopes,
        listeners: ListenerRegistry,
        standing: Standing,
    ) -> Self {
        let (stopper, outcome) = watch::channel(None);
        let keeper = |scope| tokio::spawn(keep_connected(Arc::clone(scope))).abort_handle();
        Self {
            keepers: brokers.scopes().map(keeper).collect(),
            brokers,
            listeners,
            runtime: Handle::current(),
            changing: Mutex::new(()),
            stop_begins: SetOnce::new(),
            stop_deadline: standing.stop_deadline(),
            standing,
            stopper: StdMutex::new(Some(stopper)),
            outcome,
        }
    }

    pub(super) async fn start_listener(self: &Arc<Self>, id: &str) -> Result<()> {
        self.unless_stopping()?;
        self.pause_ends(id).await;
        let id = id.to_owned();
        self.change(move |running| async move { running.listeners.start(&id).await }).await
    }

    /// Changes listeners while nobody else does.
    pub(super) async fn change<T, F>(
        self: &Arc<Self>,
        change: impl FnOnce(Arc<Self>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.unless_stopping()?;
        let running = Arc::clone(self);
        self.in_a_task(async move {
            let _one_changes = running.changing.lock().await;
            change(Arc::clone(&running)).await
        })
        .await
    }

    /// Does this in a task of the application's runtime, unless the stop begins before it is done: it is done
    /// whoever waits for it, no lock of it is held by who is polled no more, and what it starts does not end
    /// with another runtime.
    pub(super) async fn in_a_task<T: Send + 'static>(
        self: &Arc<Self>,
        operation: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let running = Arc::clone(self);
        let operation = Box::pin(operation);
        let task = self.runtime.spawn(async move {
            tokio::select! {
                biased;
                _ = running.stop_begins.wait() => Err(Error::Stopped),
                done = operation => done,
            }
        });
        let done = task.await;
        done.unwrap_or_else(|error| Err(Error::Other(error.into())))
    }

    pub(super) fn unless_stopping(&self) -> Result<()> {
        if self.listeners.stop.phase() == StopPhase::Running { Ok(()) } else { Err(Error::Stopped) }
    }

    pub(super) async fn stop_listener(&self, id: &str) -> Result<()> {
        if !self.listeners.raise(id, StopPhase::Draining) {
            return Err(Error::UnknownListener { id: id.to_owned() });
        }
        self.ended(id).await;
        Ok(())
    }

    pub(super) async fn pause_listener(&self, id: &str) -> Result<()> {
        self.pause_listeners(&[id]).await
    }

    /// Pauses all of them, and then waits for their handlers.
    pub(super) async fn pause_listeners(&self, ids: &[impl AsRef<str>]) -> Result<()> {
        for id in ids.iter().map(AsRef::as_ref) {
            if !self.listeners.pause(id) {
                return Err(Error::UnknownListener { id: id.to_owned() });
            }
        }
        for id in ids {
            self.pause_ends(id.as_ref()).await;
        }
        Ok(())
    }

    pub(super) async fn resume_listener(self: &Arc<Self>, id: &str) -> Result<()> {
        if self.listeners.is_paused(id).is_none() {
            return Err(Error::UnknownListener { id: id.to_owned() });
        }
        self.unless_stopping()?;
        self.pause_ends(id).await;
        let id = id.to_owned();
        self.change(move |running| async move {
            // Somebody else may have resumed it meanwhile.
            if running.listeners.is_paused(&id) != Some(true) {
                return Ok(());
            }
            running.listeners.start(&id).await
        })
        .await
    }

    /// Changes how many consumers each queue of a listener has.
    pub(super) async fn scale_listener(
        self: &Arc<Self>,
        id: &str,
        concurrency: Concurrency,
    ) -> Result<()> {
        let (running, id) = (Arc::clone(self), id.to_owned());
        self.in_a_task(async move { running.listeners.scale(&id, concurrency).await }).await
    }

    /// Waits for the handlers of a listener that is paused, which whoever paused it may not have done.
    /// They have as long as they take, unless the application stops; others can be changed meanwhile.
    async fn pause_ends(&self, id: &str) {
        if self.listeners.is_paused(id) == Some(true) {
            tokio::select! {
                () = self.listeners.wait(id) => {}
                _ = self.stopped() => {}
            }
        }
    }

    /// Waits for the end of a listener that was told to stop, and insists on it after the deadline.
    async fn ended(&self, id: &str) {
        let deadline = self.stop_deadline.max(STOP_DEADLINE);
        if !self.in_time(deadline, self.listeners.wait(id)).await {
            self.listeners.force(id);
            if !self.in_time(FORCED_STOP_DEADLINE, self.listeners.wait(id)).await {
                tracing::error!(
                    listener = id,
                    "a handler blocks its thread, or its broker does not answer; its task lives on"
                );
            }
        }
    }

    /// Begins to stop, if that has not begun, and at least this far.
    pub(super) fn begin_stop(self: &Arc<Self>, phase: StopPhase) {
        self.listeners.stop.raise(phase);
        // It may have begun before.
        let _ = self.stop_begins.set(());
        self.keepers.iter().for_each(AbortHandle::abort);
        if phase == StopPhase::Forced {
            self.listeners.raise_all(StopPhase::Forced);
        }
        let stopper = self.stopper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stopper) = stopper {
            let running = Arc::clone(self);
            self.runtime.spawn(async move {
                stopper.send_replace(Some(running.shut_down().await));
            });
        }
    }

    /// Waits until it is stopped, however that began.
    pub(super) async fn stopped(&self) -> Result<()> {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(error))) => Err(error.clone().into()),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Other("the runtime ended before the stop was done".into())),
        }
    }

    async fn shut_down(&self) -> Result<(), LinkError> {
        // From now on nobody starts a listener.
        let _one_changes = self.changing.lock().await;
        let draining = self.in_time(self.stop_deadline, self.listeners.stop_in_order());
        if self.listeners.stop.unless_forced(draining).await == Some(false) {
            let held = self.listeners.held().unwrap_or_else(|| "nothing".to_owned());
            tracing::warn!(
                held,
                "handlers were not done in time; what they hold and is not acknowledged is requeued"
            );
        }
        self.listeners.raise_all(StopPhase::Forced);
        let tasks_end = async {
            if !self.in_time(FORCED_STOP_DEADLINE, self.listeners.wait_all()).await {
                tracing::error!(
                    "a handler blocks its thread, or its broker does not answer; its task is left behind"
                );
            }
        };
        let closed = self.brokers.close(tasks_end).await;
        self.brokers.end_own();
        self.brokers.main.scope.events.bus().close();
        closed
    }

    /// Ends at once, as far as that goes without waiting; a task does the rest.
    pub(super) fn abandon(self: &Arc<Self>) {
        let running = Arc::clone(self);
        let mut closing = Box::pin(async move {
            if let Err(error) = running.brokers.stop_templates().await {
                tracing::debug!(%error, "the template's connection could not be closed");
            }
        });
        if closing.as_mut().now_or_never().is_none() {
            self.runtime.spawn(closing);
        }
        self.begin_stop(StopPhase::Forced);
        self.brokers.end_own();
    }

    /// Carries `future` on for this long, and says whether it got done.
    async fn in_time(&self, deadline: Duration, future: impl Future<Output = ()>) -> bool {
        in_time(self.brokers.clock(), deadline, future).await.is_some()
    }
}
