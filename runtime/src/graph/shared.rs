use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Graph;

/// The graph of a running application, which changes by what is declared and deleted by hand.
///
/// Who declares it and who changes it exclude each other: what was deleted does not come back by a
/// redeclaration that had begun before, and what was declared is not left out of one.
#[derive(Debug)]
pub(crate) struct SharedGraph {
    current: ArcSwap<Graph>,
    /// Read by who declares, written by who changes. Who wants it has its connection already:
    /// opening one declares.
    declaring: RwLock<()>,
}

/// The graph, while nobody changes it.
#[derive(Debug)]
pub(crate) struct Declaring<'g> {
    graph: Arc<Graph>,
    _nobody_changes: RwLockReadGuard<'g, ()>,
}

/// The graph for the only one who changes it, while nobody declares.
#[derive(Debug)]
pub(crate) struct Changing<'g> {
    shared: &'g SharedGraph,
    before: Arc<Graph>,
    _nobody_declares: RwLockWriteGuard<'g, ()>,
}

impl SharedGraph {
    pub(crate) fn new(graph: Graph) -> Self {
        Self { current: ArcSwap::from_pointee(graph), declaring: RwLock::new(()) }
    }

    /// The graph as it is now.
    pub(crate) fn load(&self) -> Arc<Graph> {
        self.current.load_full()
    }

    pub(crate) async fn declaring(&self) -> Declaring<'_> {
        let guard = self.declaring.read().await;
        Declaring { graph: self.load(), _nobody_changes: guard }
    }

    pub(crate) async fn changing(&self) -> Changing<'_> {
        let guard = self.declaring.write().await;
        Changing { shared: self, before: self.load(), _nobody_declares: guard }
    }
}

impl Deref for Declaring<'_> {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

impl Changing<'_> {
    /// The graph as it was.
    pub(crate) fn before(&self) -> &Graph {
        &self.before
    }

    /// From now on this is the graph.
    pub(crate) fn set(&self, graph: Graph) {
        self.shared.current.store(Arc::new(graph));
    }

    /// It stays as it was.
    pub(crate) fn take_back(self) {
        self.shared.current.store(self.before);
    }
}
