//! From a builder to a running application. Whatever fails on the way, what was done before is
//! undone.

use std::env::{self, VarError};
use std::sync::Arc;

use springhare_broker::Broker;

use super::Springhare;
use super::builder::{BrokerChoice, SpringhareBuilder};
use super::running::Running;
use crate::connection::{Address, AddressError, EmbeddedLink, Link};
use crate::error::{Fault, Result, StartError};
use crate::graph::{Declared, GraphInput, Placeholders, check, declare, unknown_names};
use crate::listener::{ListenerConnection, ListenerRegistry, ListenerScope};
use crate::template::RabbitTemplate;

/// The environment's address of the broker.
const URL_VARIABLE: &str = "SPRINGHARE_URL";

pub(super) async fn start(mut builder: SpringhareBuilder) -> Result<Springhare> {
    let endpoints = builder.take_endpoints();
    let environment = |name: &str| env::var(name).ok();
    let (graph, graph_faults) = check(GraphInput {
        endpoints,
        exchanges: builder.exchanges,
        queues: builder.queues,
        bindings: builder.bindings,
        states: &builder.states,
        placeholders: Placeholders::new(&builder.properties, &environment),
    });
    let mut faults = builder.faults;
    faults.extend(graph_faults);

    let (link, own_broker) = link_to(builder.broker)?;
    let scope = Arc::new(ListenerScope {
        graph,
        connection: ListenerConnection::new(Arc::clone(&link)),
        template: RabbitTemplate::new(link, builder.converters),
        states: Arc::new(builder.states),
    });
    let listeners = ListenerRegistry::new(Arc::clone(&scope));
    if let Err(error) = bring_up(&scope, &listeners, faults).await {
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
        Address::Embedded => {
            let broker = Broker::builder().start()?;
            Ok((Arc::new(EmbeddedLink::new(broker.clone())), Some(broker)))
        }
    }
}

/// The address that the environment's variable gives; without one it is the embedded broker.
fn address_of(variable: Result<String, VarError>) -> Result<Address, AddressError> {
    match variable {
        Ok(url) => url.parse(),
        Err(VarError::NotPresent) => Ok(Address::Embedded),
        // The value itself is not shown: what can't be read may hold a password.
        Err(VarError::NotUnicode(_)) => Err(AddressError::UnknownScheme {
            address: format!("the value of {URL_VARIABLE}, which is not Unicode"),
        }),
    }
}

/// Connects, declares and consumes; `faults` are those that are known before.
async fn bring_up(
    scope: &Arc<ListenerScope>,
    listeners: &ListenerRegistry,
    mut faults: Vec<Fault>,
) -> Result<()> {
    let connection = scope.connection.open().await?;
    faults.extend(unknown_names(&connection, &scope.graph).await);
    StartError::of(faults)?;
    scope.template.connect().await?;
    let (declared, faults) = declare(&connection, &scope.graph).await;
    let started = match StartError::of(faults) {
        Ok(()) => listeners.start_all().await.map_err(StartError::of),
        Err(error) => Err(Err(error)),
    };
    match started {
        Ok(()) => Ok(()),
        Err(error) => {
            take_back(scope, declared).await;
            Ok(error?)
        }
    }
}

/// Removes what a failed start has declared. The consumers that were started and exclusive
/// queues go with the connection that they are on.
async fn take_back(scope: &Arc<ListenerScope>, declared: Declared) {
    if let Err(error) = scope.connection.close().await {
        tracing::debug!(%error, "the listeners' connection could not be closed");
    }
    match scope.connection.open().await {
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
        assert_eq!(address_of(Err(VarError::NotPresent)), Ok(Address::Embedded));
        assert_eq!(address_of(Ok("embedded:".to_owned())), Ok(Address::Embedded));
        let unreadable = address_of(Err(VarError::NotUnicode(OsString::from("s3cret"))));
        let text = unreadable.unwrap_err().to_string();
        assert!(text.contains("SPRINGHARE_URL, which is not Unicode"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}
