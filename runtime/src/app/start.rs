//! From a builder to a running application. Whatever fails on the way, what was done before is
//! undone.

use std::sync::Arc;

use futures_util::future::try_join_all;
use springhare_broker::Broker;

use super::Springhare;
use super::appending::Appenders;
use super::builder::SpringhareBuilder;
use super::choices::{Choices, Opened, Place};
use super::joining::Standing;
use super::planned::{Planned, PlannedBroker};
use super::reach::reach;
use super::running::Running;
use super::scopes::{BrokerScope, BrokerScopes};
use crate::connection::{Link, LinkConnection, NamedLink};
use crate::convert::MessageConverters;
use crate::describe::ListenerTable;
use crate::error::{Result, StartError, StartFault};
use crate::events::{BrokerEvents, EventBus};
use crate::graph::{
    Declared, DeclaringLink, Generation, Graph, SharedGraph, declare, unknown_names,
};
use crate::listener::discarded::Discards;
use crate::listener::observe::{Observer, Observing};
use crate::listener::{ListenerConnection, ListenerRegistry, ListenerScope};
use crate::middleware::Middleware;
use crate::settings::Startup;
use crate::state::StateRegistry;
use crate::template::{RabbitTemplate, TemplateLinks};

pub(super) async fn start(mut builder: SpringhareBuilder) -> Result<Springhare> {
    let Planned { main, named, mut faults, settings } = builder.planned();
    let standing = Standing::of(&mut builder, settings);
    let common = Common::of(&mut builder, !named.is_empty());
    let appenders = Appenders::of(&builder);
    let mut choices = Choices::of(builder);
    let mut place = |broker: PlannedBroker| -> Result<Option<Placed>> {
        Ok(choices.place_of(&broker, &mut faults)?.map(|place| (broker, place)))
    };
    let main = place(main)?;
    let named = named.into_iter().map(place).collect::<Result<Vec<_>>>()?;
    let (Some(main), Some(named)) = (main, named.into_iter().collect::<Option<Vec<_>>>()) else {
        // A broker that is nowhere tells nothing of what else is wrong.
        return Err(StartError::with(faults).into());
    };
    let mut brokers = common.open(main, named)?;
    let templates = brokers.iter().map(|broker| (&broker.name, &broker.scope.template));
    RabbitTemplate::introduce(templates);
    let listeners = ListenerRegistry::new(brokers.scopes());
    if let Err(error) = bring_up(&brokers, &listeners, faults).await {
        shut(&brokers).await;
        return Err(error);
    }
    appenders.start(&mut brokers);
    for broker in brokers.iter() {
        tell(&broker.scope.graph());
    }
    Ok(Springhare { running: Arc::new(Running::new(brokers, listeners, standing)) })
}

/// A broker, and where it is.
type Placed = (PlannedBroker, Place);

/// Tells once what runs.
fn tell(graph: &Graph) {
    let count = graph.listeners().len();
    if count > 0 {
        tracing::info!(count, "the listeners:\n{}", ListenerTable(graph));
    }
}

/// What all brokers of an application have in common.
struct Common {
    observers: Vec<Arc<dyn Observer>>,
    events: EventBus,
    has_several_brokers: bool,
    converters: MessageConverters,
    middleware: Middleware,
    states: Arc<StateRegistry>,
    discards: Discards,
}

impl Common {
    fn of(builder: &mut SpringhareBuilder, has_several: bool) -> Self {
        Self {
            observers: std::mem::take(&mut builder.observers),
            events: builder.events.clone(),
            has_several_brokers: has_several,
            converters: builder.converters.clone(),
            middleware: builder.middleware.clone(),
            states: Arc::new(std::mem::take(&mut builder.states)),
            discards: Discards::to(std::mem::take(&mut builder.on_discarded)),
        }
    }

    /// Starts those that are in this process. If one does not start, none is left.
    fn open(&self, main: Placed, named: Vec<Placed>) -> Result<BrokerScopes> {
        let mut own = Vec::new();
        let mut scope = |(broker, place): Placed| {
            let opened = place.open().map_err(|error| match broker.is_main() {
                true => error,
                false => {
                    let text = format!("broker `{}`: {error}", broker.name);
                    StartError::with(vec![StartFault::new(text)]).into()
                }
            })?;
            own.extend(opened.1.clone());
            Ok(self.scope(broker, opened))
        };
        let scopes = scope(main).and_then(|main| {
            let named = named.into_iter().map(&mut scope).collect::<Result<_>>()?;
            Ok(BrokerScopes { main, named })
        });
        scopes.inspect_err(|_| own.iter().for_each(Broker::stop))
    }

    fn scope(&self, broker: PlannedBroker, (link, own_broker): Opened) -> BrokerScope {
        let mut link = NamedLink::new(link, broker.settings.connection_name.clone());
        let label = self.has_several_brokers.then(|| Arc::clone(&broker.name));
        if let Some(broker) = &label {
            link = link.of_broker(Arc::clone(broker));
        }
        let events = BrokerEvents::new(self.events.clone(), Arc::clone(&broker.name));
        let link: Arc<dyn Link> = Arc::new(link);
        let graph = Arc::new(SharedGraph::new(broker.graph));
        let publishing = Arc::new(DeclaringLink::new(Arc::clone(&link), Arc::clone(&graph)));
        let observing = Observing::by(self.observers.clone(), link.clock().clone(), label.clone());
        let observer = observing.as_ref().map(Observing::template);
        let links = TemplateLinks {
            publishing: Arc::clone(&publishing) as Arc<dyn Link>,
            channels: Arc::clone(&link),
            observer: observer.clone(),
            events: events.clone(),
        };
        let startup = broker.settings.startup.unwrap_or_default();
        let scope = Arc::new(ListenerScope {
            starts_in_background: startup == Startup::Background,
            connection: ListenerConnection::new(link, graph, observer, events.clone()),
            template: RabbitTemplate::new(
                links,
                self.converters.clone(),
                self.middleware.of_template(),
                broker.template,
            ),
            middleware: self.middleware.clone(),
            events,
            label,
            states: Arc::clone(&self.states),
            observing,
            discards: self.discards.clone(),
        });
        BrokerScope {
            name: broker.name,
            scope,
            publishing,
            startup,
            appending: Vec::new(),
            own_broker,
        }
    }
}

/// Connects to each broker, declares there and consumes; `faults` are those that are known before.
async fn bring_up(
    brokers: &BrokerScopes,
    listeners: &ListenerRegistry,
    mut faults: Vec<StartFault>,
) -> Result<()> {
    let awaited = brokers.iter().filter(|broker| !broker.scope.starts_in_background);
    let awaited: Vec<&BrokerScope> = awaited.collect();
    let is_well = faults.is_empty();
    // The first that fails for good ends it: the others need not be waited for.
    let reached = try_join_all(awaited.iter().map(|broker| {
        // Who can't start anyway need not wait for the broker to learn that.
        let startup = if is_well { broker.startup } else { Startup::Fail };
        async move {
            let reached = reach(&broker.scope.connection, startup).await;
            reached.map_err(|error| broker.not_connected(error.into()))
        }
    }));
    let connections = match reached.await {
        Ok(connections) => connections,
        Err(error) => {
            StartError::of(faults)?;
            return Err(error);
        }
    };
    let connected: Vec<(&BrokerScope, Arc<dyn LinkConnection>)> =
        awaited.into_iter().zip(connections).collect();
    for (broker, connection) in &connected {
        let unknown = unknown_names(connection, &broker.scope.graph()).await;
        faults.extend(broker.scope.told_of(unknown));
    }
    StartError::of(faults)?;
    let (mut all_declared, mut faults) = (Vec::new(), Vec::new());
    for (broker, connection) in &connected {
        let (declared, refused) =
            declare(connection, &broker.scope.graph(), Generation::default()).await;
        all_declared.push((&broker.scope, declared));
        faults.extend(broker.scope.told_of(refused));
    }
    let started = async {
        StartError::of(faults)?;
        for (broker, _) in &connected {
            broker.publishing.is_declared();
            let connected = broker.scope.template.connect().await;
            connected.map_err(|error| broker.not_connected(error))?;
        }
        Ok(StartError::of(listeners.start_all().await.err().unwrap_or_default())?)
    };
    let started: Result<()> = started.await;
    if started.is_err() {
        for (scope, declared) in all_declared {
            take_back(scope, declared).await;
        }
    }
    started
}

/// Removes what a failed start has declared. The consumers that were started and exclusive
/// queues go with the connection that they are on.
async fn take_back(scope: &Arc<ListenerScope>, declared: Declared) {
    if let Err(error) = scope.connection.close().await {
        tracing::debug!(%error, "the listeners' connection could not be closed");
    }
    // Not over `open`, which would declare it all again.
    match scope.connection.connect().await {
        Ok(connection) => declared.take_back(&connection).await,
        Err(error) => {
            tracing::warn!(%error, "a failed start could not remove what it had declared");
        }
    }
}

async fn shut(brokers: &BrokerScopes) {
    if let Err(error) = brokers.close(async {}).await {
        tracing::debug!(%error, "a connection could not be closed");
    }
}
