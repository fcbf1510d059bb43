use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::connection_cell::ConnectionCell;
use super::virtual_host::VirtualHost;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::model::ids::ConnectionId;

/// A broker: one virtual host for now, and who is connected to it.
#[derive(Debug)]
pub(crate) struct BrokerCell {
    virtual_host: Arc<VirtualHost>,
    state: Mutex<BrokerState>,
}

#[derive(Debug)]
enum BrokerState {
    Running { connections: BTreeMap<ConnectionId, Arc<ConnectionCell>> },
    Stopped,
}

impl BrokerCell {
    pub(crate) fn new(config: BrokerConfig, clock: Clock) -> Self {
        let name = ShortString::from_static("/");
        let state = Mutex::new(BrokerState::Running { connections: BTreeMap::new() });
        Self { virtual_host: Arc::new(VirtualHost::new(name, config, clock)), state }
    }

    pub(crate) fn virtual_host(&self) -> &Arc<VirtualHost> {
        &self.virtual_host
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(*self.lock(), BrokerState::Running { .. })
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// 530 when there are as many as are allowed, 320 when the broker is stopped.
    pub(crate) fn connect(
        self: &Arc<Self>,
        name: ShortString,
    ) -> Result<Arc<ConnectionCell>, AmqpError> {
        let max = self.virtual_host.config().connection_max;
        let mut state = self.lock();
        let BrokerState::Running { connections } = &mut *state else { return Err(shutdown()) };
        if connections.len() >= max {
            return Err(AmqpError::new(
                ReplyCode::NotAllowed,
                MethodId::CONNECTION_OPEN,
                format_args!("connection limit ({max}) is reached"),
            ));
        }
        let id = ConnectionId(self.virtual_host.next_id());
        let virtual_host = Arc::clone(&self.virtual_host);
        let connection = ConnectionCell::new(id, name, Arc::downgrade(self), virtual_host);
        let connection = Arc::new(connection);
        connections.insert(id, Arc::clone(&connection));
        Ok(connection)
    }

    pub(crate) fn forget_connection(&self, id: ConnectionId) {
        if let BrokerState::Running { connections } = &mut *self.lock() {
            connections.remove(&id);
        }
    }

    /// Closes all connections and takes no more.
    pub(crate) fn stop(&self) {
        let stopped = std::mem::replace(&mut *self.lock(), BrokerState::Stopped);
        let BrokerState::Running { connections } = stopped else { return };
        self.virtual_host.memory().stop();
        let reason = shutdown();
        for connection in connections.into_values() {
            connection.close(Some(&reason));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BrokerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn shutdown() -> AmqpError {
    let explanation = "broker forced connection closure with reason 'shutdown'";
    AmqpError::new(ReplyCode::ConnectionForced, MethodId::NONE, explanation)
}
