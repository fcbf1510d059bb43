//! What is told of connections, whatever they are for.

use std::sync::Arc;

use super::{ApplicationEvent, BrokerEvents};
use crate::connection::{Link, LinkConnection, LinkError};

impl BrokerEvents {
    /// Tells that a connection is open, and from now on when the broker takes no messages on it.
    pub(crate) fn tell_opened(
        &self,
        name: &'static str,
        connection: &Arc<dyn LinkConnection>,
        link: &dyn Link,
    ) {
        self.tell(|broker| ApplicationEvent::ConnectionOpened {
            broker,
            connection: name.to_owned(),
            address: link.describe(),
        });
        let events = self.clone();
        connection.when_blocked(Arc::new(move |reason| {
            let connection = name.to_owned();
            events.tell(|broker| match reason {
                Some(reason) => {
                    ApplicationEvent::Blocked { broker, connection, reason: reason.to_owned() }
                }
                None => ApplicationEvent::Unblocked { broker, connection },
            });
        }));
    }

    /// Tells that a connection is lost.
    pub(crate) fn tell_lost(&self, name: &'static str, address: &str, reason: &LinkError) {
        self.tell(|broker| ApplicationEvent::ConnectionLost {
            broker,
            connection: name.to_owned(),
            address: address.to_owned(),
            reason: reason.to_string(),
        });
    }

    /// Tells that a connection could not be opened.
    pub(crate) fn tell_failed(&self, name: &'static str, address: &str, reason: &LinkError) {
        self.tell(|broker| ApplicationEvent::ConnectionFailed {
            broker,
            connection: name.to_owned(),
            address: address.to_owned(),
            reason: reason.to_string(),
        });
    }
}
