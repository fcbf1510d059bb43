//! What an application declares and runs, told before and after its start.

use std::env;

use super::{Springhare, SpringhareBuilder};
use crate::error::Fault;
use crate::graph::{Graph, GraphInput, Placeholders, check};

impl SpringhareBuilder {
    /// What the application declares and runs, and what is wrong with that.
    pub(crate) fn graph(&self) -> (Graph, Vec<Fault>) {
        let environment = |name: &str| env::var(name).ok();
        let (graph, faults) = check(GraphInput {
            endpoints: self.endpoints(),
            exchanges: self.exchanges.clone(),
            queues: self.queues.clone(),
            bindings: self.bindings.clone(),
            states: &self.states,
            named_converters: &self.named_converters,
            converters: &self.converters,
            placeholders: Placeholders::new(&self.properties, &environment),
        });
        (graph, self.faults.iter().cloned().chain(faults).collect())
    }
}

impl Springhare {
    /// What it declares and runs.
    pub(crate) fn graph(&self) -> &Graph {
        self.running.scope.graph()
    }
}
