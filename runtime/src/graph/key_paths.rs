//! Whether a listener's keys have the words that its arguments take.

use super::resolve::ResolvedListener;
use crate::error::StartFault;
use crate::listener::key_path::KeyPath;
use crate::state::PathShape;

/// Adds a fault for each `Path` that no message could fill, and for keys whose words differ.
pub(super) fn unmet_paths(listener: &ResolvedListener, faults: &mut Vec<StartFault>) {
    let plan = &listener.plan;
    let mut fault = |text: &str| {
        let text = format!("{}: {text}", plan.origin.by);
        faults.push(StartFault::new(text).at(plan.origin.file, plan.origin.line));
    };
    if let Some(text) = differing(listener) {
        return fault(&text);
    }
    let requirements = plan.function.requirements();
    for shape in requirements.paths() {
        match plan.key_paths.first() {
            Some(path) => unmet(*shape, path).iter().for_each(|text| fault(text)),
            None => fault(
                "`Path` takes the words in braces of a key, and no key has any; write \
                 `key = \"logs.{level}\"`",
            ),
        }
    }
}

/// How the words of its keys differ: a message has those of one key only.
fn differing(listener: &ResolvedListener) -> Option<String> {
    let [first, others @ ..] = &*listener.plan.key_paths else { return None };
    let help = "every key needs the same words in braces";
    if let Some(other) = others.iter().find(|other| !other.names().eq(first.names())) {
        return Some(format!("the keys '{}' and '{}' differ: {help}", first.key(), other.key()));
    }
    let queues = listener.queues.len().max(1);
    let keys = listener.bindings.len() / queues;
    (keys > listener.plan.key_paths.len()).then(|| {
        format!("the key '{}' has words in braces, and another has none: {help}", first.key())
    })
}

fn unmet(shape: PathShape, path: &KeyPath) -> Vec<String> {
    let (key, found) = (path.key(), path.names().len());
    match shape {
        PathShape::Any => Vec::new(),
        PathShape::Words(wanted) if wanted == found => Vec::new(),
        PathShape::Words(wanted) => {
            let words = if wanted == 1 { "1 word" } else { &format!("{wanted} words") };
            vec![format!(
                "`Path` takes {words}, and the key '{key}' has {found}; take as many as there are, \
                 or name another word"
            )]
        }
        PathShape::Fields(fields) => fields
            .iter()
            .filter(|field| path.names().all(|name| name != **field))
            .map(|field| {
                format!(
                    "`Path` takes a struct with the field `{field}`, and the key '{key}' has no \
                     `{{{field}}}`; write it into the key, or rename the field"
                )
            })
            .collect(),
    }
}
