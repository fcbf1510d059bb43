//! From a builder to a running application. Whatever fails on the way, what was done before is
//! undone.

use std::sync::Arc;

use springhare_broker::Broker;

use super::Springhare;
use super::builder::{BrokerChoice, SpringhareBuilder};
use super::planned::Planned;
use super::reach::reach;
use super::running::Running;
use crate::connection::{Address, AmqpLink, EmbeddedAddress, EmbeddedLink, Link, NamedLink};
use crate::describe::ListenerTable;
use crate::error::{Fault, Result, StartError};
use crate::graph::{Declared, DeclaringLink, Graph, SharedGraph, declare, unknown_names};
use crate::listener::observe::Observing;
use crate::listener::{ListenerConnection, ListenerRegistry, ListenerScope};
use crate::settings::{AddressProblem, RabbitmqSettings, Source, Startup, WrongAddress};
use crate::template::{RabbitTemplate, TemplateLinks};

pub(super) async fn start(builder: SpringhareBuilder) -> Result<Springhare> {
    let Planned { graph, settings, template: defaults, mut faults } = builder.planned();
    let startup = settings.rabbitmq.startup.unwrap_or_default();
    let (link, own_broker) = link_to(builder.broker, &settings.rabbitmq, &mut faults)?;
    let link: Arc<dyn Link> =
        Arc::new(NamedLink::new(link, settings.rabbitmq.connection_name.clone()));
    let graph = Arc::new(SharedGraph::new(graph));
    let publishing = Arc::new(DeclaringLink::new(Arc::clone(&link), Arc::clone(&graph)));
    let observing = Observing::by(builder.observers, link.clock().clone());
    let observer = observing.as_ref().map(Observing::template);
    let links = TemplateLinks {
        publishing: Arc::clone(&publishing) as Arc<dyn Link>,
        channels: Arc::clone(&link),
        observer: observer.clone(),
    };
    let scope = Arc::new(ListenerScope {
        connection: ListenerConnection::new(link, graph, observer),
        template: RabbitTemplate::new(
            links,
            builder.converters,
            builder.middleware.of_publishing(),
            defaults,
        ),
        middleware: builder.middleware,
        states: Arc::new(builder.states),
        observing,
    });
    let listeners = ListenerRegistry::new(Arc::clone(&scope));
    if startup == Startup::Background {
        StartError::of(faults)?;
        listeners.start_all_in_background().await;
    } else if let Err(error) = bring_up(&scope, &publishing, &listeners, startup, faults).await {
        shut(&scope).await;
        return Err(error);
    }
    tell(&scope.graph());
    Ok(Springhare { running: Arc::new(Running::new(scope, listeners, own_broker)) })
}

/// Tells once what runs.
fn tell(graph: &Graph) {
    if !graph.listeners.is_empty() {
        tracing::info!(count = graph.listeners.len(), "the listeners:\n{}", ListenerTable(graph));
    }
}

/// The link that the builder chose. An address of the settings that can't be used is a fault among
/// the others.
pub(super) fn link_to(
    choice: BrokerChoice,
    settings: &RabbitmqSettings,
    faults: &mut Vec<Fault>,
) -> Result<(Arc<dyn Link>, Option<Broker>)> {
    match choice {
        BrokerChoice::Link(link) => return Ok((link, None)),
        BrokerChoice::Handle(broker) => return Ok((Arc::new(EmbeddedLink::new(broker)), None)),
        BrokerChoice::Settings => {}
    }
    let address = match settings.address() {
        Ok(address) => address.unwrap_or_else(|| Address::Embedded(EmbeddedAddress::default())),
        Err(WrongAddress {
            source: Source::Builder,
            problem: AddressProblem::Address(error),
            ..
        }) => {
            return Err(error.into());
        }
        Err(WrongAddress { key, source, problem }) => {
            faults.push(source.fault(format_args!("`{key}`: {problem}")));
            // There is no broker to tell what else is wrong.
            StartError::of(std::mem::take(faults))?;
            Address::Embedded(EmbeddedAddress::default())
        }
    };
    tracing::info!(broker = %address, "the broker that the settings come to");
    match address {
        Address::Embedded(address) => {
            let mut builder = Broker::builder().durability(address.durability());
            if let Some(folder) = address.data() {
                builder = builder.data(folder);
            }
            let broker = builder.start()?;
            Ok((Arc::new(EmbeddedLink::new(broker.clone())), Some(broker)))
        }
        Address::Amqp(addresses) => {
            let order =
                settings.address_shuffle_mode.as_ref().map(|mode| mode.value).unwrap_or_default();
            Ok((Arc::new(AmqpLink::new(addresses).with_order(order)), None))
        }
    }
}

/// Connects, declares and consumes; `faults` are those that are known before.
async fn bring_up(
    scope: &Arc<ListenerScope>,
    publishing: &DeclaringLink,
    listeners: &ListenerRegistry,
    startup: Startup,
    mut faults: Vec<Fault>,
) -> Result<()> {
    // Who can't start anyway need not wait for the broker to learn that.
    let startup = if faults.is_empty() { startup } else { Startup::Fail };
    let connection = match reach(&scope.connection, startup).await {
        Ok(connection) => connection,
        Err(error) => {
            StartError::of(faults)?;
            return Err(error.into());
        }
    };
    let graph = scope.graph();
    faults.extend(unknown_names(&connection, &graph).await);
    StartError::of(faults)?;
    let (declared, faults) = declare(&connection, &graph).await;
    let started = async {
        StartError::of(faults)?;
        publishing.is_declared();
        scope.template.connect().await?;
        Ok(StartError::of(listeners.start_all().await.err().unwrap_or_default())?)
    };
    let started: Result<()> = started.await;
    if started.is_err() {
        take_back(scope, declared).await;
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

async fn shut(scope: &Arc<ListenerScope>) {
    for closed in [scope.connection.close().await, scope.template.stop().await] {
        if let Err(error) = closed {
            tracing::debug!(%error, "a connection could not be closed");
        }
    }
}
