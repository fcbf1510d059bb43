//! Definitions as RabbitMQ writes and reads them: JSON with users, virtual hosts, permissions,
//! policies, queues, exchanges and bindings.
//!
//! `json` parses, `entry` is JSON with the places in it, `read` and `policy` make `Definitions` of a
//! file, `write` makes a file of a broker, `arguments` turns field tables into JSON and back.

mod arguments;
mod entry;
mod json;
mod policy;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use springhare_amqp::ShortString;

use self::arguments::write_table;
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
    let imported = broker.import(definitions, report, |table| write_table(table).to_string())?;
    for warning in &imported.warnings {
        tracing::warn!(path = warning.path, "{}", warning.text);
    }
    Ok(imported)
}

/// What has to be known of a file before it is imported.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) virtual_hosts: Vec<ShortString>,
    pub(crate) has_users: bool,
}

impl Outline {
    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.virtual_hosts.extend(other.virtual_hosts);
        Self { has_users: self.has_users || other.has_users, ..self }
    }
}

/// The outline of a file. What is wrong with it is told when it is imported.
pub(crate) fn outline(json: &str) -> Outline {
    let (definitions, _) = read(json);
    Outline {
        has_users: !definitions.users.is_empty(),
        virtual_hosts: definitions.virtual_hosts.into_iter().map(|host| host.item.0).collect(),
    }
}
