//! A listener of faults (`fault_of`) consumes from the broker on which the messages are given up that it
//! reads: that of the listeners of their queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_amqp::ShortString;

use super::definition::{Origin, QueueNode};
use super::resolve::ResolvedListener;
use super::source::ListenerSource;
use crate::error::StartFault;
use crate::listener::plan::ListenerPlan;
use crate::settings::Settings;
use crate::template::ERROR_SUFFIX;

/// Whose faults a listener reads.
#[derive(Debug, Clone)]
pub(crate) struct FaultsOf {
    /// The queue, or the id of a listener whose queue has no name.
    queue: ShortString,
    /// It is said of the listener itself which broker it has, or by the profile that it names.
    says_broker: bool,
}

impl FaultsOf {
    /// Those that a listener reads which consumes from these queues, and has this profile; none if it
    /// reads none.
    pub(super) fn of(
        source: &ListenerSource<'_>,
        id: &str,
        queues: &[QueueNode],
        profile: Option<&str>,
        all: &Settings,
    ) -> Option<Self> {
        source.attributes.fault_of?;
        let queue = queues.first()?.name.strip_suffix(ERROR_SUFFIX)?;
        let (attribute, alone) = (&source.settings, all.set_alone(id));
        // What all have by default is no word about this one.
        let names_profile = attribute.profile.is_some() || alone.contains_key("profile");
        let profile = profile.filter(|_| names_profile);
        let says_broker = attribute.broker.is_some()
            || alone.contains_key("broker")
            || profile.is_some_and(|name| all.has_profile_a_broker(name));
        Some(Self { queue: ShortString::truncated(queue), says_broker })
    }
}

/// Gives each listener of faults its broker.
pub(super) fn follow(listeners: &mut [ResolvedListener], faults: &mut Vec<StartFault>) {
    let of = |listener: &ResolvedListener| listener.faults_of.as_ref().map(|of| of.queue.len());
    let mut readers: Vec<_> = listeners.iter().map(of).enumerate().collect();
    // Faults of faults come after those: their queue has the longer name.
    readers.sort_by_key(|(_, length)| *length);
    for (index, _) in readers.into_iter().filter(|(_, length)| length.is_some()) {
        let others = listeners.iter().map(|other| &other.plan);
        let Some(reader) = listeners.get(index) else { continue };
        match reader.broker_of_faults(others) {
            Ok(None) => {}
            Ok(Some(broker)) => {
                if let Some(reader) = listeners.get_mut(index) {
                    reader.plan.broker = broker;
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
}

impl ResolvedListener {
    /// The broker of those `others` whose faults it reads; none if it reads no faults, or has a
    /// broker that is said itself, or nobody here consumes from that queue.
    pub(crate) fn broker_of_faults<'p>(
        &self,
        others: impl Iterator<Item = &'p ListenerPlan>,
    ) -> Result<Option<Arc<str>>, StartFault> {
        let Some(FaultsOf { queue, says_broker }) = &self.faults_of else { return Ok(None) };
        let plan = &self.plan;
        let consumes = |other: &&ListenerPlan| {
            other.queues.contains(queue) || (other.anonymous && *other.id == **queue)
        };
        let consuming = others.filter(consumes);
        let consuming: BTreeMap<&Arc<str>, &ListenerPlan> =
            consuming.map(|other| (&other.broker, other)).collect();
        let Some((broker, other)) = consuming.first_key_value() else { return Ok(None) };
        if *says_broker && consuming.contains_key(&plan.broker) {
            return Ok(None);
        }
        if *says_broker {
            // They may be another program's.
            tracing::warn!(
                "listener `{}` reads the faults of queue '{queue}' on the broker `{}`, but `{}` \
                 consumes from it on the broker `{broker}`, and its messages are given up there: \
                 leave `broker` out, or name that one, if those are meant",
                plan.id,
                plan.broker,
                other.id
            );
            return Ok(None);
        }
        if consuming.len() > 1 {
            let brokers: Vec<String> = consuming.keys().map(|name| format!("`{name}`")).collect();
            let text = format!(
                "listener `{}` reads the faults of queue '{queue}', which is there on the brokers \
                 {}, each with faults of its own: say which one is meant with `broker = \"..\"`",
                plan.id,
                brokers.join(" and ")
            );
            return Err(at_both(text, &plan.origin, &other.origin));
        }
        Ok(Some(Arc::clone(broker)))
    }
}

fn at_both(text: String, one: &Origin, other: &Origin) -> StartFault {
    StartFault::new(text).at(one.file, one.line).at(other.file, other.line)
}
