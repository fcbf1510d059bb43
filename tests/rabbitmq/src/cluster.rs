//! Three nodes in one cluster, which end with the process that started them.

use std::io;
use std::iter;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::evaluation::string_literal;
use crate::keeper::Keeper;
use crate::layout::{ClusterLayout, NODES, no_node};
use crate::node::Node;
use crate::process::Process;
use crate::rabbitmq::ATTEMPTS;

/// A cluster of three RabbitMQ nodes, numbered from 1. Dropping it ends them all and removes their
/// directories.
#[derive(Debug)]
pub struct Cluster {
    layout: ClusterLayout,
    /// None for a node that is down.
    keepers: [Option<Keeper>; NODES],
    directory: TempDir,
}

impl Cluster {
    /// Starts a cluster and waits until all its nodes take connections. On an idle machine with two
    /// cores that takes about fifteen seconds.
    ///
    /// # Errors
    ///
    /// When RabbitMQ is not installed, or a node does not come up within five minutes.
    pub fn up() -> io::Result<Self> {
        let mut last = io::Error::other("not tried");
        for _ in 0..ATTEMPTS {
            match Self::up_once() {
                Ok(cluster) => return Ok(cluster),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn up_once() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("springhare-cluster-").tempdir()?;
        let layout = ClusterLayout::create(directory.path())?;
        let mut cluster = Self { layout, keepers: [const { None }; NODES], directory };
        cluster.start_all()?;
        Ok(cluster)
    }

    /// Where its nodes listen, those that are down included.
    #[must_use]
    pub fn addresses(&self) -> [SocketAddr; NODES] {
        self.layout.nodes().each_ref().map(Node::address)
    }

    /// All addresses in one URL, as `SPRINGHARE_URL` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        self.layout.url()
    }

    /// One of its nodes.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn node(&self, number: usize) -> io::Result<&Node> {
        self.layout.node(number)
    }

    /// The process of a node; None while it is down.
    #[must_use]
    pub fn process(&self, number: usize) -> Option<&Process> {
        let keeper = number.checked_sub(1).and_then(|index| self.keepers.get(index))?;
        keeper.as_ref().map(Keeper::process)
    }

    /// Ends a node in the middle of what it does, with a signal that it can't handle. Nothing
    /// happens if it is down already.
    ///
    /// # Errors
    ///
    /// When there is no such node, or what holds it is gone.
    pub fn kill(&mut self, number: usize) -> io::Result<()> {
        self.keeper(number)?.take().map_or(Ok(()), Keeper::kill)
    }

    /// Starts a node that was killed and waits until it runs in the cluster. When all are down, the
    /// first to start would wait for those that were up last: [`start_all`](Self::start_all) is for
    /// that.
    ///
    /// # Errors
    ///
    /// When there is no such node, or it does not come up within five minutes; it is down then.
    pub fn start(&mut self, number: usize) -> io::Result<()> {
        self.launch(number)?;
        if let Err(error) = self.wait_until_ready() {
            self.kill(number)?;
            return Err(error);
        }
        Ok(())
    }

    /// Starts a node that was killed, without waiting: [`is_ready`](Self::is_ready) tells when it is
    /// there. Nothing happens if it is up.
    ///
    /// # Errors
    ///
    /// When there is no such node, or no process can be started.
    pub fn launch(&mut self, number: usize) -> io::Result<()> {
        if self.keeper(number)?.is_none() {
            let node = self.layout.node(number)?;
            let keeper = Keeper::start(node, self.directory.path())?;
            *self.keeper(number)? = Some(keeper);
        }
        Ok(())
    }

    /// Whether a node takes connections; false while it is down.
    ///
    /// # Errors
    ///
    /// When there is no such node, or it has ended without being killed; with what it printed.
    pub fn is_ready(&self, number: usize) -> io::Result<bool> {
        let node = self.layout.node(number)?;
        match self.process(number) {
            None => Ok(false),
            Some(process) if process.has_ended()? => Err(node.failure("has ended")),
            Some(_) => Ok(node.greets()),
        }
    }

    /// Starts all nodes that are down, at the same time, and waits until all run in the cluster.
    ///
    /// # Errors
    ///
    /// When one does not come up within five minutes.
    pub fn start_all(&mut self) -> io::Result<()> {
        for (node, keeper) in iter::zip(self.layout.nodes(), &mut self.keepers) {
            if keeper.is_none() {
                *keeper = Some(Keeper::start(node, self.directory.path())?);
            }
        }
        self.wait_until_ready()
    }

    /// The number of the node that leads this quorum queue of the virtual host `/`, as a node that
    /// runs knows it.
    ///
    /// # Errors
    ///
    /// When no node runs, or there is no such queue.
    pub fn leader_of(&self, queue: &str) -> io::Result<usize> {
        let mut running = iter::zip(self.layout.nodes(), &self.keepers);
        let asked = running.find(|(_, keeper)| keeper.is_some()).map(|(node, _)| node);
        let asked = asked.ok_or_else(|| io::Error::other("no node of the cluster runs"))?;
        let queue = string_literal(queue);
        let name = asked.evaluate(&format!(
            "Name = rabbit_misc:r(<<\"/\">>, queue, list_to_binary({queue})), \
             {{ok, Queue}} = rabbit_amqqueue:lookup(Name), \
             {{_, Node}} = amqqueue:get_pid(Queue), \
             Node"
        ))?;
        let name = name.trim_matches('\'');
        let leader = self.layout.nodes().iter().position(|node| node.name() == name);
        leader.map(|index| index + 1).ok_or_else(|| {
            io::Error::other(format!("{name}, which leads {queue}, is not of this cluster"))
        })
    }

    fn keeper(&mut self, number: usize) -> io::Result<&mut Option<Keeper>> {
        let keeper = number.checked_sub(1).and_then(|index| self.keepers.get_mut(index));
        keeper.ok_or_else(|| no_node(number))
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        let nodes = iter::zip(self.layout.nodes(), &self.keepers);
        let started = nodes.filter_map(|(node, keeper)| Some((node, keeper.as_ref()?.process())));
        self.layout.wait_until_ready(&started.collect::<Vec<_>>())
    }
}
