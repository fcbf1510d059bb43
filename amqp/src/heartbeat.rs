use std::time::Duration;

/// Heartbeats both ways (AMQP 0-9-1 section 4.2.7), for either end of a connection.
///
/// As RabbitMQ: one is sent when nothing was sent for half an interval, and a peer of whom
/// nothing came for two intervals is gone. The time is handed in, counted from any start.
///
/// ```
/// use std::time::Duration;
/// use springhare_amqp::{Heartbeat, HeartbeatStep};
///
/// let mut heartbeat = Heartbeat::every(10, Duration::ZERO);
/// assert_eq!(heartbeat.step(Duration::from_secs(5)), HeartbeatStep::Beat);
/// heartbeat.sent(Duration::from_secs(5));
/// assert_eq!(heartbeat.step(Duration::from_secs(20)), HeartbeatStep::Dead);
/// ```
#[derive(Debug, Default)]
pub struct Heartbeat {
    /// None when they are turned off.
    interval: Option<Duration>,
    last_sent: Duration,
    last_received: Duration,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatStep {
    /// Nothing until this time on the clock; none when there is never anything.
    Wait(Option<Duration>),
    /// Send one.
    Beat,
    /// The peer has missed two.
    Dead,
}

impl Heartbeat {
    /// Heartbeats every `seconds`, counted from `now`; 0 is never.
    #[must_use]
    pub fn every(seconds: u16, now: Duration) -> Self {
        let interval = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        Self { interval, last_sent: now, last_received: now }
    }

    /// Something came from the peer.
    pub fn received(&mut self, now: Duration) {
        self.last_received = now;
    }

    /// Something was sent.
    pub fn sent(&mut self, now: Duration) {
        self.last_sent = now;
    }

    /// What is to be done at this time.
    #[must_use]
    pub fn step(&self, now: Duration) -> HeartbeatStep {
        let Some(interval) = self.interval else { return HeartbeatStep::Wait(None) };
        let dead_at = self.last_received.saturating_add(interval.saturating_mul(2));
        if now >= dead_at {
            return HeartbeatStep::Dead;
        }
        let send_at = self.last_sent.saturating_add(interval / 2);
        if now >= send_at {
            return HeartbeatStep::Beat;
        }
        HeartbeatStep::Wait(Some(dead_at.min(send_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_is_sent_after_half_an_interval_of_silence() {
        let mut heartbeat = Heartbeat::every(10, SECOND);
        assert_eq!(heartbeat.step(SECOND), HeartbeatStep::Wait(Some(6 * SECOND)));
        assert_eq!(heartbeat.step(6 * SECOND), HeartbeatStep::Beat);
        heartbeat.sent(6 * SECOND);
        assert_eq!(heartbeat.step(6 * SECOND), HeartbeatStep::Wait(Some(11 * SECOND)));
    }

    #[test]
    fn a_peer_that_is_silent_for_two_intervals_is_dead() {
        let mut heartbeat = Heartbeat::every(10, SECOND);
        heartbeat.received(2 * SECOND);
        heartbeat.sent(20 * SECOND);
        assert_eq!(heartbeat.step(21 * SECOND), HeartbeatStep::Wait(Some(22 * SECOND)));
        assert_eq!(heartbeat.step(22 * SECOND), HeartbeatStep::Dead);
    }

    #[test]
    fn an_interval_of_zero_turns_them_off() {
        let heartbeat = Heartbeat::every(0, SECOND);
        assert_eq!(heartbeat.step(1_000_000 * SECOND), HeartbeatStep::Wait(None));
    }
}
