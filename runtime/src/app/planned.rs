//! What an application declares and runs, told before and after its start.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;

use super::expected::missing;
use super::listener::{Lent, Listener};
use super::template_defaults::template_defaults;
use super::{Springhare, SpringhareBuilder, layers};
use crate::describe::Description;
use crate::error::StartFault;
use crate::graph::{Declarations, Graph, GraphInput, Rules, check};
use crate::listener::endpoint::RabbitListenerEndpoint;
use crate::settings::{
    BrokerSettings, Environment, MAIN_BROKER, Placeholders, RabbitmqSettings, Settings,
};
use crate::template::TemplateDefaults;

/// An application as it is written and set up.
#[derive(Debug)]
pub(super) struct Planned {
    /// The broker of `[rabbitmq]`.
    pub(super) main: PlannedBroker,
    /// Those that have a name, sorted by it.
    pub(super) named: Vec<PlannedBroker>,
    pub(super) faults: Vec<StartFault>,
    pub(super) settings: Settings,
}

/// One of its brokers.
#[derive(Debug)]
pub(super) struct PlannedBroker {
    pub(super) name: Arc<str>,
    pub(super) settings: RabbitmqSettings,
    pub(super) template: TemplateDefaults,
    pub(super) graph: Graph,
}

impl PlannedBroker {
    fn new(
        name: &str,
        settings: &BrokerSettings,
        graphs: &mut BTreeMap<Arc<str>, Graph>,
        faults: &mut Vec<StartFault>,
    ) -> Self {
        let table = if name == MAIN_BROKER { name.to_owned() } else { format!("brokers.{name}") };
        Self {
            name: Arc::from(name),
            settings: settings.rabbitmq.clone(),
            template: template_defaults(&table, settings, faults),
            graph: graphs.remove(name).unwrap_or_default(),
        }
    }

    pub(super) fn is_main(&self) -> bool {
        &*self.name == MAIN_BROKER
    }
}

impl Planned {
    /// What it declares and runs, for a look at it.
    pub(super) fn description(&self) -> Description {
        let brokers = iter::once(&self.main).chain(&self.named);
        Description::of(brokers.map(|broker| (&broker.name, &broker.graph)))
    }
}

impl SpringhareBuilder {
    /// What the application declares and runs on the broker of `[rabbitmq]`, and what is wrong with
    /// all of it.
    pub(crate) fn graph(&self) -> (Graph, Vec<StartFault>) {
        let Planned { main, faults, .. } = self.planned();
        (main.graph, faults)
    }

    /// Reads the settings, and makes the graphs by them.
    pub(super) fn planned(&self) -> Planned {
        let mut faults = self.faults.clone();
        let environment = self.environment.clone().unwrap_or_else(Environment::of_process);
        let settings =
            Settings::read(&self.config, &environment, self.settings.clone(), &mut faults);
        let lookup = |name: &str| environment.get(name);
        let placeholders = Placeholders::new(&settings.own_properties, &lookup);
        let placeholders = placeholders.over(&settings.properties);
        let made: Vec<Lent<'_>> = self.made.iter().map(Listener::lend).collect();
        let (mut graphs, graph_faults) = check(GraphInput {
            endpoints: self.endpoints(),
            made: made.iter().map(Lent::source).collect(),
            linked: Self::linked(),
            is_a_part: self.endpoints.is_some(),
            declared: self.declared(),
            rules: Rules {
                states: &self.states,
                policies: &self.policies,
                named_converters: &self.named_converters,
                converters: &self.converters,
                placeholders,
                settings: &settings,
            },
        });
        faults.extend(graph_faults);
        let listeners = || graphs.values().flat_map(Graph::listeners);
        let ids: Vec<&str> = listeners().map(|plan| &*plan.id).collect();
        let named = self.endpoints().into_iter().map(RabbitListenerEndpoint::id);
        let named = named.chain(made.iter().map(|lent| lent.id().to_owned()));
        let linked = Self::linked().into_iter().map(RabbitListenerEndpoint::id);
        faults.extend(missing(&self.expected, &ids, named, linked, &placeholders));
        let plan_of = |id: &str| listeners().map(|plan| &**plan).find(|plan| &*plan.id == id);
        faults.extend(layers::of_nobody(&self.middleware, plan_of));
        let used = graphs.keys().map(|name| name.to_string());
        let mut names: BTreeSet<String> =
            settings.brokers.names().into_iter().chain(used).collect();
        names.remove(MAIN_BROKER);
        faults.extend(settings.brokers.unknown_variables(&names));
        faults.extend(settings.brokers.ambiguous_variables(&names));
        let main = PlannedBroker::new(MAIN_BROKER, &settings.main, &mut graphs, &mut faults);
        let mut named = Vec::new();
        for name in &names {
            let settings = settings.brokers.settings(name, &settings.main, &mut faults);
            named.push(PlannedBroker::new(name, &settings, &mut graphs, &mut faults));
        }
        Planned { main, named, faults, settings }
    }

    /// What the builder declares on each broker.
    fn declared(&self) -> BTreeMap<Arc<str>, Declarations> {
        let named = self.brokers.iter();
        let named = named.map(|(name, broker)| (Arc::from(name.as_str()), broker.declared.clone()));
        named.chain([(Arc::from(MAIN_BROKER), self.declared.clone())]).collect()
    }
}

impl Springhare {
    /// What it declares and runs, for a look at it: a table, a graph, a document.
    #[must_use]
    pub fn describe(&self) -> Description {
        let graphs: Vec<_> = self.graphs().collect();
        Description::of(graphs.iter().map(|(name, graph)| (*name, &**graph)))
    }

    /// What it declares and runs, by the broker's name.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = (&Arc<str>, Arc<Graph>)> {
        self.running.brokers.iter().map(|broker| (&broker.name, broker.scope.graph()))
    }
}
