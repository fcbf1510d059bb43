//! Who is killed next, and when.

use std::fmt;
use std::time::{Duration, Instant};

use springhare_rabbitmq::NODES;

use super::load::Load;
use crate::run;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A node, by its number.
    Node(usize),
    /// All connections, on all nodes.
    Connections,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(number) => write!(f, "node {number} was killed"),
            Self::Connections => write!(f, "all connections were closed"),
        }
    }
}

/// Whose turn it is: each node's, one after the other, and between two of them the connections'.
#[derive(Debug, Default)]
pub(super) struct Turns {
    last: Option<Turn>,
    /// The node that was killed last.
    node: usize,
}

impl Turns {
    /// The next one. Of three nodes only one may be down: as long as that which was killed last is
    /// not ready again, connections take the turn of the next one.
    ///
    /// # Errors
    ///
    /// When `is_ready` can't tell.
    pub(super) fn next<E>(
        &mut self,
        is_ready: impl FnOnce(usize) -> Result<bool, E>,
    ) -> Result<Turn, E> {
        let is_nodes_turn = match self.last {
            None => true,
            Some(Turn::Node(_)) => false,
            Some(Turn::Connections) => is_ready(self.node)?,
        };
        let turn = if is_nodes_turn {
            self.node = self.node % NODES + 1;
            Turn::Node(self.node)
        } else {
            Turn::Connections
        };
        self.last = Some(turn);
        Ok(turn)
    }
}

/// The times of a drill that runs. Something is killed every so often; a turn that comes late moves
/// those after it.
#[derive(Debug)]
pub(super) struct Schedule {
    since: Instant,
    every: Duration,
    duration: Duration,
}

impl Schedule {
    /// The drill begins now.
    #[expect(clippy::disallowed_methods, reason = "real nodes are killed in real time")]
    pub(super) fn start(every: Duration, duration: Duration) -> Self {
        Self { since: Instant::now(), every, duration }
    }

    /// How long the drill has been running.
    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits for the time of the next turn; false when the drill ends before that.
    ///
    /// # Errors
    ///
    /// When the load ends meanwhile.
    pub(super) fn wait_for_next(&self, load: &mut Load) -> run::Result<bool> {
        let elapsed = self.elapsed();
        let (wait, is_turn) = match next(elapsed, self.every) {
            at if at < self.duration => (at.saturating_sub(elapsed), true),
            _ => (self.duration.saturating_sub(elapsed), false),
        };
        load.run_for(wait)?;
        Ok(is_turn)
    }
}

/// When the next turn is: at the next whole multiple.
fn next(elapsed: Duration, every: Duration) -> Duration {
    let done = elapsed.as_millis() / every.as_millis().max(1);
    let millis = (done + 1).saturating_mul(every.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn nodes_and_connections_take_turns() {
        let mut turns = Turns::default();
        let mut next = |is_ready: bool| turns.next(|_| Ok::<_, Infallible>(is_ready)).unwrap();
        let first: Vec<_> = (0..5).map(|_| next(true)).collect();
        let expected =
            [Turn::Node(1), Turn::Connections, Turn::Node(2), Turn::Connections, Turn::Node(3)];
        assert_eq!(first, expected);
        // The third takes its time.
        let then: Vec<_> = [false, false, false, true].into_iter().map(next).collect();
        let expected = [Turn::Connections, Turn::Connections, Turn::Connections, Turn::Node(1)];
        assert_eq!(then, expected);
    }

    #[test]
    fn a_turn_that_is_late_moves_the_next_one() {
        let [every, second] = [5, 1].map(Duration::from_secs);
        assert_eq!(next(Duration::ZERO, every), every);
        assert_eq!(next(every - second, every), every);
        assert_eq!(next(every, every), 2 * every);
        assert_eq!(next(every + 4 * second, every), 2 * every);
        assert_eq!(next(2 * every + second, every), 3 * every);
    }
}
