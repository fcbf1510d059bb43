//! What is told of connections, whatever they are for.

use std::sync::Arc;

use super::{ApplicationEvent, EventBus};
use crate::connection::{Link, LinkConnection, LinkError};

impl EventBus {
    /// Tells that a connection is open, and from now on when the broker takes no messages on it.
    pub(crate) fn tell_opened(
        &self,
        name: &'static str,
        connection: &Arc<dyn LinkConnection>,
        link: &dyn Link,
    ) {
        self.tell(|| ApplicationEvent::ConnectionOpened {
            connection: name.to_owned(),
            address: link.describe(),
        });
        let events = self.clone();
        connection.when_blocked(Arc::new(move |reason| {
            let connection = name.to_owned();
            events.tell(|| match reason {
                Some(reason) => ApplicationEvent::Blocked { connection, reason: reason.to_owned() },
                None => ApplicationEvent::Unblocked { connection },
            });
        }));
    }

    /// Tells that a connection is lost.
    pub(crate) fn tell_lost(&self, name: &'static str, address: &str, reason: &LinkError) {
        self.tell(|| ApplicationEvent::ConnectionLost {
            connection: name.to_owned(),
            address: address.to_owned(),
            reason: reason.to_string(),
        });
    }

    /// Tells that a connection could not be opened.
    pub(crate) fn tell_failed(&self, name: &'static str, address: &str, reason: &LinkError) {
        self.tell(|| ApplicationEvent::ConnectionFailed {
            connection: name.to_owned(),
            address: address.to_owned(),
            reason: reason.to_string(),
        });
    }
}
