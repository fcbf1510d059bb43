//! Definitions as RabbitMQ writes and reads them: JSON with users, virtual hosts, permissions,
//! policies, queues, exchanges and bindings.
//!
//! `entry` is JSON with the places in it, `read` makes [`Definitions`] of a file, `write` makes a
//! file of a broker, `arguments` turns field tables into JSON and back.

mod arguments;
mod entry;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

pub(crate) use self::read::read;
pub(crate) use self::write::{export, export_virtual_host};
use crate::engine::broker_cell::BrokerCell;
use crate::model::definitions::{DefinitionsError, Imported};

/// Imports a file: all of it, or nothing.
///
/// # Errors
///
/// All that is wrong with it.
pub(crate) fn import(broker: &Arc<BrokerCell>, json: &str) -> Result<Imported, DefinitionsError> {
    let (definitions, report) = read(json);
    let imported = broker.import(definitions, report)?;
    for warning in &imported.warnings {
        tracing::warn!(path = warning.path, "{}", warning.text);
    }
    Ok(imported)
}
