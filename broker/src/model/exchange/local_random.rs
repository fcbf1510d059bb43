//! The exchange type `x-local-random` (RabbitMQ 4): as `x-random`, but to queues of the node that
//! the message is published on alone, which here is the only one.

use crate::model::arguments::ArgumentError;
use crate::model::binding::{Binding, Destination};

/// Checks a binding from such an exchange.
///
/// # Errors
///
/// It has a key, or leads to an exchange. RabbitMQ refuses quorum queues and streams too, which may
/// be on other nodes there.
pub(crate) fn check_binding(binding: &Binding) -> Result<(), ArgumentError> {
    let refused = |key: &str, text: String| Err(ArgumentError::of(key, text));
    let key = binding.routing_key();
    match binding.destination() {
        _ if !key.is_empty() => {
            refused("routing_key", format!("Non empty binding '{key}' key not permitted"))
        }
        Destination::Exchange(_) => refused("destination", "Destination not found".to_owned()),
        Destination::Queue(_) => Ok(()),
    }
}
