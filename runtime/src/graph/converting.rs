//! Which converters a listener has.

use crate::convert::{MessageConverters, NamedConverters};
use crate::error::StartFault;
use crate::listener::plan::ListenerPlan;

/// Gives a listener the application's converters, with its own before them if it names one; a name
/// that is not there is a fault.
pub(super) fn choose_converter(
    plan: &mut ListenerPlan,
    named: &NamedConverters,
    all: &MessageConverters,
    faults: &mut Vec<StartFault>,
) {
    let chosen = match &plan.converter.name {
        None => Ok(all.clone()),
        Some(name) => named.choose(name, all),
    };
    match chosen {
        Ok(chosen) => plan.converter.chosen = chosen,
        Err(text) => {
            let fault = StartFault::new(format!("listener `{}`: {text}", plan.id));
            faults.push(fault.at(plan.origin.file, plan.origin.line));
        }
    }
}
