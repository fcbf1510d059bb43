//! Whether an application's listeners do what they are there for, and its brokers are there.

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
    brokers: Vec<BrokerHealth>,
}

/// The health of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerHealth {
    id: String,
    broker: String,
    status: ListenerStatus,
}

/// The health of one of the application's brokers, whether it has listeners there or only sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerHealth {
    name: String,
    status: BrokerStatus,
}

/// What a broker is to the application right now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerStatus {
    /// The application is connected to it.
    Connected,
    /// There is no connection to it; it is tried again.
    #[non_exhaustive]
    Away {
        /// Why.
        reason: String,
    },
    /// The application stops, or has stopped. Nothing is wrong with that.
    Closed,
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
    /// queue: it takes over when that is gone. Or its circuit is half open: one of its consumers
    /// tries a message, and the others wait for what comes of that. Nothing is wrong with either.
    StandingBy {
        /// What the broker says to it, or that it tries.
        reason: String,
    },
    /// It was paused, as the user wants it, until it is resumed.
    Paused,
    /// It was stopped, or never started, as the user wants it. Nothing is wrong with that.
    Stopped,
}

impl Health {
    pub(crate) fn new(listeners: Vec<ListenerHealth>, brokers: Vec<BrokerHealth>) -> Self {
        Self { listeners, brokers }
    }

    /// Whether every listener that is to consume does, and every broker is connected.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.listeners.iter().all(ListenerHealth::is_up)
            && self.brokers.iter().all(BrokerHealth::is_up)
    }

    /// Every broker: the application's own, and then the others sorted by their names.
    #[must_use]
    pub fn brokers(&self) -> &[BrokerHealth] {
        &self.brokers
    }

    /// Every listener, sorted by id.
    #[must_use]
    pub fn listeners(&self) -> &[ListenerHealth] {
        &self.listeners
    }
}

impl ListenerHealth {
    pub(crate) fn new(id: &str, broker: &str, status: ListenerStatus) -> Self {
        Self { id: id.to_owned(), broker: broker.to_owned(), status }
    }

    /// The listener's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the broker that it consumes from: `rabbitmq` for the application's own.
    #[must_use]
    pub fn broker(&self) -> &str {
        &self.broker
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

impl BrokerHealth {
    pub(crate) fn new(name: &str, status: BrokerStatus) -> Self {
        Self { name: name.to_owned(), status }
    }

    /// The broker's name: `rabbitmq` for the application's own.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is there.
    #[must_use]
    pub fn status(&self) -> &BrokerStatus {
        &self.status
    }

    /// Whether the application is connected to it, or is not meant to.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.status, BrokerStatus::Connected | BrokerStatus::Closed)
    }
}

/// `up`, or `down` with each listener that does not consume and why, and each broker that is away without
/// a listener that says so.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_up() { "up" } else { "down" })?;
        let down = || self.listeners.iter().filter(|listener| !listener.is_up());
        let is_told = |broker: &&BrokerHealth| down().any(|one| one.broker == broker.name);
        let away = self.brokers.iter().filter(|broker| !broker.is_up() && !is_told(broker));
        let texts = down().map(ToString::to_string).chain(away.map(ToString::to_string));
        for (index, text) in texts.enumerate() {
            write!(f, "{} {text}", if index == 0 { ":" } else { ";" })?;
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

/// `broker `billing` is away: the connection is lost`.
impl fmt::Display for BrokerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker `{}` {}", self.name, self.status)
    }
}

/// What stands behind the broker's name: `is connected`.
impl fmt::Display for BrokerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("is connected"),
            Self::Away { reason } => write!(f, "is away: {reason}"),
            Self::Closed => f.write_str("is closed"),
        }
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
            ListenerHealth::new("a", "rabbitmq", ListenerStatus::Consuming),
            ListenerHealth::new("b", "rabbitmq", ListenerStatus::Stopped),
        ];
        let connected = || BrokerHealth::new("rabbitmq", BrokerStatus::Connected);
        assert_eq!(Health::new(up.to_vec(), vec![connected()]).to_string(), "up");
        let lost = ListenerStatus::Recovering { reason: "its queue is gone".to_owned() };
        let waits = ListenerStatus::Starting { reason: "no broker".to_owned() };
        let down = [("c", lost), ("d", waits)]
            .map(|(id, status)| ListenerHealth::new(id, "rabbitmq", status));
        let health = Health::new(up.into_iter().chain(down).collect(), vec![connected()]);
        assert!(!health.is_up());
        assert_eq!(
            health.to_string(),
            "down: listener `c` is recovering: its queue is gone; listener `d` is starting: no \
             broker"
        );
    }

    #[test]
    fn a_broker_that_is_away_makes_it_down_and_is_told_once() {
        let away =
            |name| BrokerHealth::new(name, BrokerStatus::Away { reason: "no answer".to_owned() });
        let up = ListenerHealth::new("a", "rabbitmq", ListenerStatus::Consuming);
        let lost = ListenerStatus::Recovering { reason: "no connection".to_owned() };
        let lost = ListenerHealth::new("b", "billing", lost);
        let health = Health::new(vec![up, lost], vec![away("audit"), away("billing")]);
        assert!(!health.is_up());
        assert_eq!(
            health.to_string(),
            "down: listener `b` is recovering: no connection; broker `audit` is away: no answer"
        );
    }
}
