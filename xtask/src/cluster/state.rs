//! What is known of a cluster that outlives the command that started it: a file in its directory.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use springhare_rabbitmq::{ClusterLayout, ClusterPorts, NODES};

use crate::run::Result;

/// The ports of a cluster and the processes of its nodes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    amqp_ports: [u16; NODES],
    peer_port: u16,
    /// The process that each node was started as last; by now it may have ended.
    process_ids: [Option<u32>; NODES],
}

impl State {
    /// Of a cluster that was not started yet.
    pub(super) fn of(layout: &ClusterLayout) -> Self {
        let ClusterPorts { amqp, peers } = layout.ports();
        Self { amqp_ports: amqp, peer_port: peers, process_ids: [None; NODES] }
    }

    /// Whether there is a cluster in the directory.
    pub(super) fn exists(directory: &Path) -> bool {
        file(directory).exists()
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// When there is no cluster in the directory, or the file is not what was written.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let file = file(directory);
        let text = fs::read(&file).map_err(|error| {
            let place = directory.display();
            format!("no cluster in {place}, 'cargo xtask cluster up' starts one: {error}")
        })?;
        let state = serde_json::from_slice(&text);
        state.map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub(super) fn write(&self, directory: &Path) -> Result {
        let new = directory.join("cluster.json.new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        Ok(fs::rename(new, file(directory))?)
    }

    /// Forgets the cluster.
    ///
    /// # Errors
    ///
    /// When the file can't be removed.
    pub(super) fn remove(directory: &Path) -> Result {
        Ok(fs::remove_file(file(directory))?)
    }

    /// Its nodes.
    pub(super) fn layout(&self, directory: &Path) -> ClusterLayout {
        let ports = ClusterPorts { amqp: self.amqp_ports, peers: self.peer_port };
        ClusterLayout::at(directory, ports)
    }

    /// The process that a node, counted from 1, was started as last.
    pub(super) fn process_id(&self, number: usize) -> Option<u32> {
        let index = number.checked_sub(1)?;
        self.process_ids.get(index).copied().flatten()
    }

    /// Remembers the process of a node, counted from 0.
    pub(super) fn set(&mut self, index: usize, process_id: u32) {
        if let Some(slot) = self.process_ids.get_mut(index) {
            *slot = Some(process_id);
        }
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("cluster.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        assert!(!State::exists(directory));
        let error = State::read(directory).unwrap_err().to_string();
        assert!(error.contains("cargo xtask cluster up"), "{error}");
        let layout = ClusterLayout::create(directory).unwrap();
        let mut state = State::of(&layout);
        state.set(1, 4711);
        state.write(directory).unwrap();
        assert!(State::exists(directory));
        let read = State::read(directory).unwrap();
        assert_eq!(read, state);
        assert_eq!(read.layout(directory).ports(), layout.ports());
        assert_eq!(
            [0, 1, 2, 3, 4].map(|n| read.process_id(n)),
            [None, None, Some(4711), None, None]
        );
        State::remove(directory).unwrap();
        assert!(!State::exists(directory));
    }
}
