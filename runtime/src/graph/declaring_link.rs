use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use springhare_broker::Clock;

use super::redeclare::declare_shared;
use super::shared::SharedGraph;
use crate::connection::{DeliveryCounting, Link, LinkConnection, LinkFuture};

/// The way to the broker for who publishes: a connection that replaces a lost one comes with the
/// graph declared, since the broker may have forgotten it, and the first publish on it may come
/// before any listener is back.
#[derive(Debug)]
pub(crate) struct DeclaringLink {
    link: Arc<dyn Link>,
    graph: Arc<SharedGraph>,
    /// The next connection finds everything declared.
    is_declared: AtomicBool,
}

impl DeclaringLink {
    pub(crate) fn new(link: Arc<dyn Link>, graph: Arc<SharedGraph>) -> Self {
        Self { link, graph, is_declared: AtomicBool::new(false) }
    }

    /// All was declared just now: the next connection need not do it again.
    pub(crate) fn is_declared(&self) {
        self.is_declared.store(true, Ordering::Release);
    }
}

impl Link for DeclaringLink {
    fn describe(&self) -> String {
        self.link.describe()
    }

    fn clock(&self) -> &Clock {
        self.link.clock()
    }

    fn virtual_host(&self) -> &str {
        self.link.virtual_host()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.link.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let connection = self.link.connect(name).await?;
            if !self.is_declared.swap(false, Ordering::AcqRel) {
                let graph = self.graph.declaring().await;
                for fault in declare_shared(&connection, &graph).await {
                    tracing::error!(%fault, "not all could be declared for publishing");
                }
            }
            Ok(connection)
        })
    }
}
