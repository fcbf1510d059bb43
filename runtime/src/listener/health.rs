//! Whether an application's listeners do what they are there for.

use std::fmt;

/// The health of an application: what [`Springhare::health`](crate::Springhare::health) saw.
///
/// ```
/// use springhare::prelude::*;
///
/// # async fn example(app: &Springhare) {
/// let health = app.health();
/// if !health.is_up() {
///     eprintln!("{health}");
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    listeners: Vec<ListenerHealth>,
}

/// The health of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerHealth {
    id: String,
    status: ListenerStatus,
}

/// What a listener does right now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerStatus {
    /// All its consumers consume.
    Consuming,
    /// It is to consume and has not yet: the broker was not there when the application started.
    Starting {
        /// What it waits for.
        reason: String,
    },
    /// A consumer of it was lost and is not back yet.
    Recovering {
        /// What was lost, or why the last attempt failed.
        reason: String,
    },
    /// Its consumer is to be the only one of its queue (`exclusive_consumer`), and another has the
    /// queue: it takes over when that is gone. Nothing is wrong with that.
    StandingBy {
        /// What the broker says to it.
        reason: String,
    },
    /// It was paused, as the user wants it, until it is resumed.
    Paused,
    /// It was stopped, or never started, as the user wants it. Nothing is wrong with that.
    Stopped,
}

impl Health {
    pub(crate) fn new(listeners: Vec<ListenerHealth>) -> Self {
        Self { listeners }
    }

    /// Whether every listener that is to consume does.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.listeners.iter().all(ListenerHealth::is_up)
    }

    /// Every listener, sorted by id.
    #[must_use]
    pub fn listeners(&self) -> &[ListenerHealth] {
        &self.listeners
    }
}

impl ListenerHealth {
    pub(crate) fn new(id: &str, status: ListenerStatus) -> Self {
        Self { id: id.to_owned(), status }
    }

    /// The listener's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it does.
    #[must_use]
    pub fn status(&self) -> &ListenerStatus {
        &self.status
    }

    /// Whether it consumes, stands by, or is not meant to.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(
            self.status,
            ListenerStatus::Consuming
                | ListenerStatus::StandingBy { .. }
                | ListenerStatus::Paused
                | ListenerStatus::Stopped
        )
    }
}

/// `up`, or `down` with each listener that does not consume and why.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_up() { "up" } else { "down" })?;
        let down = self.listeners.iter().filter(|listener| !listener.is_up());
        for (index, listener) in down.enumerate() {
            write!(f, "{} {listener}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// `listener `orders` is recovering: its queue was deleted`.
impl fmt::Display for ListenerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listener `{}` {}", self.id, self.status)
    }
}

/// What stands behind the listener's name: `consumes`.
impl fmt::Display for ListenerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consuming => f.write_str("consumes"),
            Self::Starting { reason } => write!(f, "is starting: {reason}"),
            Self::Recovering { reason } => write!(f, "is recovering: {reason}"),
            Self::StandingBy { reason } => write!(f, "stands by: {reason}"),
            Self::Paused => f.write_str("is paused"),
            Self::Stopped => f.write_str("is stopped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listener_that_should_consume_and_does_not_makes_it_down() {
        let up = [
            ListenerHealth::new("a", ListenerStatus::Consuming),
            ListenerHealth::new("b", ListenerStatus::Stopped),
        ];
        assert_eq!(Health::new(up.to_vec()).to_string(), "up");
        let lost = ListenerStatus::Recovering { reason: "its queue is gone".to_owned() };
        let waits = ListenerStatus::Starting { reason: "no broker".to_owned() };
        let down = [ListenerHealth::new("c", lost), ListenerHealth::new("d", waits)];
        let health = Health::new(up.into_iter().chain(down).collect());
        assert!(!health.is_up());
        assert_eq!(
            health.to_string(),
            "down: listener `c` is recovering: its queue is gone; listener `d` is starting: no \
             broker"
        );
    }
}
