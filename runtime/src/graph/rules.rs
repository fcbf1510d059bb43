//! What holds for all listeners of an application, whether they start with it or join it later.

use super::contradictions::contradictions;
use super::converting::choose_converter;
use super::key_paths::unmet_paths;
use super::placeholder::Placeholders;
use super::resolve::{ResolvedListener, resolve};
use super::source::ListenerSource;
use crate::convert::{MessageConverters, NamedConverters};
use crate::error::{Place, StartFault};
use crate::listener::policy::ErrorPolicies;
use crate::settings::Settings;
use crate::state::StateRegistry;

/// What the builder and the settings say of all listeners.
pub(crate) struct Rules<'a> {
    pub(crate) states: &'a StateRegistry,
    pub(crate) policies: &'a ErrorPolicies,
    pub(crate) named_converters: &'a NamedConverters,
    pub(crate) converters: &'a MessageConverters,
    pub(crate) placeholders: Placeholders<'a>,
    pub(crate) settings: &'a Settings,
}

impl Rules<'_> {
    /// The listener as it will run, if it could be made out, and every fault in it.
    pub(crate) fn resolve(
        &self,
        source: &ListenerSource<'_>,
        faults: &mut Vec<StartFault>,
    ) -> Option<ResolvedListener> {
        unmet_requirements(source, self.states, faults);
        let Place { file, line } = source.function.place;
        let contradictions = contradictions(source).into_iter();
        let contradictions = contradictions.map(|text| format!("listener `{}`: {text}", source.id));
        faults.extend(contradictions.map(|text| StartFault::new(text).at(file, line)));
        let mut listener = resolve(source, &self.placeholders, self.settings, faults)?;
        let plan = &mut listener.plan;
        choose_converter(plan, self.named_converters, self.converters, faults);
        plan.failure.on_errors = self.policies.of(&plan.id);
        unmet_paths(&listener, faults);
        Some(listener)
    }
}

/// What its arguments need and the application has not.
fn unmet_requirements(
    source: &ListenerSource<'_>,
    states: &StateRegistry,
    faults: &mut Vec<StartFault>,
) {
    let requirements = source.function.requirements();
    let Place { file, line } = source.function.place;
    if requirements.delivery_tags() > 1 {
        let text = format!(
            "listener `{}` takes more than one `DeliveryTag`, but a delivery is settled once; \
             take one and hand it on",
            source.id
        );
        faults.push(StartFault::new(text).at(file, line));
    }
    for type_name in states.missing(&requirements) {
        let text = format!(
            "listener `{}` needs a `State<{type_name}>`, but no value of that type is managed; \
             add `.manage(..)` with one to the builder",
            source.id
        );
        faults.push(StartFault::new(text).at(file, line));
    }
}
