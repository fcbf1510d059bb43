use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::authorization::Authorization;
use super::broker_cell::BrokerCell;
use super::channel_cell::ChannelCell;
use super::signals::Signals;
use super::user_cell::UserCell;
use super::virtual_host::VirtualHost;
use crate::model::ids::{ChannelId, ConnectionId};

/// A connection: its channels, and the exclusive queues that go with it.
#[derive(Debug)]
pub(crate) struct ConnectionCell {
    id: ConnectionId,
    name: ShortString,
    broker: Weak<BrokerCell>,
    virtual_host: Arc<VirtualHost>,
    /// None for a connection of this process, which may do everything.
    authorization: Option<Authorization>,
    /// Who is told when somebody else closes it: its session, if it has one.
    signals: OnceLock<Arc<Signals>>,
    state: Mutex<ConnectionState>,
}

#[derive(Debug)]
enum ConnectionState {
    Open { channels: BTreeMap<ChannelId, Arc<ChannelCell>> },
    Closed { reason: Option<AmqpError> },
}

impl ConnectionCell {
    pub(crate) fn new(
        id: ConnectionId,
        name: ShortString,
        broker: Weak<BrokerCell>,
        virtual_host: Arc<VirtualHost>,
        user: Option<Arc<UserCell>>,
    ) -> Self {
        let authorization = user.map(Authorization::new);
        let state = Mutex::new(ConnectionState::Open { channels: BTreeMap::new() });
        let signals = OnceLock::new();
        Self { id, name, broker, virtual_host, authorization, signals, state }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn name(&self) -> &ShortString {
        &self.name
    }

    pub(crate) fn virtual_host(&self) -> &Arc<VirtualHost> {
        &self.virtual_host
    }

    /// What its user may do; none for a connection of this process.
    pub(super) fn authorization(&self) -> Option<&Authorization> {
        self.authorization.as_ref()
    }

    /// Who opened it; none for a connection of this process.
    pub(crate) fn user(&self) -> Option<&Arc<UserCell>> {
        self.authorization.as_ref().map(Authorization::user)
    }

    /// Tells these signals when it is closed; the first ones only.
    pub(crate) fn tell_of_close(&self, signals: Arc<Signals>) {
        let signals = self.signals.get_or_init(|| signals);
        if !self.is_open() {
            signals.close();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.lock(), ConnectionState::Open { .. })
    }

    pub(crate) fn close_reason(&self) -> Option<AmqpError> {
        match &*self.lock() {
            ConnectionState::Open { .. } => None,
            ConnectionState::Closed { reason } => reason.clone(),
        }
    }

    /// Opens a channel.
    ///
    /// # Errors
    ///
    /// 530 when the connection or its user has as many as are allowed, which closes it; the reason
    /// of the close when it is closed already.
    pub(crate) fn open_channel(self: &Arc<Self>) -> Result<Arc<ChannelCell>, AmqpError> {
        let max = self.virtual_host.config().channel_max;
        let opened = {
            let mut state = self.lock();
            match &mut *state {
                ConnectionState::Closed { reason } => return Err(closed(reason.as_ref())),
                ConnectionState::Open { channels } if channels.len() >= max => {
                    Err(too_many_channels(max))
                }
                ConnectionState::Open { channels } => self.count_channel().map(|()| {
                    let id = ChannelId(self.virtual_host.next_id());
                    let channel = Arc::new(ChannelCell::new(id, self, &self.virtual_host));
                    channels.insert(id, Arc::clone(&channel));
                    channel
                }),
            }
        };
        opened.inspect_err(|error| self.close(Some(error)))
    }

    /// Counts a channel of the user's.
    fn count_channel(&self) -> Result<(), AmqpError> {
        let Some(user) = self.user() else { return Ok(()) };
        user.channel_opened().map_err(|limit| {
            AmqpError::new(
                ReplyCode::NotAllowed,
                MethodId::NONE,
                format_args!(
                    "number of channels opened for user '{}' has reached the maximum allowed user \
                     limit of ({limit})",
                    user.current().name()
                ),
            )
        })
    }

    fn channels_closed(&self, count: usize) {
        if let Some(user) = self.user() {
            user.channels_closed(count);
        }
    }

    pub(crate) fn forget_channel(&self, id: ChannelId) {
        let is_forgotten = match &mut *self.lock() {
            ConnectionState::Open { channels } => channels.remove(&id).is_some(),
            ConnectionState::Closed { .. } => false,
        };
        self.channels_closed(is_forgotten.into());
    }

    /// Closes the connection: its channels first, then its exclusive queues.
    pub(crate) fn close(&self, reason: Option<&AmqpError>) {
        let channels = {
            let mut state = self.lock();
            let closed = ConnectionState::Closed { reason: reason.cloned() };
            match std::mem::replace(&mut *state, closed) {
                ConnectionState::Open { channels } => channels,
                already_closed @ ConnectionState::Closed { .. } => {
                    *state = already_closed;
                    return;
                }
            }
        };
        self.channels_closed(channels.len());
        for channel in channels.into_values() {
            channel.close(reason);
        }
        self.virtual_host.delete_exclusive_queues(self.id);
        if let Some(broker) = self.broker.upgrade() {
            broker.forget_connection(self.id);
        }
        if let Some(signals) = self.signals.get() {
            signals.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many_channels(max: usize) -> AmqpError {
    AmqpError::new(
        ReplyCode::NotAllowed,
        MethodId::CHANNEL_OPEN,
        format_args!(
            "number of channels opened ({max}) has reached the negotiated channel_max ({max})"
        ),
    )
}

fn closed(reason: Option<&AmqpError>) -> AmqpError {
    reason.cloned().unwrap_or_else(|| {
        let explanation = "the connection is closed";
        AmqpError::new(ReplyCode::ChannelError, MethodId::CHANNEL_OPEN, explanation)
    })
}
