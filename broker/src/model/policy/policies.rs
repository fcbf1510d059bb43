use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{CheckedPolicy, EffectivePolicy, PolicyKind};
use crate::model::arguments::QueueType;

/// The policies of a virtual host, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policies {
    user: BTreeMap<String, CheckedPolicy>,
    operator: BTreeMap<String, CheckedPolicy>,
}

/// What a policy is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    Queue(&'a str, QueueType),
    Exchange(&'a str),
}

impl Policies {
    /// Adds a policy, or puts it in the place of the one of its name.
    pub(crate) fn set(&mut self, kind: PolicyKind, policy: CheckedPolicy) {
        let name = policy.policy().name.clone();
        self.of_kind_mut(kind).insert(name, policy);
    }

    /// Takes a policy out; whether it was there.
    pub(crate) fn clear(&mut self, kind: PolicyKind, name: &str) -> bool {
        self.of_kind_mut(kind).remove(name).is_some()
    }

    /// All policies of a kind, by their names.
    pub(crate) fn of_kind(&self, kind: PolicyKind) -> impl Iterator<Item = &CheckedPolicy> {
        let policies = match kind {
            PolicyKind::User => &self.user,
            PolicyKind::Operator => &self.operator,
        };
        policies.values()
    }

    /// What the policies come to that match a queue or an exchange.
    pub(crate) fn effective(&self, target: Target<'_>) -> EffectivePolicy {
        EffectivePolicy::of(
            self.matching(PolicyKind::User, target),
            self.matching(PolicyKind::Operator, target),
        )
    }

    /// The one that counts: of those with the same priority RabbitMQ takes any, and this the first.
    fn matching(&self, kind: PolicyKind, target: Target<'_>) -> Option<&CheckedPolicy> {
        let matching = self.of_kind(kind).filter(|policy| match target {
            Target::Queue(name, queue_type) => policy.matches_queue(name, queue_type),
            Target::Exchange(name) => policy.matches_exchange(name),
        });
        matching.min_by_key(|policy| Reverse(policy.policy().priority))
    }

    fn of_kind_mut(&mut self, kind: PolicyKind) -> &mut BTreeMap<String, CheckedPolicy> {
        match kind {
            PolicyKind::User => &mut self.user,
            PolicyKind::Operator => &mut self.operator,
        }
    }
}
