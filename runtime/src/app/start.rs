//! From a builder to a running application. Whatever fails on the way, what was done before is
//! undone.

use std::env::{self, VarError};
use std::sync::Arc;

use springhare_broker::Broker;

use super::Springhare;
use super::builder::{BrokerChoice, SpringhareBuilder};
use super::reach::reach;
use super::running::Running;
use super::startup::Startup;
use crate::connection::{Address, AddressError, AmqpLink, EmbeddedAddress, EmbeddedLink, Link};
use crate::error::{Fault, Result, StartError};
use crate::graph::{
    Declared, DeclaringLink, GraphInput, Placeholders, check, declare, unknown_names,
};
use crate::listener::{ListenerConnection, ListenerRegistry, ListenerScope};
use crate::template::{RabbitTemplate, TemplateLinks};

/// The environment's address of the broker.
const URL_VARIABLE: &str = "SPRINGHARE_URL";
/// The environment's [`Startup`].
const STARTUP_VARIABLE: &str = "SPRINGHARE_STARTUP";

pub(super) async fn start(mut builder: SpringhareBuilder) -> Result<Springhare> {
    let endpoints = builder.take_endpoints();
    let environment = |name: &str| env::var(name).ok();
    let (graph, graph_faults) = check(GraphInput {
        endpoints,
        exchanges: builder.exchanges,
        queues: builder.queues,
        bindings: builder.bindings,
        states: &builder.states,
        named_converters: &builder.named_converters,
        converters: &builder.converters,
        placeholders: Placeholders::new(&builder.properties, &environment),
    });
    let mut faults = builder.faults;
    faults.extend(graph_faults);
    let startup = match builder.startup {
        Some(startup) => startup,
        None => startup_of(env::var(STARTUP_VARIABLE), &mut faults),
    };

    let (link, own_broker) = link_to(builder.broker)?;
    let graph = Arc::new(graph);
    let publishing = Arc::new(DeclaringLink::new(Arc::clone(&link), Arc::clone(&graph)));
    let links = TemplateLinks {
        publishing: Arc::clone(&publishing) as Arc<dyn Link>,
        channels: Arc::clone(&link),
    };
    let scope = Arc::new(ListenerScope {
        connection: ListenerConnection::new(link, graph),
        template: RabbitTemplate::new(links, builder.converters, builder.waits),
        states: Arc::new(builder.states),
    });
    let listeners = ListenerRegistry::new(Arc::clone(&scope));
    if startup == Startup::Background {
        StartError::of(faults)?;
        listeners.start_all_in_background().await;
    } else if let Err(error) = bring_up(&scope, &publishing, &listeners, startup, faults).await {
        shut(&scope).await;
        return Err(error);
    }
    Ok(Springhare { running: Arc::new(Running::new(scope, listeners, own_broker)) })
}

fn link_to(choice: BrokerChoice) -> Result<(Arc<dyn Link>, Option<Broker>)> {
    let address: Address = match choice {
        BrokerChoice::Link(link) => return Ok((link, None)),
        BrokerChoice::Handle(broker) => return Ok((Arc::new(EmbeddedLink::new(broker)), None)),
        BrokerChoice::Url(url) => url.parse()?,
        BrokerChoice::Environment => address_of(env::var(URL_VARIABLE))?,
    };
    match address {
        Address::Embedded(address) => {
            let mut builder = Broker::builder().durability(address.durability());
            if let Some(folder) = address.data() {
                builder = builder.data(folder);
            }
            let broker = builder.start()?;
            Ok((Arc::new(EmbeddedLink::new(broker.clone())), Some(broker)))
        }
        Address::Amqp(addresses) => Ok((Arc::new(AmqpLink::new(addresses)), None)),
    }
}

/// The address that the environment's variable gives; without one it is the embedded broker.
fn address_of(variable: Result<String, VarError>) -> Result<Address, AddressError> {
    match variable {
        Ok(url) => url.parse(),
        Err(VarError::NotPresent) => Ok(Address::Embedded(EmbeddedAddress::default())),
        // The value itself is not shown: what can't be read may hold a password.
        Err(VarError::NotUnicode(_)) => Err(AddressError::UnknownScheme {
            address: format!("the value of {URL_VARIABLE}, which is not Unicode"),
        }),
    }
}

/// The environment's choice; one that can't be read is a fault.
fn startup_of(variable: Result<String, VarError>, faults: &mut Vec<Fault>) -> Startup {
    let text = match variable {
        Ok(text) => text,
        Err(VarError::NotPresent) => return Startup::default(),
        Err(VarError::NotUnicode(text)) => text.to_string_lossy().into_owned(),
    };
    text.parse().unwrap_or_else(|error| {
        faults.push(Fault::new(format!("{STARTUP_VARIABLE}: {error}")));
        Startup::default()
    })
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
    faults.extend(unknown_names(&connection, graph).await);
    StartError::of(faults)?;
    let (declared, faults) = declare(&connection, graph).await;
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn only_a_variable_that_is_not_there_means_the_embedded_broker() {
        let embedded = Ok(Address::Embedded(EmbeddedAddress::default()));
        assert_eq!(address_of(Err(VarError::NotPresent)), embedded);
        assert_eq!(address_of(Ok("embedded:".to_owned())), embedded);
        let unreadable = address_of(Err(VarError::NotUnicode(OsString::from("s3cret"))));
        let text = unreadable.unwrap_err().to_string();
        assert!(text.contains("SPRINGHARE_URL, which is not Unicode"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn a_startup_that_cannot_be_read_is_a_fault() {
        let mut faults = Vec::new();
        let background = startup_of(Ok("background".to_owned()), &mut faults);
        assert_eq!(background, Startup::Background);
        assert_eq!(startup_of(Err(VarError::NotPresent), &mut faults), Startup::default());
        assert_eq!(faults, []);
        startup_of(Ok("later".to_owned()), &mut faults);
        startup_of(Err(VarError::NotUnicode(OsString::from("never"))), &mut faults);
        let texts: Vec<_> = faults.iter().map(Fault::text).collect();
        assert!(texts[0].starts_with("SPRINGHARE_STARTUP: 'later' is none of"), "{texts:?}");
        assert!(texts[1].contains("'never'"), "{texts:?}");
    }
}
