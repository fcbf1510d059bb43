use std::collections::HashSet;

use springhare_amqp::{FieldTable, ShortString};

use crate::engine::queue_cell::QueueRef;
use crate::model::binding::{Binding, Destination};
use crate::model::topology::Topology;

/// Bindings that a file can't tell apart: a binding's arguments are its identity with the types of
/// their values, and JSON has fewer types. What was exported from a binding is that binding, and
/// not another beside it, which would keep on routing when an application unbinds its own.
#[derive(Debug)]
pub(super) struct Twins {
    write: WriteArguments,
    /// Those with arguments that were there before the import; none as long as nobody asked.
    present: Option<HashSet<Written>>,
}

/// How a file writes arguments.
pub(super) type WriteArguments = fn(&FieldTable) -> String;

/// What a file says of a binding.
type Written = (ShortString, Destination, ShortString, String);

impl Twins {
    pub(super) fn new(write: WriteArguments) -> Self {
        Self { write, present: None }
    }

    /// Whether a binding is there that a file writes as it writes this one.
    pub(super) fn has_one_of(&mut self, binding: &Binding, topology: &Topology<QueueRef>) -> bool {
        if binding.arguments().is_empty() || topology.has_binding(binding) {
            return false;
        }
        let written = |binding: &Binding| -> Written {
            let (source, destination) = (binding.source(), binding.destination());
            let key = binding.routing_key();
            (source.clone(), destination.clone(), key.clone(), (self.write)(binding.arguments()))
        };
        let present = self.present.get_or_insert_with(|| {
            let with_arguments =
                topology.bindings().filter(|binding| !binding.arguments().is_empty());
            with_arguments.map(written).collect()
        });
        present.contains(&written(binding))
    }
}
