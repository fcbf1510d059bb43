//! The brokers of a running application, each with its own connections, graph and template: what
//! happens to one is nothing to the others.

use std::iter;
use std::sync::Arc;

use futures_util::future::join_all;
use springhare_broker::Broker;

use crate::connection::LinkError;
use crate::graph::DeclaringLink;
use crate::listener::ListenerScope;
use crate::settings::Startup;

/// One of an application's brokers.
#[derive(Debug)]
pub(super) struct BrokerScope {
    pub(super) name: Arc<str>,
    pub(super) scope: Arc<ListenerScope>,
    pub(super) publishing: Arc<DeclaringLink>,
    /// What the start does when it is not there.
    pub(super) startup: Startup,
    /// The broker that lives and ends with the application.
    pub(super) own_broker: Option<Broker>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct BrokerScopes {
    /// The one of `[rabbitmq]`.
    pub(super) main: BrokerScope,
    pub(super) named: Vec<BrokerScope>,
}

impl BrokerScopes {
    pub(super) fn iter(&self) -> impl Iterator<Item = &BrokerScope> + Clone {
        iter::once(&self.main).chain(&self.named)
    }

    /// What the listeners of each share.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &Arc<ListenerScope>> {
        self.iter().map(|broker| &broker.scope)
    }

    /// Closes the listeners' connections, of all brokers at a time. The first error is told.
    pub(super) async fn close_listeners(&self) -> Result<(), LinkError> {
        let closed = join_all(self.scopes().map(|scope| scope.connection.close())).await;
        closed.into_iter().collect()
    }

    /// Stops the templates, of all brokers at a time. The first error is told.
    pub(super) async fn stop_templates(&self) -> Result<(), LinkError> {
        let stopped = join_all(self.scopes().map(|scope| scope.template.stop())).await;
        stopped.into_iter().collect()
    }

    /// Ends the brokers that live with the application.
    pub(super) fn end_own(&self) {
        self.iter().filter_map(|broker| broker.own_broker.as_ref()).for_each(Broker::stop);
    }
}
