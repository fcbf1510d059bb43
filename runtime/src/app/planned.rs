//! What an application declares and runs, told before and after its start.

use std::sync::Arc;

use super::expected::missing;
use super::template_defaults::template_defaults;
use super::{Springhare, SpringhareBuilder, layers};
use crate::describe::Description;
use crate::error::Fault;
use crate::graph::{Graph, GraphInput, check};
use crate::settings::{Environment, Placeholders, Settings};
use crate::template::TemplateDefaults;

/// An application as it is written and set up.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) graph: Graph,
    pub(super) settings: Settings,
    pub(super) template: TemplateDefaults,
    pub(super) faults: Vec<Fault>,
}

impl SpringhareBuilder {
    /// What the application declares and runs, and what is wrong with that.
    pub(crate) fn graph(&self) -> (Graph, Vec<Fault>) {
        let Planned { graph, faults, .. } = self.planned();
        (graph, faults)
    }

    /// Reads the settings, and makes the graph by them.
    pub(super) fn planned(&self) -> Planned {
        let mut faults = self.faults.clone();
        let environment = self.environment.clone().unwrap_or_else(Environment::of_process);
        let settings =
            Settings::read(&self.config, &environment, self.settings.clone(), &mut faults);
        let lookup = |name: &str| environment.get(name);
        let placeholders = Placeholders::new(&settings.own_properties, &lookup);
        let placeholders = placeholders.over(&settings.properties);
        let (graph, graph_faults) = check(GraphInput {
            endpoints: self.endpoints(),
            linked: Self::linked(),
            is_a_part: self.endpoints.is_some(),
            exchanges: self.exchanges.clone(),
            queues: self.queues.clone(),
            bindings: self.bindings.clone(),
            states: &self.states,
            policies: &self.policies,
            named_converters: &self.named_converters,
            converters: &self.converters,
            placeholders,
            settings: &settings,
        });
        faults.extend(graph_faults);
        let (chosen, linked) = (self.endpoints(), Self::linked());
        faults.extend(missing(&self.expected, &graph, &chosen, &linked, &placeholders));
        let ids = graph.listeners.iter().map(|plan| &*plan.id).collect();
        faults.extend(layers::of_nobody(&self.middleware, ids));
        let template = template_defaults(&settings, &mut faults);
        Planned { graph, settings, template, faults }
    }
}

impl Springhare {
    /// What it declares and runs, for a look at it: a table, a graph, a document.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description::of(&self.graph())
    }

    /// What it declares and runs.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.running.scope.graph()
    }
}
