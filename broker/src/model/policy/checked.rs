use springhare_amqp::FieldTable;

use super::pattern::PolicyPattern;
use super::setting::Setting;
use super::{ApplyTo, Policy, PolicyError, PolicyFault, PolicyKind};
use crate::model::access::Refused;
use crate::model::arguments::QueueType;
use crate::model::erlang::JsonTerms;

/// A policy of which everything was found right, ready to match names with.
#[derive(Debug, Clone)]
pub(crate) struct CheckedPolicy {
    policy: Policy,
    pattern: PolicyPattern,
}

impl CheckedPolicy {
    /// # Errors
    ///
    /// All that is wrong with the policy, in RabbitMQ's order.
    pub(crate) fn new(policy: Policy, kind: PolicyKind) -> Result<Self, PolicyError> {
        let mut faults = definition_faults(&policy.definition, kind);
        match PolicyPattern::new(&policy.pattern) {
            Ok(pattern) if faults.is_empty() => Ok(Self { policy, pattern }),
            Ok(_) => Err(PolicyError { faults }),
            Err(Refused { offset, fault }) => {
                let before = policy.pattern.get(..offset).unwrap_or(&policy.pattern);
                let character = before.chars().count() + 1;
                faults.push(PolicyFault::Pattern { character, fault });
                Err(PolicyError { faults })
            }
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether it counts for the queue.
    pub(super) fn matches_queue(&self, name: &str, queue_type: QueueType) -> bool {
        let applies = match self.policy.apply_to {
            ApplyTo::All | ApplyTo::Queues => true,
            ApplyTo::ClassicQueues => queue_type == QueueType::Classic,
            ApplyTo::QuorumQueues => queue_type == QueueType::Quorum,
            ApplyTo::Streams => queue_type == QueueType::Stream,
            ApplyTo::Exchanges => false,
        };
        let mut keys = self.policy.definition.iter().map(|(key, _)| key);
        applies
            && keys.all(|key| {
                Setting::find(key, PolicyKind::User).is_some_and(|it| it.is_for(queue_type))
            })
            && self.pattern.matches(name)
    }

    /// Whether it counts for the exchange.
    pub(super) fn matches_exchange(&self, name: &str) -> bool {
        matches!(self.policy.apply_to, ApplyTo::All | ApplyTo::Exchanges)
            && self.pattern.matches(name)
    }
}

/// What is wrong with a definition: values first, since RabbitMQ says nothing of unknown keys then.
fn definition_faults(definition: &FieldTable, kind: PolicyKind) -> Vec<PolicyFault> {
    if definition.is_empty() {
        return vec![PolicyFault::Empty];
    }
    // RabbitMQ has the keys in alphabetical order.
    let mut entries: Vec<_> = definition.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    let mut faults = Vec::new();
    let mut unknown = Vec::new();
    for (key, value) in entries {
        match Setting::find(key, kind) {
            None => unknown.push((key, value)),
            Some(setting) => faults.extend(setting.refusal(value).map(|text| {
                let key = key.to_string();
                PolicyFault::Value { key, text }
            })),
        }
    }
    let mut mirrors = definition.iter().map(|(key, _)| key).filter(|key| key.starts_with("ha-"));
    if !definition.contains("ha-mode")
        && let Some(key) = mirrors.next()
    {
        faults.push(PolicyFault::Value {
            key: key.to_string(),
            text: "ha-mode must be specified to specify ha-params, ha-sync-mode or \
                   ha-promote-on-shutdown"
                .to_owned(),
        });
    }
    if !unknown.is_empty() {
        let text = format!("{} are not recognised policy settings", JsonTerms(&unknown));
        let keys = unknown.iter().map(|(key, _)| key.to_string()).collect();
        faults.push(PolicyFault::UnknownKeys { keys, text });
    }
    faults
}
