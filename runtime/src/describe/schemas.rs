//! The schemas of what listeners take, in an AsyncAPI document: feature `schemars`. Without it there are
//! none.

use serde_json::{Map, Value};

use crate::listener::plan::ListenerPlan;

/// The schemas so far. They are those of JSON Schema's draft 7, which AsyncAPI's are a superset of.
#[derive(Debug)]
#[cfg_attr(not(feature = "schemars"), derive(Default))]
pub(super) struct Schemas {
    #[cfg(feature = "schemars")]
    generator: schemars::SchemaGenerator,
}

#[cfg(feature = "schemars")]
impl Default for Schemas {
    fn default() -> Self {
        let settings = schemars::generate::SchemaSettings::draft07();
        let settings = settings.with(|all| {
            all.definitions_path = "/components/schemas".into();
            all.meta_schema = None;
        });
        Self { generator: settings.into_generator() }
    }
}

impl Schemas {
    /// The schema of what a listener takes, or a reference to it; one that allows everything where it
    /// is not known.
    #[cfg(feature = "schemars")]
    pub(super) fn payload_of(&mut self, plan: &ListenerPlan) -> Value {
        match plan.function.requirements().payload_schema() {
            Some(schema) => (schema.make)(&mut self.generator).to_value(),
            None => Value::Object(Map::new()),
        }
    }

    /// One that allows everything: none is known.
    #[cfg(not(feature = "schemars"))]
    pub(super) fn payload_of(&mut self, _plan: &ListenerPlan) -> Value {
        Value::Object(Map::new())
    }

    /// What the references lead to; none if there are none.
    pub(super) fn into_definitions(self) -> Option<Map<String, Value>> {
        #[cfg(feature = "schemars")]
        let definitions = {
            let mut generator = self.generator;
            generator.take_definitions(true)
        };
        #[cfg(not(feature = "schemars"))]
        let definitions = Map::new();
        (!definitions.is_empty()).then_some(definitions)
    }
}
