use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use springhare_amqp::{AmqpError, ShortString};

use super::data::{log_recovered, open};
use super::{Connection, Publisher};
use crate::Error;
use crate::clock::Clock;
use crate::config::{BrokerConfig, Durability, STORED_MAX_BYTES};
use crate::definitions::{self, Outline};
use crate::engine::admin::AdminError;
use crate::engine::broker_cell::{BrokerCell, DEFAULT_VIRTUAL_HOST};
use crate::engine::durable::RestoredDefinitions;
use crate::engine::shared::Shared;
use crate::engine::users::{NewUser, NoRandomness, Users};
use crate::model::access::{Permissions, User};
use crate::model::policy::{Policy, PolicyKind};
use crate::model::virtual_host::VirtualHostOptions;
use crate::server::{Listening, Server};
use crate::store::RecoveryReport;

/// A RabbitMQ-compatible broker in this process.
///
/// A clone is the same broker; when the last one is dropped the broker stops, as with
/// [`stop`](Self::stop). Messages are kept in memory, and on the disk too with
/// [`BrokerBuilder::data`].
///
/// ```
/// use springhare_broker::{BasicPublishOptions, Broker, NoAck, QueueDeclareOptions};
/// use springhare_amqp::Message;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let broker = Broker::builder().start()?;
/// let channel = broker.connect("example")?.open_channel()?;
/// channel.queue_declare("hello", QueueDeclareOptions::default()).await?;
/// channel.basic_publish("", "hello", BasicPublishOptions::default(), Message::new("hi")).await?;
/// let got = channel.basic_get("hello", NoAck::Yes).await?.expect("one message");
/// assert_eq!(got.delivery.message.message.body, "hi");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Broker {
    pub(super) handle: Arc<BrokerHandle>,
}

/// The broker's life: it stops when this is dropped.
#[derive(Debug)]
pub(super) struct BrokerHandle {
    cell: Arc<BrokerCell>,
    /// None when it listens nowhere.
    server: Option<Server>,
    /// The folder that its data are in; none for one in memory.
    pub(super) data: Option<PathBuf>,
    /// What was in it.
    pub(super) recovered: Option<RecoveryReport>,
}

/// How a [`Broker`] is started.
///
/// It has the virtual host `/` and, unless it is told otherwise, RabbitMQ's user `guest` with the
/// password `guest`, who may do everything there, and come from this machine only. Connections
/// of this process need no user and may do everything everywhere.
///
/// ```
/// use springhare_broker::{Broker, Permissions, User};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = User::new("shop", "secret")
///     .permissions("orders", Permissions::new("^shop\\.", ".*", "^shop\\.")?);
/// let broker = Broker::builder().virtual_host("orders").user(shop).without_guest().start()?;
/// let connection = broker.connect_to("orders", "example")?;
/// # assert!(connection.is_open());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a broker runs once it is started"]
pub struct BrokerBuilder {
    config: BrokerConfig,
    clock: Clock,
    virtual_hosts: Vec<String>,
    users: Vec<User>,
    guest: Guest,
    loopback_users: BTreeSet<String>,
    pub(super) listenings: Vec<Listening>,
    pub(super) virtual_host_options: Vec<(String, VirtualHostOptions)>,
    /// By virtual host.
    pub(super) policies: Vec<(String, PolicyKind, Policy)>,
    pub(super) definitions: Vec<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) durability: Durability,
}

/// Whether there is the user `guest`, beside those that are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guest {
    Welcome,
    Gone,
}

const GUEST: &str = "guest";

impl Default for BrokerBuilder {
    fn default() -> Self {
        Self {
            config: BrokerConfig::default(),
            clock: Clock::default(),
            virtual_hosts: Vec::new(),
            users: Vec::new(),
            guest: Guest::Welcome,
            loopback_users: BTreeSet::from([GUEST.to_owned()]),
            listenings: Vec::new(),
            virtual_host_options: Vec::new(),
            policies: Vec::new(),
            definitions: Vec::new(),
            data: None,
            durability: Durability::default(),
        }
    }
}

impl Broker {
    /// A broker with RabbitMQ's defaults and the system's clock.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// Opens a connection to the virtual host `/`; `name` tells it apart for people.
    ///
    /// # Errors
    ///
    /// 530 `connection limit (N) is reached`, 320 when the broker was stopped.
    pub fn connect(&self, name: &str) -> Result<Connection, AmqpError> {
        let cell = self.handle.cell.connect(ShortString::truncated(name))?;
        Ok(Connection::new(cell))
    }

    /// Opens a connection to a virtual host; `name` tells it apart for people.
    ///
    /// # Errors
    ///
    /// 530 `vhost v not found` and `connection limit (N) is reached`, 320 when the broker was
    /// stopped.
    pub fn connect_to(&self, virtual_host: &str, name: &str) -> Result<Connection, AmqpError> {
        let cell = self.handle.cell.connect_to(virtual_host, ShortString::truncated(name))?;
        Ok(Connection::new(cell))
    }

    /// Publishing to the virtual host `/` without a channel: a message that is refused closes
    /// nothing.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.handle.cell))
    }

    /// The clock that the broker lives by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.handle.cell.shared().clock()
    }

    /// The memory that messages take now, in bytes, in all virtual hosts.
    #[must_use]
    pub fn memory_used(&self) -> u64 {
        let shared = self.handle.cell.shared();
        shared.memory().used() + shared.unfinished().bytes()
    }

    pub(super) fn cell(&self) -> &Arc<BrokerCell> {
        &self.handle.cell
    }

    /// What listens, if it listens.
    pub(super) fn server(&self) -> Option<&Server> {
        self.handle.server.as_ref()
    }

    /// Closes all connections with 320 `CONNECTION_FORCED` and takes no more. A broker with a data
    /// folder then writes what is not written yet, and lets the folder go; the thread waits for the
    /// disk that long.
    pub fn stop(&self) {
        self.handle.cell.stop();
    }
}

#[cfg(test)]
impl Broker {
    /// A broker that was put together by a test.
    pub(super) fn over(cell: Arc<BrokerCell>) -> Self {
        let handle = BrokerHandle { cell, server: None, data: None, recovered: None };
        Self { handle: Arc::new(handle) }
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        self.cell.stop();
    }
}

impl BrokerBuilder {
    /// Lives by this clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Takes all limits from `config`.
    pub fn config(mut self, config: BrokerConfig) -> Self {
        self.config = config;
        self
    }

    /// Makes publishers wait while messages take this many bytes or more.
    pub fn memory_high_watermark(mut self, bytes: u64) -> Self {
        self.config.memory_high_watermark = bytes;
        self
    }

    /// Adds a virtual host: exchanges, queues and bindings of its own. `/` is always there.
    pub fn virtual_host(mut self, name: impl Into<String>) -> Self {
        self.virtual_hosts.push(name.into());
        self
    }

    /// Adds a user. One with the name `guest` takes the place of RabbitMQ's.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Does without RabbitMQ's user `guest`, whose password everybody knows.
    pub fn without_guest(mut self) -> Self {
        self.guest = Guest::Gone;
        self
    }

    /// Lets these users come from this machine only, instead of `guest` alone: RabbitMQ's
    /// `loopback_users`. With none, `guest` may come from everywhere.
    pub fn loopback_users(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.loopback_users = names.into_iter().map(Into::into).collect();
        self
    }

    /// Starts the broker.
    ///
    /// # Errors
    ///
    /// A limit of the configuration is 0, or more than a data folder can keep, a virtual host's name is too long, a user is given
    /// twice or has permissions for a virtual host that is not there, definitions or a policy are
    /// wrong, the operating system has no random bytes for the passwords' hashes, the data folder
    /// can't be used, or an address can't be listened at.
    ///
    /// # Panics
    ///
    /// When it is to listen, and is started outside of a tokio runtime.
    pub fn start(self) -> Result<Broker, Error> {
        if let Some(name) = self.config.zero_limit() {
            return Err(Error::ZeroLimit { name });
        }
        let data = self.kept_in().map(Path::to_path_buf);
        if let Some(name) = self.config.unstorable_limit().filter(|_| data.is_some()) {
            return Err(Error::UnstorableLimit { name, max: STORED_MAX_BYTES });
        }
        let mut opened = match &data {
            Some(folder) => Some(open(folder, self.durability, &self.config)?),
            None => None,
        };
        let definitions = opened.as_mut().map(|opened| std::mem::take(&mut opened.definitions));
        let definitions = RestoredDefinitions::read(definitions.unwrap_or_default());
        let outlines = self.definitions.iter().map(|json| definitions::outline(json));
        let outline = outlines.fold(Outline::default(), Outline::and);
        // As with RabbitMQ's `load_definitions`: who brings users does without the one whose
        // password everybody knows. With users in the folder there is a `guest` if it is one of them;
        // with none somebody has to be let in.
        let has_users = outline.has_users || definitions.has_users();
        let guest = if has_users { Guest::Gone } else { self.guest };
        let mut virtual_hosts = virtual_host_names(self.virtual_hosts)?;
        virtual_hosts.extend(outline.virtual_hosts);
        virtual_hosts.extend(definitions.virtual_hosts());
        let users: Vec<User> = all_users(self.users, guest, &virtual_hosts)?.collect();
        let mut shared = Shared::new(self.config, self.clock);
        if let Some(opened) = &opened {
            let last_queue = opened.highest_queue.max(definitions.highest_queue());
            shared = shared.with_journal(Arc::clone(&opened.journal), last_queue);
        }
        let nobody = Users::new([], self.loopback_users);
        let nobody = nobody.map_err(|NoRandomness| Error::NoRandomness)?;
        let cell = Arc::new(BrokerCell::new(shared, virtual_hosts, nobody));
        let recovered = match opened {
            Some(opened) => Some(cell.restore(opened, definitions)?),
            None => None,
        };
        // From here on an error stops the broker in order.
        let mut handle = BrokerHandle { cell, server: None, data, recovered };
        let cell = &handle.cell;
        for user in users {
            let user = NewUser::new(user).map_err(|NoRandomness| Error::NoRandomness)?;
            cell.users().set(user);
        }
        let written = cell.write_administration();
        written.map_err(|failure| Error::NotStored { reason: failure.to_string() })?;
        set_up(cell, self.virtual_host_options, &self.definitions, self.policies)?;
        if !self.listenings.is_empty() {
            let server = Server::start(cell, &self.listenings);
            handle.server =
                Some(server.map_err(|(address, error)| Error::CannotListen {
                    address,
                    kind: error.kind(),
                })?);
        }
        if let (Some(folder), Some(recovered)) = (&handle.data, &handle.recovered) {
            log_recovered(folder, recovered);
        }
        Ok(Broker { handle: Arc::new(handle) })
    }
}

/// Puts in what was given, before anybody can connect.
fn set_up(
    cell: &Arc<BrokerCell>,
    options: Vec<(String, VirtualHostOptions)>,
    definitions: &[String],
    policies: Vec<(String, PolicyKind, Policy)>,
) -> Result<(), Error> {
    for (name, options) in options {
        let unknown = |_| Error::VirtualHostNameTooLong { name: name.clone() };
        cell.add_virtual_host(&name, options).map_err(unknown)?;
    }
    for json in definitions {
        definitions::import(cell, json)?;
    }
    for (virtual_host, kind, policy) in policies {
        let name = policy.name.clone();
        cell.set_policy(&virtual_host, kind, policy).map_err(|error| match error {
            AdminError::Policy(error) => Error::Policy { virtual_host, name, error },
            _ => Error::PolicyWithoutVirtualHost { virtual_host, name },
        })?;
    }
    Ok(())
}

/// The names as they come on the wire, the default one with them.
fn virtual_host_names(names: Vec<String>) -> Result<BTreeSet<ShortString>, Error> {
    let default = Ok(ShortString::from_static(DEFAULT_VIRTUAL_HOST));
    let names = names
        .into_iter()
        .map(|name| ShortString::new(&name).map_err(|_| Error::VirtualHostNameTooLong { name }));
    names.chain([default]).collect()
}

/// The users, RabbitMQ's `guest` with them if it is wanted.
fn all_users(
    users: Vec<User>,
    guest: Guest,
    virtual_hosts: &BTreeSet<ShortString>,
) -> Result<impl Iterator<Item = User>, Error> {
    let mut by_name = BTreeMap::new();
    for user in users {
        let unknown = user.virtual_hosts().find(|name| !virtual_hosts.contains(*name));
        if let Some(unknown) = unknown {
            let virtual_host = unknown.to_owned();
            return Err(Error::UnknownVirtualHost { user: user.name().to_owned(), virtual_host });
        }
        if let Some(other) = by_name.insert(user.name().to_owned(), user) {
            return Err(Error::DuplicateUser { name: other.name().to_owned() });
        }
    }
    if guest == Guest::Welcome {
        by_name.entry(GUEST.to_owned()).or_insert_with(|| {
            User::new(GUEST, GUEST)
                .tag("administrator")
                .permissions(DEFAULT_VIRTUAL_HOST, Permissions::all())
        });
    }
    Ok(by_name.into_values())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TopicPermissions;

    fn login(builder: BrokerBuilder, user: &str, password: &str, peer: &str) -> bool {
        let broker = builder.start().unwrap();
        let peer = Some(peer.parse().unwrap());
        broker.handle.cell.authenticate(user, password.as_bytes(), peer).is_ok()
    }

    #[test]
    fn guest_is_welcome_from_this_machine_unless_told_otherwise() {
        let guest = |builder, peer| login(builder, "guest", "guest", peer);
        assert!(guest(Broker::builder(), "127.0.0.1"));
        assert!(!guest(Broker::builder(), "192.0.2.1"));
        assert!(!guest(Broker::builder().without_guest(), "127.0.0.1"));
        assert!(guest(Broker::builder().loopback_users([""; 0]), "192.0.2.1"));
        let own = Broker::builder().user(User::new("guest", "secret"));
        assert!(!guest(own.clone(), "127.0.0.1"));
        assert!(login(own.without_guest(), "guest", "secret", "127.0.0.1"));
    }

    #[test]
    fn other_users_may_be_bound_to_this_machine() {
        let alice = || Broker::builder().user(User::new("alice", "secret"));
        assert!(login(alice(), "alice", "secret", "192.0.2.1"));
        let bound = alice().loopback_users(["alice"]);
        assert!(!login(bound.clone(), "alice", "secret", "192.0.2.1"));
        assert!(login(bound, "guest", "guest", "192.0.2.1"));
    }

    #[test]
    fn what_contradicts_does_not_start() {
        let refused = |builder: BrokerBuilder| builder.start().map(drop).unwrap_err();
        let name = "v".repeat(256);
        assert_eq!(
            refused(Broker::builder().virtual_host(&name)),
            Error::VirtualHostNameTooLong { name }
        );
        let alice = || User::new("alice", "secret");
        assert_eq!(
            refused(Broker::builder().user(alice()).user(alice())),
            Error::DuplicateUser { name: "alice".to_owned() }
        );
        let topics = TopicPermissions { exchange: "x", write: "", read: "" };
        for user in [
            alice().permissions("orders", Permissions::all()),
            alice().topic_permissions("orders", topics).unwrap(),
        ] {
            let unknown = refused(Broker::builder().user(user.clone()));
            assert_eq!(
                unknown.to_string(),
                "the user 'alice' has permissions for the virtual host 'orders', which is not \
                 there: add it with virtual_host(\"orders\")"
            );
            assert!(Broker::builder().virtual_host("orders").user(user).start().is_ok());
        }
    }

    #[test]
    fn connections_of_this_process_choose_their_virtual_host() {
        let broker = Broker::builder().virtual_host("orders").start().unwrap();
        assert!(broker.connect_to("orders", "one").is_ok());
        assert!(broker.connect_to("/", "two").is_ok());
        let missing = broker.connect_to("nope", "three").unwrap_err();
        assert_eq!(missing.to_string(), "530 NOT_ALLOWED - vhost nope not found");
    }

    #[test]
    fn the_builder_shows_no_password() {
        let builder = Broker::builder().user(User::new("alice", "secret"));
        assert!(!format!("{builder:?}").contains("secret"));
    }
}
