use std::fmt;

use super::authenticated::AuthenticatedUser;
use super::password::{HashingAlgorithm, PasswordHash, PasswordHashError, SALT_BYTES};
use super::pattern::PatternError;
use super::permissions::Permissions;
use super::topic::{TopicPatterns, TopicPermissions};
use crate::model::limits::UserLimits;

/// A user of the broker: a name, a password, and what it may do in which virtual host.
///
/// Give it to [`BrokerBuilder::user`](crate::BrokerBuilder::user). It may open the virtual hosts
/// that it has [`permissions`](Self::permissions) for, and no other. The password is kept until
/// the broker starts, and from then on only as a salted hash.
///
/// ```
/// use springhare_broker::{Permissions, User};
///
/// let user = User::new("alice", "secret")
///     .tag("administrator")
///     .permissions("/", Permissions::new("^alice\\.", ".*", "^alice\\.")?);
/// # let _ = user;
/// # Ok::<(), springhare_broker::PatternError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a user exists once it is given to a broker"]
pub struct User {
    credential: Credential,
    user: AuthenticatedUser,
}

#[derive(Clone)]
enum Credential {
    Password(Vec<u8>),
    Hash(PasswordHash),
}

impl User {
    /// A user who may do nothing yet. With an empty password nobody can log in.
    pub fn new(name: impl Into<String>, password: impl AsRef<[u8]>) -> Self {
        Self::with(name.into(), Credential::Password(password.as_ref().to_vec()))
    }

    /// A user whose password is known as a hash only: the `password_hash` of RabbitMQ's
    /// definitions (`rabbitmqctl export_definitions`), base64 of a salt of 4 bytes and the SHA-256
    /// of salt and password. An empty hash is no password.
    ///
    /// # Errors
    ///
    /// The text is not base64, or not that of a salt and a SHA-256.
    pub fn with_password_hash(
        name: impl Into<String>,
        hash: &str,
    ) -> Result<Self, PasswordHashError> {
        Self::with_password_hash_of(name, HashingAlgorithm::Sha256, hash)
    }

    /// The same for another algorithm: the `hashing_algorithm` of RabbitMQ's definitions.
    ///
    /// # Errors
    ///
    /// The text is not base64, or not that of a salt and a hash of this algorithm.
    pub fn with_password_hash_of(
        name: impl Into<String>,
        algorithm: HashingAlgorithm,
        hash: &str,
    ) -> Result<Self, PasswordHashError> {
        let hash = PasswordHash::parse(hash, algorithm)?;
        Ok(Self::with(name.into(), Credential::Hash(hash)))
    }

    fn with(name: String, credential: Credential) -> Self {
        Self { credential, user: AuthenticatedUser::new(name) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.user.name
    }

    /// Adds a tag: `impersonator` may publish in others' names (the property `user_id`); what
    /// the other tags mean is the management API's matter.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        if !self.user.has_tag(&tag) {
            self.user.tags.push(tag);
        }
        self
    }

    /// Limits how much the user may have at a time.
    pub fn limits(mut self, limits: UserLimits) -> Self {
        self.user.limits = limits;
        self
    }

    /// Allows the user to open a virtual host, and there what the permissions say. They replace
    /// those that were given for it before.
    pub fn permissions(
        mut self,
        virtual_host: impl Into<String>,
        permissions: Permissions,
    ) -> Self {
        self.user.permissions.insert(virtual_host.into(), permissions);
        self
    }

    /// Restricts the routing keys with which the user may use a topic exchange of a virtual
    /// host. They replace those that were given for the exchange before.
    ///
    /// # Errors
    ///
    /// A pattern that is wrong, or too large with the names in it.
    pub fn topic_permissions(
        mut self,
        virtual_host: impl Into<String>,
        topics: TopicPermissions<'_>,
    ) -> Result<Self, PatternError> {
        let virtual_host = virtual_host.into();
        let patterns = TopicPatterns::new(topics, &self.user.name, &virtual_host)?;
        let exchanges = self.user.topics.entry(virtual_host).or_default();
        exchanges.insert(topics.exchange.to_owned(), patterns);
        Ok(self)
    }

    /// The virtual hosts that the user has permissions for, of either kind.
    pub(crate) fn virtual_hosts(&self) -> impl Iterator<Item = &str> {
        self.user.permissions.keys().chain(self.user.topics.keys()).map(String::as_str)
    }

    /// What is kept of the user: the password's hash, made with this salt if it has none yet,
    /// and who it is for those who prove it.
    pub(crate) fn into_parts(self, salt: [u8; SALT_BYTES]) -> (PasswordHash, AuthenticatedUser) {
        let hash = match self.credential {
            Credential::Password(password) => PasswordHash::new(&password, salt),
            Credential::Hash(hash) => hash,
        };
        (hash, self.user)
    }
}

/// Shows nothing of it.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Hash(_) => "Hash(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::Permission;

    #[test]
    fn neither_password_nor_hash_is_shown() {
        let hash = "Tsj3eKNhT9D9vDHh9I7N06tVcW893FaQs93vcjBBmAtoFzTB";
        for user in [User::new("a", "secret"), User::with_password_hash("a", hash).unwrap()] {
            let shown = format!("{user:?} {:?}", user.clone().into_parts([1; 4]));
            assert!(shown.contains("(..)"), "{shown}");
            for secret in ["secret", hash, "115, 101, 99", "digest"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }

    #[test]
    fn a_password_becomes_a_hash() {
        let (hash, user) = User::new("alice", "secret").tag("impersonator").into_parts([1; 4]);
        assert!(hash.matches(b"secret"));
        assert_eq!(user.name(), "alice");
        let given = User::with_password_hash("a", "").unwrap();
        assert!(!given.into_parts([1; 4]).0.matches(b""));
        let wrong = User::with_password_hash("a", "AAAA").unwrap_err();
        let algorithm = HashingAlgorithm::Sha256;
        assert_eq!(wrong, PasswordHashError::WrongLength { bytes: 3, algorithm });
    }

    #[test]
    fn permissions_are_each_virtual_hosts() {
        let topics = TopicPermissions { exchange: "x", write: "^{vhost}", read: "" };
        let user = User::new("alice", "secret")
            .permissions("v", Permissions::new("^a", "", "").unwrap())
            .permissions("v", Permissions::new("^b", "", "").unwrap())
            .topic_permissions("v", topics)
            .unwrap();
        assert_eq!(user.virtual_hosts().collect::<Vec<_>>(), ["v", "v"]);
        let (_, user) = user.into_parts([1; 4]);
        assert!(user.may_open("v") && !user.may_open("/"));
        let configure = user.permissions("v").unwrap().pattern(Permission::Configure);
        assert!(configure.matches("b") && !configure.matches("a"));
        assert!(user.permissions("/").is_none());
        assert!(user.topic_patterns("v", "x").unwrap().allow(Permission::Write, "v.k"));
        assert!(user.topic_patterns("v", "y").is_none());
        assert!(user.topic_patterns("/", "x").is_none());
    }

    #[test]
    fn an_impersonator_publishes_as_anybody() {
        let (_, alice) = User::new("alice", "secret").tag("administrator").into_parts([1; 4]);
        assert!(alice.may_publish_as("alice") && !alice.may_publish_as("bob"));
        let (_, proxy) = User::new("proxy", "secret").tag("impersonator").into_parts([1; 4]);
        assert!(proxy.may_publish_as("bob"));
    }
}
