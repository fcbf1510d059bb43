//! How a listener joins a running application, and how it leaves.

use std::sync::Arc;

use super::listener_builder::Listener;
use super::running::Running;
use crate::convert::{MessageConverters, NamedConverters};
use crate::error::{Error, Fault, Result};
use crate::graph::{Graph, ListenerSource, Rules, declare, unknown_names};
use crate::listener::Opened;
use crate::listener::endpoint::RabbitListenerEndpoint;
use crate::listener::plan::ContainerPlan;
use crate::listener::policy::ErrorPolicies;
use crate::settings::{Environment, Placeholders, Settings};

/// A listener that is to join.
#[derive(Debug)]
pub(super) enum Joining {
    /// One that was made while the program runs.
    Made(Box<Listener>),
    /// One that an attribute has left behind.
    Written(&'static RabbitListenerEndpoint),
}

/// What the builder and the settings say of all listeners, for those that come later.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) settings: Settings,
    pub(super) environment: Environment,
    pub(super) policies: ErrorPolicies,
    pub(super) named_converters: NamedConverters,
    pub(super) converters: MessageConverters,
}

impl Joining {
    /// The graph with it, and what shares its consumers.
    fn join(&self, graph: &Graph, rules: &Rules<'_>) -> Result<(Graph, ContainerPlan), Vec<Fault>> {
        match self {
            Self::Made(listener) => {
                listener.with_source(|source| graph.with_listener(source, rules))
            }
            Self::Written(endpoint) => graph.with_listener(&ListenerSource::of(endpoint), rules),
        }
    }
}

impl Running {
    /// Adds a listener; its id. A task of its own does so, that is done whoever waits for it.
    pub(super) async fn add_listener(self: &Arc<Self>, joining: Joining) -> Result<Arc<str>> {
        self.unless_stopping()?;
        let running = Arc::clone(self);
        let adding = self.runtime.spawn(async move {
            let _one_changes = running.changing.lock().await;
            running.unless_stopping()?;
            running.unless_it_stops(Box::pin(running.join(&joining))).await
        });
        adding.await.unwrap_or_else(|error| Err(Error::Other(error.into())))
    }

    async fn join(&self, joining: &Joining) -> Result<Arc<str>> {
        let opened = self.scope.connection.open_in_turn().await?;
        let changing = self.scope.connection.shared_graph().changing().await;
        let before = changing.before();
        let (graph, container) =
            self.with_rules(|rules| joining.join(before, rules)).map_err(Error::NotAdded)?;
        let new = graph.since(before);
        failed(&opened, unknown_names(&opened.link, &new).await)?;
        changing.set(graph);
        let (declared, faults) = declare(&opened.link, &new, opened.generation).await;
        if let Err(error) = failed(&opened, faults) {
            changing.take_back();
            declared.take_back(&opened.link).await;
            return Err(error);
        }
        // Who starts a consumer may declare, too.
        drop(changing);
        let id = Arc::clone(&container.lead.id);
        self.listeners.add(&container);
        if let Err(faults) = self.listeners.start_added(&id).await {
            self.listeners.remove(&id);
            self.leave(&id).await;
            declared.take_back(&opened.link).await;
            return failed(&opened, faults).map(|()| id);
        }
        Ok(id)
    }

    /// Stops a listener and forgets it.
    pub(super) async fn remove_listener(&self, id: &str) -> Result<()> {
        self.unless_stopping()?;
        let unknown = || Error::UnknownListener { id: id.to_owned() };
        let others = self.listeners.sharing(id).ok_or_else(unknown)?;
        if !others.is_empty() {
            return Err(Error::NotRemoved { id: id.to_owned(), others: others.join(", ") });
        }
        self.stop_listener(id).await?;
        let _one_changes = self.changing.lock().await;
        self.unless_stopping()?;
        if self.listeners.is_at_work(id) {
            return Err(Error::StillStopping { id: id.to_owned() });
        }
        self.listeners.remove(id);
        self.leave(id).await;
        Ok(())
    }

    /// Takes a listener out of what is declared and shown.
    async fn leave(&self, id: &str) {
        let changing = self.scope.connection.shared_graph().changing().await;
        changing.set(changing.before().without_listener(id));
    }

    fn with_rules<T>(&self, take: impl FnOnce(&Rules<'_>) -> T) -> T {
        let Standing { settings, environment, policies, named_converters, converters } =
            &self.standing;
        let lookup = |name: &str| environment.get(name);
        let placeholders = Placeholders::new(&settings.own_properties, &lookup);
        take(&Rules {
            states: &self.scope.states,
            policies,
            named_converters,
            converters,
            placeholders: placeholders.over(&settings.properties),
            settings,
        })
    }
}

/// The error of these faults, if there are any; where the connection is lost, they say no more than
/// that.
pub(super) fn failed(opened: &Opened, faults: Vec<Fault>) -> Result<()> {
    match (faults.is_empty(), opened.link.closed()) {
        (true, _) => Ok(()),
        (false, Some(lost)) => Err(lost.into()),
        (false, None) => Err(Error::NotAdded(faults)),
    }
}
