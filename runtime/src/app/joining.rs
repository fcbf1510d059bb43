//! How a listener joins a running application, and how it leaves.

use std::sync::Arc;
use std::time::Duration;

use super::listener::Listener;
use super::running::Running;
use super::{STOP_DEADLINE, SpringhareBuilder};
use crate::convert::{MessageConverters, NamedConverters};
use crate::error::{Error, Result, StartFault};
use crate::graph::{
    Declared, Graph, ListenerSource, ResolvedListener, Rules, declare, unknown_names,
};
use crate::listener::endpoint::RabbitListenerEndpoint;
use crate::listener::plan::ListenerPlan;
use crate::listener::policy::ErrorPolicies;
use crate::listener::{ListenerScope, Opened};
use crate::settings::{Environment, Placeholders, Settings};

/// A listener that is to join.
#[derive(Debug)]
pub(super) enum Joining {
    /// One that was made while the program runs.
    Made(Box<Listener>),
    /// One that an attribute has left behind.
    Written(&'static RabbitListenerEndpoint),
}

impl Joining {
    /// Its id, which may have placeholders.
    fn id(&self) -> String {
        match self {
            Self::Made(listener) => listener.id(),
            Self::Written(endpoint) => endpoint.id(),
        }
    }
}

/// What the builder and the settings say of all listeners, for those that come later.
#[derive(Debug)]
pub(super) struct Standing {
    settings: Settings,
    environment: Environment,
    policies: ErrorPolicies,
    named_converters: NamedConverters,
    converters: MessageConverters,
}

impl Standing {
    pub(super) fn of(builder: &mut SpringhareBuilder, settings: Settings) -> Self {
        Self {
            settings,
            environment: builder.environment.take().unwrap_or_else(Environment::of_process),
            policies: std::mem::take(&mut builder.policies),
            named_converters: builder.named_converters.clone(),
            converters: builder.converters.clone(),
        }
    }

    /// How long a stop waits for the handlers.
    pub(super) fn stop_deadline(&self) -> Duration {
        self.settings.main.rabbitmq.shutdown_timeout.unwrap_or(STOP_DEADLINE)
    }
}

impl Running {
    /// Adds a listener; its id.
    pub(super) async fn add_listener(self: &Arc<Self>, joining: Joining) -> Result<Arc<str>> {
        self.change(move |running| async move { running.join(&joining).await }).await
    }

    async fn join(&self, joining: &Joining) -> Result<Arc<str>> {
        let listener = self.resolved(joining).map_err(Error::NotAdded)?;
        let scope = self.scope_for(&listener.plan).map_err(|fault| Error::NotAdded(vec![fault]))?;
        let mut container = None;
        let with_it = |graph: &Graph| {
            let (graph, plan) = graph.with_listener(listener)?;
            container = Some(plan);
            Ok(graph)
        };
        let (opened, declared) = declare_more(scope, with_it).await?;
        let Some(container) = container else { return Err(Error::Stopped) };
        let id = Arc::clone(&container.lead.id);
        self.listeners.add(&container, scope);
        if let Err(faults) = self.listeners.start_added(&id).await {
            self.listeners.remove(&id);
            leave(scope, &id).await;
            declared.take_back(&opened.link).await;
            return failed(&opened, scope.told_of(faults)).map(|()| id);
        }
        tracing::info!(listener = &*id, "a listener has joined");
        Ok(id)
    }

    /// Stops a listener and forgets it.
    pub(super) async fn remove_listener(self: &Arc<Self>, id: &str) -> Result<()> {
        self.unless_stopping()?;
        let unknown = || Error::UnknownListener { id: id.to_owned() };
        let others = self.listeners.sharing(id).ok_or_else(unknown)?;
        if !others.is_empty() {
            return Err(Error::NotRemoved { id: id.to_owned(), others: others.join(", ") });
        }
        self.stop_listener(id).await?;
        let id = id.to_owned();
        self.change(move |running| async move { running.forget(&id).await }).await
    }

    /// Forgets a listener that has stopped.
    async fn forget(&self, id: &str) -> Result<()> {
        if self.listeners.is_at_work(id) {
            return Err(Error::StillStopping { id: id.to_owned() });
        }
        let unknown = || Error::UnknownListener { id: id.to_owned() };
        let scope = self.listeners.scope_of(id).ok_or_else(unknown)?;
        self.listeners.remove(id);
        leave(&scope, id).await;
        tracing::info!(listener = id, "a listener is removed");
        Ok(())
    }

    /// The listener as it will run; its id is its own.
    fn resolved(&self, joining: &Joining) -> Result<ResolvedListener, Vec<StartFault>> {
        let Standing { settings, environment, policies, named_converters, converters } =
            &self.standing;
        let lookup = |name: &str| environment.get(name);
        let placeholders = Placeholders::new(&settings.own_properties, &lookup);
        let rules = Rules {
            states: &self.brokers.main.scope.states,
            policies,
            named_converters,
            converters,
            placeholders: placeholders.over(&settings.properties),
            settings,
        };
        let id = joining.id();
        // One that can't be made out is told below.
        let mut faults = match rules.placeholders.resolve(&id) {
            Ok(id) => self.ambiguous_variables(&id),
            Err(_) => Vec::new(),
        };
        let mut resolved = match joining {
            Joining::Made(listener) => rules.resolve(&listener.lend().source(), &mut faults),
            Joining::Written(endpoint) => rules.resolve(&ListenerSource::of(endpoint), &mut faults),
        };
        if let Some(listener) = &mut resolved {
            let graphs: Vec<_> = self.brokers.scopes().map(|scope| scope.graph()).collect();
            faults.extend(graphs.iter().flat_map(|graph| graph.taken_id(&listener.plan)));
            let running = graphs.iter().flat_map(|graph| graph.listeners()).map(|plan| &**plan);
            match listener.broker_of_faults(running) {
                Ok(broker) => listener.plan.broker = broker.unwrap_or(listener.plan.broker.clone()),
                Err(fault) => faults.push(fault),
            }
        }
        resolved.filter(|_| faults.is_empty()).ok_or(faults)
    }

    /// Variables that are about a listener that runs, and may be about this one that joins it.
    fn ambiguous_variables(&self, joining: &str) -> Vec<StartFault> {
        let running = self.listeners.ids();
        let mut ids: Vec<&str> = running.iter().map(|id| &**id).chain([joining]).collect();
        ids.sort_unstable();
        // Who has a taken id is told so.
        ids.dedup();
        self.standing.settings.ambiguous_variables(&ids)
    }

    /// The broker that a listener is to consume from.
    fn scope_for(&self, plan: &ListenerPlan) -> Result<&Arc<ListenerScope>, StartFault> {
        let named = |broker: &&super::scopes::BrokerScope| broker.name == plan.broker;
        self.brokers.iter().find(named).map(|broker| &broker.scope).ok_or_else(|| {
            let text = format!(
                "{} is to consume from the broker `{}`, which the application has not been connected \
                 to since its start; name it there with `.named_broker(\"{}\", ..)`",
                plan.origin.by, plan.broker, plan.broker
            );
            StartFault::new(text).at(plan.origin.file, plan.origin.line)
        })
    }
}

/// Changes a broker's graph and declares what is new in it; if that fails, nothing has changed.
pub(super) async fn declare_more(
    scope: &ListenerScope,
    change: impl FnOnce(&Graph) -> Result<Graph, Vec<StartFault>>,
) -> Result<(Opened, Declared)> {
    let opened = scope.connection.open_in_turn().await?;
    let changing = scope.connection.shared_graph().changing().await;
    let before = changing.before();
    let graph = change(before).map_err(Error::NotAdded)?;
    let new = graph.since(before);
    failed(&opened, scope.told_of(unknown_names(&opened.link, &new).await))?;
    changing.set(graph);
    let (declared, faults) = declare(&opened.link, &new, opened.generation).await;
    if let Err(error) = failed(&opened, scope.told_of(faults)) {
        changing.take_back();
        declared.take_back(&opened.link).await;
        return Err(error);
    }
    Ok((opened, declared))
}

/// Takes a listener out of what is declared and shown.
async fn leave(scope: &ListenerScope, id: &str) {
    let changing = scope.connection.shared_graph().changing().await;
    changing.set(changing.before().without_listener(id));
}

/// The error of these faults, if there are any; where the connection is lost, they say no more than
/// that.
fn failed(opened: &Opened, faults: Vec<StartFault>) -> Result<()> {
    match (faults.is_empty(), opened.link.closed()) {
        (true, _) => Ok(()),
        (false, Some(lost)) => Err(lost.into()),
        (false, None) => Err(Error::NotAdded(faults)),
    }
}
