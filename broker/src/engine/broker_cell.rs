use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use springhare_amqp::{AmqpError, FieldValue, MethodId, ReplyCode, ShortString};

use super::connection_cell::ConnectionCell;
use super::shared::Shared;
use super::user_cell::UserCell;
use super::users::{LoginRefused, Users};
use super::virtual_host::VirtualHost;
use crate::model::ids::ConnectionId;
use crate::model::virtual_host::VirtualHostOptions;

/// Virtual hosts by their names.
pub(crate) type VirtualHosts = BTreeMap<ShortString, Arc<VirtualHost>>;

/// The virtual host that is always there, and meant where none is named.
pub(crate) const DEFAULT_VIRTUAL_HOST: &str = "/";

/// A broker: its virtual hosts, its users, and who is connected to it.
#[derive(Debug)]
pub(crate) struct BrokerCell {
    shared: Arc<Shared>,
    default_virtual_host: Arc<VirtualHost>,
    /// The default one too. Changed while the state is locked.
    virtual_hosts: ArcSwap<VirtualHosts>,
    users: Users,
    state: Mutex<BrokerState>,
    /// Held while an operator changes something.
    administration: Mutex<()>,
    /// What definitions say of the whole broker: kept and exported, as RabbitMQ does.
    global_parameters: ArcSwap<BTreeMap<String, FieldValue>>,
}

#[derive(Debug)]
enum BrokerState {
    Running { connections: BTreeMap<ConnectionId, Arc<ConnectionCell>> },
    Stopped,
}

impl BrokerCell {
    /// A broker with these virtual hosts beside the default one.
    pub(crate) fn new(
        shared: Shared,
        virtual_hosts: impl IntoIterator<Item = ShortString>,
        users: Users,
    ) -> Self {
        let shared = Arc::new(shared);
        let virtual_host =
            |name| VirtualHost::new(name, VirtualHostOptions::default(), Arc::clone(&shared));
        let default = virtual_host(ShortString::from_static(DEFAULT_VIRTUAL_HOST));
        let mut all: BTreeMap<_, _> =
            virtual_hosts.into_iter().map(|name| (name.clone(), virtual_host(name))).collect();
        all.insert(default.name().clone(), Arc::clone(&default));
        Self {
            shared,
            default_virtual_host: default,
            virtual_hosts: ArcSwap::from_pointee(all),
            users,
            state: Mutex::new(BrokerState::Running { connections: BTreeMap::new() }),
            administration: Mutex::new(()),
            global_parameters: ArcSwap::default(),
        }
    }

    /// What belongs to no virtual host: the clock, the limits, the memory of all messages.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn users(&self) -> &Users {
        &self.users
    }

    /// All virtual hosts of now.
    pub(crate) fn virtual_hosts(&self) -> Arc<VirtualHosts> {
        self.virtual_hosts.load_full()
    }

    pub(crate) fn global_parameters(&self) -> Arc<BTreeMap<String, FieldValue>> {
        self.global_parameters.load_full()
    }

    /// Only for who has the administration.
    pub(super) fn set_global_parameters(&self, given: Vec<(String, FieldValue)>) {
        let mut next = BTreeMap::clone(&self.global_parameters.load());
        next.extend(given);
        self.global_parameters.store(Arc::new(next));
    }

    /// Adds virtual hosts whose names are free.
    pub(super) fn add_virtual_hosts(&self, added: impl IntoIterator<Item = Arc<VirtualHost>>) {
        let _state = self.lock();
        let mut next = VirtualHosts::clone(&self.virtual_hosts.load());
        next.extend(added.into_iter().map(|host| (host.name().clone(), host)));
        self.virtual_hosts.store(Arc::new(next));
    }

    /// Takes a virtual host out, whose connections are to be closed.
    pub(super) fn take_virtual_host(
        &self,
        name: &str,
    ) -> Option<(Arc<VirtualHost>, Vec<Arc<ConnectionCell>>)> {
        let state = self.lock();
        let mut next = VirtualHosts::clone(&self.virtual_hosts.load());
        let taken = next.remove(name)?;
        self.virtual_hosts.store(Arc::new(next));
        let is_there = |cell: &ConnectionCell| Arc::ptr_eq(cell.virtual_host(), &taken);
        let connections = state.connections(is_there);
        Some((taken, connections))
    }

    /// The connections of a user.
    pub(super) fn connections_of(&self, user: &Arc<UserCell>) -> Vec<Arc<ConnectionCell>> {
        self.lock().connections(|cell| cell.user().is_some_and(|own| Arc::ptr_eq(own, user)))
    }

    /// The default virtual host.
    pub(crate) fn virtual_host(&self) -> &Arc<VirtualHost> {
        &self.default_virtual_host
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(*self.lock(), BrokerState::Running { .. })
    }

    /// Who a peer is; see [`Users::authenticate`].
    pub(crate) fn authenticate(
        &self,
        user: &str,
        password: &[u8],
        peer: Option<IpAddr>,
    ) -> Result<Arc<UserCell>, LoginRefused> {
        self.users.authenticate(user, password, peer)
    }

    /// Opens a connection of this process to the default virtual host. It may do everything.
    ///
    /// # Errors
    ///
    /// 530 when there are as many as are allowed, 320 when the broker is stopped.
    pub(crate) fn connect(
        self: &Arc<Self>,
        name: ShortString,
    ) -> Result<Arc<ConnectionCell>, AmqpError> {
        self.open(name, DEFAULT_VIRTUAL_HOST, None)
    }

    /// Opens a connection of this process to a virtual host. It may do everything.
    ///
    /// # Errors
    ///
    /// 530 without the virtual host and when there are as many connections as are allowed, 320
    /// when the broker is stopped.
    pub(crate) fn connect_to(
        self: &Arc<Self>,
        virtual_host: &str,
        name: ShortString,
    ) -> Result<Arc<ConnectionCell>, AmqpError> {
        self.open(name, virtual_host, None)
    }

    /// Opens a user's connection to a virtual host.
    ///
    /// # Errors
    ///
    /// 530 without the virtual host, when there are as many connections as are allowed, and
    /// when the user has no permissions there, in this order; 320 when the broker is stopped.
    pub(crate) fn connect_user(
        self: &Arc<Self>,
        name: ShortString,
        virtual_host: &str,
        user: Arc<UserCell>,
    ) -> Result<Arc<ConnectionCell>, AmqpError> {
        self.open(name, virtual_host, Some(user))
    }

    fn open(
        self: &Arc<Self>,
        name: ShortString,
        virtual_host: &str,
        user: Option<Arc<UserCell>>,
    ) -> Result<Arc<ConnectionCell>, AmqpError> {
        let mut state = self.lock();
        let BrokerState::Running { connections } = &mut *state else { return Err(shutdown()) };
        let virtual_hosts = self.virtual_hosts.load();
        let Some(virtual_host) = virtual_hosts.get(virtual_host) else {
            return Err(not_allowed(format_args!("vhost {virtual_host} not found")));
        };
        let max = self.shared.config().connection_max;
        let is_full = connections.len() >= max;
        let limit = virtual_host.connections_reached();
        if let Some(limit) = if is_full { u64::try_from(max).ok() } else { limit } {
            let limit = format_args!("connection limit ({limit}) is reached");
            return Err(match &user {
                None => not_allowed(limit),
                Some(user) => not_allowed(format_args!("{}: {limit}", refused(user, virtual_host))),
            });
        }
        if let Some(user) = &user {
            check_user(user, virtual_host)?;
            user.connection_opened();
        }
        virtual_host.connection_opened();
        let id = ConnectionId(self.shared.next_id());
        let broker = Arc::downgrade(self);
        let connection = ConnectionCell::new(id, name, broker, Arc::clone(virtual_host), user);
        let connection = Arc::new(connection);
        connections.insert(id, Arc::clone(&connection));
        Ok(connection)
    }

    pub(crate) fn forget_connection(&self, id: ConnectionId) {
        let forgotten = match &mut *self.lock() {
            BrokerState::Running { connections } => connections.remove(&id),
            BrokerState::Stopped => None,
        };
        if let Some(connection) = forgotten {
            connection.virtual_host().connection_closed();
            if let Some(user) = connection.user() {
                user.connection_closed();
            }
        }
    }

    /// Closes all connections, whatever their virtual host, and takes no more. Then all that was done
    /// is written to the disk, and the data folder given up.
    pub(crate) fn stop(&self) {
        let stopped = std::mem::replace(&mut *self.lock(), BrokerState::Stopped);
        let BrokerState::Running { connections } = stopped else { return };
        self.shared.memory().stop();
        self.shared.timers().stop();
        let reason = shutdown();
        for connection in connections.into_values() {
            connection.close(Some(&reason));
        }
        if let Some(journal) = self.shared.journal() {
            journal.close();
        }
    }

    /// The lock under which an operator changes something: taken before all others.
    pub(super) fn administration(&self) -> MutexGuard<'_, ()> {
        self.administration.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BrokerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BrokerState {
    /// The connections that are open and of this kind.
    fn connections(&self, is_meant: impl Fn(&ConnectionCell) -> bool) -> Vec<Arc<ConnectionCell>> {
        match self {
            Self::Running { connections } => {
                connections.values().filter(|connection| is_meant(connection)).cloned().collect()
            }
            Self::Stopped => Vec::new(),
        }
    }
}

/// Checks that a user may open one more connection, there.
fn check_user(user: &UserCell, virtual_host: &VirtualHost) -> Result<(), AmqpError> {
    let current = user.current();
    if let Some(limit) = user.connections_reached() {
        return Err(not_allowed(format_args!(
            "connection refused for user '{}': user connection limit ({limit}) is reached",
            current.name()
        )));
    }
    if !current.may_open(virtual_host.name()) {
        return Err(not_allowed(refused(user, virtual_host)));
    }
    Ok(())
}

fn refused(user: &UserCell, virtual_host: &VirtualHost) -> String {
    let user = user.current();
    format!("access to vhost '{}' refused for user '{}'", virtual_host.name(), user.name())
}

fn not_allowed(explanation: impl std::fmt::Display) -> AmqpError {
    AmqpError::new(ReplyCode::NotAllowed, MethodId::CONNECTION_OPEN, explanation)
}

pub(crate) fn shutdown() -> AmqpError {
    forced("broker forced connection closure with reason 'shutdown'")
}

/// The operator closes a connection.
pub(super) fn forced(explanation: impl std::fmt::Display) -> AmqpError {
    AmqpError::new(ReplyCode::ConnectionForced, MethodId::NONE, explanation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::BrokerConfig;
    use crate::model::access::{Permissions, User};
    use crate::model::definition::QueueDeclaration;

    fn broker(connection_max: usize) -> Arc<BrokerCell> {
        let config = BrokerConfig { connection_max, ..BrokerConfig::default() };
        let alice = User::new("alice", "secret").permissions("orders", Permissions::all());
        let users = Users::new([alice], std::collections::BTreeSet::new()).unwrap();
        let orders = [ShortString::from_static("orders")];
        Arc::new(BrokerCell::new(Shared::new(config, Clock::default()), orders, users))
    }

    fn open(broker: &Arc<BrokerCell>, virtual_host: &str) -> Result<Arc<ConnectionCell>, String> {
        let alice = broker.authenticate("alice", b"secret", None).unwrap();
        let opened = broker.connect_user(ShortString::EMPTY, virtual_host, alice);
        opened.map_err(|error| {
            assert_eq!(error.method(), MethodId::CONNECTION_OPEN);
            error.to_string()
        })
    }

    /// The texts were seen on RabbitMQ 3.10.8, where the limit is each virtual host's.
    #[test]
    fn a_user_opens_what_it_has_permissions_for() {
        let broker = broker(1);
        let not_found = "530 NOT_ALLOWED - vhost nope not found";
        assert_eq!(open(&broker, "nope").unwrap_err(), not_found);
        let refused = "530 NOT_ALLOWED - access to vhost '/' refused for user 'alice'";
        assert_eq!(open(&broker, "/").unwrap_err(), refused);
        let connection = open(&broker, "orders").unwrap();
        assert_eq!(open(&broker, "nope").unwrap_err(), not_found);
        for virtual_host in ["orders", "/"] {
            assert_eq!(
                open(&broker, virtual_host).unwrap_err(),
                format!(
                    "530 NOT_ALLOWED - access to vhost '{virtual_host}' refused for user 'alice': \
                     connection limit (1) is reached"
                )
            );
        }
        connection.close(None);
        assert!(open(&broker, "orders").is_ok());
    }

    #[test]
    fn this_process_opens_every_virtual_host() {
        let broker = broker(2);
        let connections = [
            broker.connect(ShortString::EMPTY).unwrap(),
            broker.connect_to("orders", ShortString::EMPTY).unwrap(),
        ];
        let refused = broker.connect(ShortString::EMPTY).unwrap_err();
        assert_eq!(refused.to_string(), "530 NOT_ALLOWED - connection limit (2) is reached");
        broker.stop();
        for connection in connections {
            assert_eq!(connection.close_reason(), Some(shutdown()));
        }
        assert_eq!(broker.connect_to("nope", ShortString::EMPTY).unwrap_err(), shutdown());
    }

    #[test]
    fn virtual_hosts_share_numbers_and_memory_but_no_queues() {
        let broker = broker(10);
        let one = broker.connect(ShortString::EMPTY).unwrap();
        let other = broker.connect_to("orders", ShortString::EMPTY).unwrap();
        assert_ne!(one.id(), other.id());
        let declaration = QueueDeclaration {
            name: ShortString::from_static("q"),
            durable: false,
            exclusive: true,
            auto_delete: false,
            arguments: springhare_amqp::FieldTable::new(),
        };
        let hosts = [&one, &other].map(|connection| Arc::clone(connection.virtual_host()));
        for (host, connection) in hosts.iter().zip([&one, &other]) {
            host.queue_declare(connection, declaration.clone()).unwrap();
        }
        assert!(Arc::ptr_eq(hosts[0].memory(), hosts[1].memory()));
        one.close(None);
        let has_queue = |host: &Arc<VirtualHost>| host.topology().queue("q").is_some();
        assert!(!has_queue(&hosts[0]) && has_queue(&hosts[1]));
    }
}
