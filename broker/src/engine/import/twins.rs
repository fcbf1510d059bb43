use std::collections::HashSet;

use springhare_amqp::ShortString;

use crate::definitions::write_table;
use crate::engine::queue_cell::QueueRef;
use crate::model::binding::{Binding, Destination};
use crate::model::topology::Topology;

/// Bindings that a file can't tell apart: a binding's arguments are its identity with the types of
/// their values, and JSON has fewer types. What was exported from a binding is that binding, and
/// not another beside it, which would keep on routing when an application unbinds its own.
#[derive(Debug, Default)]
pub(super) struct Twins {
    /// Those with arguments that were there before the import; none as long as nobody asked.
    present: Option<HashSet<Written>>,
}

/// What a file says of a binding.
type Written = (ShortString, Destination, ShortString, String);

impl Twins {
    /// Whether a binding is there that a file writes as it writes this one.
    pub(super) fn has_one_of(&mut self, binding: &Binding, topology: &Topology<QueueRef>) -> bool {
        if binding.arguments().is_empty() || topology.has_binding(binding) {
            return false;
        }
        let present = self.present.get_or_insert_with(|| {
            let with_arguments =
                topology.bindings().filter(|binding| !binding.arguments().is_empty());
            with_arguments.map(written).collect()
        });
        present.contains(&written(binding))
    }
}

fn written(binding: &Binding) -> Written {
    let arguments = write_table(binding.arguments()).to_string();
    (
        binding.source().clone(),
        binding.destination().clone(),
        binding.routing_key().clone(),
        arguments,
    )
}
