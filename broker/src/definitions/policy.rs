use serde_json::{Map, Value};
use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::arguments::read_table;
use super::entry::{Entry, found, key_path};
use crate::model::definitions::{FaultKind, Report};
use crate::model::policy::{CheckedPolicy, Policy, PolicyFault, PolicyKind};

/// The keys of a policy.
pub(super) const POLICY_KEYS: [&str; 6] =
    ["vhost", "name", "pattern", "apply-to", "definition", "priority"];

/// Reads what a policy is beside its virtual host; none if it is wrong, or only for a plugin.
pub(super) fn policy(
    name: &str,
    entry: &Entry<'_>,
    kind: PolicyKind,
    report: &mut Report,
) -> Option<CheckedPolicy> {
    let pattern = entry.text("pattern", report);
    let priority = entry.optional_integer("priority", report).unwrap_or_default();
    let apply_to = match entry.optional_text("apply-to", report).unwrap_or("all").parse() {
        Ok(apply_to) => Some(apply_to),
        Err(unknown) => {
            report.fault(entry.path_of("apply-to"), unknown);
            None
        }
    };
    let definition = definition(entry, kind, report);
    let mut policy = Policy::new(name, pattern?).apply_to(apply_to?).priority(priority);
    policy.definition = definition?;
    CheckedPolicy::new(policy, kind)
        .map_err(|error| {
            for fault in error.faults() {
                report.fault(place_of(fault, entry), fault.clone());
            }
        })
        .ok()
}

/// What a policy says, in which nothing may stand for a value too: it is refused as any other.
///
/// What is for a plugin of RabbitMQ is left out, and so is a policy that says nothing else.
fn definition(entry: &Entry<'_>, kind: PolicyKind, report: &mut Report) -> Option<FieldTable> {
    let path = entry.path_of("definition");
    let fields = match entry.get("definition") {
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            let kind = FaultKind::WrongType { expected: "an object", found: found(other) };
            report.fault(path, kind);
            return None;
        }
        None => {
            report.fault(&entry.path, FaultKind::Missing { key: "definition" });
            return None;
        }
    };
    let is_for_plugin = |key: &str| kind == PolicyKind::User && is_for_plugin(key);
    let (left_out, known): (Map<_, _>, Map<_, _>) =
        fields.clone().into_iter().partition(|(key, _)| is_for_plugin(key));
    for key in left_out.keys() {
        report.warn(key_path(&path, key), "this is for a plugin that is not here: left out");
    }
    if known.is_empty() && !left_out.is_empty() {
        report.warn(&entry.path, "this policy says nothing else: left out");
        return None;
    }
    let (some, nothing): (Map<_, _>, Map<_, _>) =
        known.into_iter().partition(|(_, value)| !value.is_null());
    let mut table = read_table(&path, &some, report);
    for name in nothing.keys() {
        table.set(ShortString::truncated(name), FieldValue::Void);
    }
    Some(table)
}

/// Whether RabbitMQ knows the key of a policy by a plugin alone: those for federation and sharding.
fn is_for_plugin(key: &str) -> bool {
    key.starts_with("federation-") || matches!(key, "shards-per-node" | "routing-key")
}

/// Where a fault of a policy stands.
fn place_of(fault: &PolicyFault, entry: &Entry<'_>) -> String {
    let definition = entry.path_of("definition");
    match fault {
        PolicyFault::Value { key, .. } => key_path(&definition, key),
        PolicyFault::UnknownKeys { keys, .. } => match &keys[..] {
            [key] => key_path(&definition, key),
            _ => definition,
        },
        PolicyFault::Empty => definition,
        PolicyFault::Pattern { .. } => entry.path_of("pattern"),
    }
}
