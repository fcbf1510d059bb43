//! Three nodes that are to be one cluster.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::node::{Node, random_cookie};
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::eventually;

/// How many nodes a cluster has: with three, one can be lost.
pub const NODES: usize = 3;

/// The ports of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterPorts {
    /// Where each node listens for AMQP.
    pub amqp: [u16; NODES],
    /// Where each of them listens for the others, on an address of its own.
    pub peers: u16,
}

/// Where the nodes of a cluster are and how they find one another. Nothing runs by itself.
#[derive(Debug, Clone)]
pub struct ClusterLayout {
    nodes: [Node; NODES],
    ports: ClusterPorts,
}

impl ClusterLayout {
    /// A new cluster on free ports, with a directory for each node in `directory`.
    ///
    /// # Errors
    ///
    /// When no ports are free, and when the nodes' configurations can't be written or are there
    /// already.
    pub fn create(directory: &Path) -> io::Result<Self> {
        let layout = Self::at(directory, free_ports()?);
        let cookie = random_cookie()?;
        let [first, ..] = &layout.nodes;
        for node in &layout.nodes {
            node.configure_for(&cookie, &settings(node, first))?;
        }
        Ok(layout)
    }

    /// The cluster that was created in `directory` with these ports.
    #[must_use]
    pub fn at(directory: &Path, ports: ClusterPorts) -> Self {
        let [first, second, third] = ports.amqp;
        let node = |number: u8, port| {
            Node::new(number, port, ports.peers, directory.join(format!("node-{number}")))
        };
        Self { nodes: [node(1, first), node(2, second), node(3, third)], ports }
    }

    /// Its ports.
    #[must_use]
    pub fn ports(&self) -> ClusterPorts {
        self.ports
    }

    /// Its nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node; NODES] {
        &self.nodes
    }

    /// One of them, counted from 1.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn node(&self, number: usize) -> io::Result<&Node> {
        let node = number.checked_sub(1).and_then(|index| self.nodes.get(index));
        node.ok_or_else(|| no_node(number))
    }

    /// All addresses in one URL, as `SPRINGHARE_URL` takes it: a list for the case that a node is
    /// down.
    #[must_use]
    pub fn url(&self) -> String {
        let url = |node: &Node| format!("amqp://guest:guest@{}", node.address());
        self.nodes.each_ref().map(url).join(",")
    }

    /// Waits until these nodes take connections and all run in one cluster; each comes with its
    /// process.
    ///
    /// # Errors
    ///
    /// When one of them ends instead, or is not there in time.
    pub fn wait_until_ready(&self, started: &[(&Node, &Process)]) -> io::Result<()> {
        for (node, process) in started {
            node.wait_until_ready(process)?;
        }
        for (node, _) in started {
            let all_run = eventually(|| {
                let running = node.running_nodes()?;
                let all_run = started.iter().all(|(peer, _)| running.contains(&peer.name()));
                // A node that joins learns last which of these it may use.
                Ok((all_run && node.evaluate(HAS_QUORUM_QUEUES)? == "true").then_some(()))
            })?;
            all_run.ok_or_else(|| node.failure("does not find its peers"))?;
        }
        Ok(())
    }
}

const HAS_QUORUM_QUEUES: &str = "rabbit_feature_flags:is_enabled(quorum_queue, non_blocking)";

pub(crate) fn no_node(number: usize) -> io::Error {
    let text = format!("there is no node {number}; they are numbered from 1 to {NODES}");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn free_ports() -> io::Result<ClusterPorts> {
    let here = [Ipv4Addr::LOCALHOST];
    // Two that are the same are found out when they are used, and then others are tried.
    let amqp = [free_port(&here)?, free_port(&here)?, free_port(&here)?];
    let peers = free_port(&[1, 2, 3].map(|number| Ipv4Addr::new(127, 0, 0, number)))?;
    Ok(ClusterPorts { amqp, peers })
}

/// The first node makes the cluster, the others join it. They all start at once, so that those wait
/// for it; and since it waits for nobody, it takes no part in the lock of those that join, under
/// which they wait.
fn settings(node: &Node, first: &Node) -> String {
    let mut settings = "disk_free_limit.absolute = 1MB\n\
                        raft.wal_max_size_bytes = 67108864\n"
        .to_owned();
    if node.name() != first.name() {
        settings += &format!(
            "cluster_formation.peer_discovery_backend = classic_config\n\
             cluster_formation.classic_config.nodes.1 = {}\n\
             cluster_formation.classic_config.nodes.2 = {}\n\
             cluster_formation.discovery_retry_limit = 600\n\
             cluster_formation.discovery_retry_interval = 200\n",
            first.name(),
            node.name()
        );
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_found_again_by_its_ports() {
        let directory = tempfile::tempdir().unwrap();
        let created = ClusterLayout::create(directory.path()).unwrap();
        let found = ClusterLayout::at(directory.path(), created.ports());
        for (created, found) in created.nodes().iter().zip(found.nodes()) {
            assert_eq!(created.name(), found.name());
            assert_eq!(created.address(), found.address());
            assert!(found.directory().join("rabbitmq.conf").is_file());
        }
        assert!(ClusterLayout::create(directory.path()).is_err(), "there is one already");
        let error = found.node(0).unwrap_err().to_string();
        assert!(error.contains("there is no node 0"), "{error}");
        assert!(found.node(4).is_err());
        let ports = ClusterPorts { amqp: [20_001, 20_002, 20_003], peers: 20_004 };
        let url = ClusterLayout::at(directory.path(), ports).url();
        let expected = "amqp://guest:guest@127.0.0.1:20001,amqp://guest:guest@127.0.0.1:20002,\
                        amqp://guest:guest@127.0.0.1:20003";
        assert_eq!(url, expected);
    }
}
