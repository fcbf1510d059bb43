//! Limits that an operator sets for one virtual host or one user, in RabbitMQ's words.

/// How much a virtual host may have. None, and a number below zero, is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VirtualHostLimits {
    /// Connections that are open at a time: `max-connections`.
    pub max_connections: Option<i64>,
    /// Queues: `max-queues`.
    pub max_queues: Option<i64>,
}

/// How much a user may have, in all virtual hosts together. None, and a number below zero, is no
/// limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// Connections that are open at a time: `max-connections`.
    pub max_connections: Option<i64>,
    /// Channels that are open at a time: `max-channels`.
    pub max_channels: Option<i64>,
}

impl UserLimits {
    /// These, and of the others what these say nothing of.
    #[must_use]
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            max_connections: self.max_connections.or(others.max_connections),
            max_channels: self.max_channels.or(others.max_channels),
        }
    }
}

/// The limit, if so many are as many as it allows.
pub(crate) fn reached(limit: Option<i64>, count: usize) -> Option<u64> {
    let limit = u64::try_from(limit?).ok()?;
    u64::try_from(count).is_ok_and(|count| count >= limit).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_by_as_many() {
        assert_eq!(reached(Some(2), 1), None);
        assert_eq!(reached(Some(2), 2), Some(2));
        assert_eq!(reached(Some(0), 0), Some(0));
        assert_eq!(reached(Some(-1), 100), None);
        assert_eq!(reached(None, 100), None);
    }
}
