//! The brokers of a running application, each with its own connections, graph and template: what
//! happens to one is nothing to the others.

use std::future::Future;
use std::iter;
use std::sync::Arc;

use futures_util::future::{join, join_all};
use springhare_broker::{Broker, Clock};
use tokio::sync::watch;

use super::CLOSE_DEADLINE;
use crate::appender::Sender;
use crate::connection::LinkError;
use crate::error::Error;
use crate::graph::DeclaringLink;
use crate::in_time::in_time;
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
    /// What publishes the log, once it is started.
    pub(super) appending: Vec<Sender>,
    /// The broker that lives and ends with the application.
    pub(super) own_broker: Option<Broker>,
}

impl BrokerScope {
    /// What a connection to it was not opened for; where the application has several brokers, with
    /// the address of this one.
    pub(super) fn not_connected(&self, error: Error) -> Error {
        let source = match error {
            Error::Amqp(error) => LinkError::Amqp(error),
            Error::Link(error) if !matches!(error, LinkError::Connect { .. }) => error,
            // It names its broker itself.
            error => return error,
        };
        if self.scope.label.is_none() {
            return source.into();
        }
        let address = self.scope.connection.link().describe();
        Error::Link(LinkError::Connect { address, source: Arc::new(source) })
    }
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

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut BrokerScope> {
        iter::once(&mut self.main).chain(&mut self.named)
    }

    /// What the listeners of each share.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &Arc<ListenerScope>> {
        self.iter().map(|broker| &broker.scope)
    }

    /// The clock of the application's own broker, by which its stop is timed.
    pub(super) fn clock(&self) -> &Clock {
        self.main.scope.connection.clock()
    }

    /// Closes the connections of all brokers side by side: those of the listeners at once, the
    /// templates' when `tasks_end`, who may send until then. Those of a broker that has not answered
    /// after [`CLOSE_DEADLINE`] are left behind. The first error is told.
    pub(super) async fn close(&self, tasks_end: impl Future<Output = ()>) -> Result<(), LinkError> {
        let (ending, ended) = watch::channel(());
        let tasks_end = async move {
            tasks_end.await;
            drop(ending);
        };
        let closing = join_all(self.iter().map(|broker| self.close_one(broker, ended.clone())));
        let ((), closed) = join(tasks_end, closing).await;
        closed.into_iter().collect()
    }

    async fn close_one(
        &self,
        broker: &BrokerScope,
        mut ended: watch::Receiver<()>,
    ) -> Result<(), LinkError> {
        let scope = &broker.scope;
        let template = async {
            // That it changes is never told: it goes.
            let _ = ended.changed().await;
            // What was logged until now is to go out.
            join_all(broker.appending.iter().map(Sender::stop)).await;
            scope.template.stop().await
        };
        let closing = join(scope.connection.close(), template);
        if let Some((listeners, template)) = in_time(self.clock(), CLOSE_DEADLINE, closing).await {
            return listeners.and(template);
        }
        let address = scope.connection.link().describe();
        tracing::error!(address, "the broker does not answer; its connections are left behind");
        Err(LinkError::TimedOut { operation: "connection.close", after: CLOSE_DEADLINE })
    }

    /// Stops the templates, of all brokers at a time, after what publishes the log with them, which is not
    /// waited for. The first error is told.
    pub(super) async fn stop_templates(&self) -> Result<(), LinkError> {
        self.iter().flat_map(|broker| &broker.appending).for_each(Sender::abandon);
        let stopped = join_all(self.scopes().map(|scope| scope.template.stop())).await;
        stopped.into_iter().collect()
    }

    /// Ends the brokers that live with the application.
    pub(super) fn end_own(&self) {
        self.iter().filter_map(|broker| broker.own_broker.as_ref()).for_each(Broker::stop);
    }
}
