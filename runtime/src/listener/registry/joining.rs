//! Listeners that join a running application and leave it, and queues that they get and give up.

use std::sync::Arc;

use springhare_amqp::ShortString;

use super::{ListenerRegistry, registered};
use crate::connection::LinkError;
use crate::error::StartFault;
use crate::listener::plan::ContainerPlan;
use crate::listener::registered::Registered;
use crate::listener::supervisor::{ListenerScope, Redeclare};

impl ListenerRegistry {
    /// Adds a container, which is not started. One task at a time adds and removes.
    pub(crate) fn add(&self, plan: &ContainerPlan, scope: &Arc<ListenerScope>) {
        let mut all = self.all().to_vec();
        all.push(Arc::new(registered(plan, scope)));
        self.containers.store(Arc::new(all));
    }

    /// Starts a container that was added, or lets it start by itself once its queues are there.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, none of its consumers runs.
    pub(crate) async fn start_added(&self, id: &str) -> Result<(), Vec<StartFault>> {
        let Some(registered) = self.find(id) else { return Ok(()) };
        if !registered.container.common().auto_startup {
            return Ok(());
        }
        // Whoever stops it meanwhile waits for the start.
        let mut tasks = registered.tasks.lock().await;
        let _starting = registered.crew.starts();
        let started = Self::start_or_wait(&registered).await.map_err(|fault| vec![fault])?;
        registered.run(&mut tasks, started);
        Ok(())
    }

    /// Forgets the container with this listener, which has stopped.
    pub(crate) fn remove(&self, id: &str) {
        let Some(removed) = self.find(id) else { return };
        let mut all = self.all().to_vec();
        all.retain(|registered| !Arc::ptr_eq(registered, &removed));
        self.containers.store(Arc::new(all));
    }

    /// What the listeners share of this one's broker; none if there is no such listener.
    pub(crate) fn scope_of(&self, id: &str) -> Option<Arc<ListenerScope>> {
        self.find(id).map(|registered| Arc::clone(&registered.scope))
    }

    /// What this listener consumes from; none if there is no such listener.
    pub(crate) fn queues(&self, id: &str) -> Option<Vec<ShortString>> {
        self.find(id).map(|registered| registered.queues())
    }

    /// Has a listener consume from these queues, too: now if it runs, and whenever it starts.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, it does not.
    pub(crate) async fn add_queues(
        &self,
        id: &str,
        queues: &[ShortString],
    ) -> Result<(), LinkError> {
        let Some(registered) = self.find(id) else { return Ok(()) };
        if !registered.crew.is_running() {
            // Its tasks may be waited for. Nobody starts it meanwhile.
            registered.consume_when_started(queues);
            return Ok(());
        }
        let mut tasks = registered.tasks.lock().await;
        let mut started = Vec::new();
        if registered.crew.is_running() {
            for queue in queues {
                for _ in 0..registered.concurrency().min {
                    let supervised = registered
                        .crew
                        .add(|states, number| Self::supervised(&registered, queue, states, number));
                    let consumer = match Self::start_consumer(&supervised, Redeclare::No).await {
                        Ok(consumer) => Some(consumer),
                        Err(error) if registered.waits_for_queues() && error.is_not_found() => None,
                        Err(error) if registered.container.stands_by_at(&error) => None,
                        Err(error) => {
                            registered.crew.leave(queues);
                            return Err(error);
                        }
                    };
                    started.push((supervised, consumer));
                }
            }
        }
        registered.consume_from(queues, started, &mut tasks);
        Ok(())
    }

    /// Has a listener consume from these queues no more; its consumers finish what they hold.
    pub(crate) fn remove_queues(&self, id: &str, queues: &[ShortString]) {
        if let Some(registered) = self.find(id) {
            registered.leave_queues(queues);
        }
    }

    /// Whether a task of this listener is left.
    pub(crate) fn is_at_work(&self, id: &str) -> bool {
        let at_work = |registered: Arc<Registered>| {
            registered.tasks.try_lock().map_or(true, |tasks| !tasks.is_empty())
        };
        self.find(id).is_some_and(at_work)
    }

    /// The other listeners that share the consumers of this one; none if there is no such listener.
    pub(crate) fn sharing(&self, id: &str) -> Option<Vec<Arc<str>>> {
        let registered = self.find(id)?;
        let others = registered.plans().filter(|plan| &*plan.id != id);
        Some(others.map(|plan| Arc::clone(&plan.id)).collect())
    }
}
