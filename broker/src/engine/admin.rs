//! What an operator changes while the broker runs: virtual hosts, users, what they may do, policies
//! and limits.
//!
//! One change is made after the other, so that nobody gets permissions in a virtual host that is
//! just deleted.

use std::sync::{Arc, MutexGuard};

use springhare_amqp::ShortString;

use super::broker_cell::{BrokerCell, DEFAULT_VIRTUAL_HOST, forced};
use super::policy::warn;
use super::users::{NewUser, NoRandomness, NoSuchUser};
use super::virtual_host::VirtualHost;
use crate::model::access::{PatternError, Permissions, TopicPatterns, TopicPermissions, User};
use crate::model::definitions::DefinitionsError;
use crate::model::limits::{UserLimits, VirtualHostLimits};
use crate::model::policy::{CheckedPolicy, Policy, PolicyError, PolicyKind};
use crate::model::virtual_host::VirtualHostOptions;
use crate::store::Failure;

/// Why something was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// There is no such virtual host.
    #[error("Virtual host '{name}' does not exist")]
    NoVirtualHost {
        /// The name.
        name: String,
    },
    /// The virtual host `/` is always there.
    #[error("the virtual host '/' is always there: delete what is in it")]
    DefaultVirtualHost,
    /// A virtual host would have a name that no connection could give.
    #[error("the name of the virtual host '{name}' is longer than 255 bytes")]
    VirtualHostNameTooLong {
        /// The name.
        name: String,
    },
    /// There is no such user.
    #[error("User \"{name}\" does not exist")]
    NoUser {
        /// The name.
        name: String,
    },
    /// There is no such policy in the virtual host.
    #[error("there is no policy '{name}' in the virtual host '{virtual_host}'")]
    NoPolicy {
        /// The name.
        name: String,
        /// Where it was looked for.
        virtual_host: String,
    },
    /// A policy that is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A pattern of permissions that is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The operating system gave no random bytes, which the hash of a password is made with.
    #[error("the operating system gives no random bytes to hash the user's password with")]
    NoRandomness,
    /// Definitions that are wrong.
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
    /// The disk is full or has failed: whether the change survives the broker is not known.
    #[error("the change may not survive the broker: {reason}")]
    NotStored {
        /// What the store says.
        reason: String,
    },
}

impl From<Failure> for AdminError {
    fn from(failure: Failure) -> Self {
        Self::NotStored { reason: failure.to_string() }
    }
}

/// The right to change something: one operator after the other has it.
#[derive(Debug)]
#[must_use = "what was changed is to be written"]
struct Administration<'b> {
    broker: &'b BrokerCell,
    _only: MutexGuard<'b, ()>,
}

impl Administration<'_> {
    /// Writes what was changed.
    fn finish(self) -> Result<(), AdminError> {
        Ok(self.broker.write_administration()?)
    }
}

impl BrokerCell {
    /// # Errors
    ///
    /// The store takes no changes.
    fn administrate(&self) -> Result<Administration<'_>, AdminError> {
        let administration = Administration { broker: self, _only: self.administration() };
        match self.shared().journal().and_then(|journal| journal.failure()) {
            Some(failure) => Err(failure.into()),
            None => Ok(administration),
        }
    }

    /// Adds a virtual host, or gives the one of this name other options.
    pub(crate) fn add_virtual_host(
        &self,
        name: &str,
        options: VirtualHostOptions,
    ) -> Result<(), AdminError> {
        let short = ShortString::new(name)
            .map_err(|_| AdminError::VirtualHostNameTooLong { name: name.to_owned() })?;
        let administration = self.administrate()?;
        match self.virtual_hosts().get(name) {
            Some(present) => present.set_options(options),
            None => {
                let host = VirtualHost::new(short, options, Arc::clone(self.shared()));
                self.write_virtual_host(&host)?;
                self.add_virtual_hosts([host]);
            }
        }
        administration.finish()
    }

    /// Deletes a virtual host with all that is in it, closes its connections with 320 `vhost 'v' is
    /// deleted`, and forgets all permissions in it.
    pub(crate) fn delete_virtual_host(&self, name: &str) -> Result<(), AdminError> {
        if name == DEFAULT_VIRTUAL_HOST {
            return Err(AdminError::DefaultVirtualHost);
        }
        let administration = self.administrate()?;
        let (taken, connections) = self.take_virtual_host(name).ok_or_else(|| no_host(name))?;
        self.users().forget_virtual_host(name);
        let reason = forced(format_args!("vhost '{name}' is deleted"));
        for connection in connections {
            connection.close(Some(&reason));
        }
        taken.delete_all();
        self.write_virtual_host_gone(name)?;
        administration.finish()
    }

    pub(crate) fn set_virtual_host_limits(
        &self,
        name: &str,
        limits: VirtualHostLimits,
    ) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        self.find_virtual_host(name)?.set_limits(limits);
        administration.finish()
    }

    /// Adds a user, or gives the one of this name another password, other tags, and the limits and
    /// permissions that it says something of.
    pub(crate) fn set_user(&self, user: User) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        for name in user.virtual_hosts() {
            self.find_virtual_host(name)?;
        }
        let user = NewUser::new(user).map_err(|NoRandomness| AdminError::NoRandomness)?;
        self.users().set(user);
        administration.finish()
    }

    /// Deletes a user, and closes its connections with 320 `user 'u' is deleted`.
    pub(crate) fn delete_user(&self, name: &str) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        let cell = self.users().delete(name).map_err(no_user(name))?;
        let reason = forced(format_args!("user '{name}' is deleted"));
        for connection in self.connections_of(&cell) {
            connection.close(Some(&reason));
        }
        administration.finish()
    }

    pub(crate) fn set_user_limits(&self, name: &str, limits: UserLimits) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        self.users().change(name, |user| user.set_limits(limits)).map_err(no_user(name))?;
        administration.finish()
    }

    /// Sets or clears what a user may do in a virtual host.
    pub(crate) fn set_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        permissions: Option<Permissions>,
    ) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        self.find_virtual_host(virtual_host)?;
        let change =
            self.users().change(user, |user| user.set_permissions(virtual_host, permissions));
        change.map_err(no_user(user))?;
        administration.finish()
    }

    pub(crate) fn set_topic_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        topics: TopicPermissions<'_>,
    ) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        self.find_virtual_host(virtual_host)?;
        let patterns = TopicPatterns::new(topics, user, virtual_host)?;
        let change = self
            .users()
            .change(user, |user| user.set_topics(virtual_host, topics.exchange, patterns));
        change.map_err(no_user(user))?;
        administration.finish()
    }

    /// Clears the topic permissions for one exchange, or for all.
    pub(crate) fn clear_topic_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        exchange: Option<&str>,
    ) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        self.find_virtual_host(virtual_host)?;
        let change = self.users().change(user, |user| user.clear_topics(virtual_host, exchange));
        change.map_err(no_user(user))?;
        administration.finish()
    }

    pub(crate) fn set_policy(
        &self,
        virtual_host: &str,
        kind: PolicyKind,
        policy: Policy,
    ) -> Result<(), AdminError> {
        let policy = CheckedPolicy::new(policy, kind)?;
        let administration = self.administrate()?;
        self.find_virtual_host(virtual_host)?.change_policies(|policies| {
            warn(policy.policy(), virtual_host);
            policies.set(kind, policy);
            Ok::<_, AdminError>(())
        })?;
        administration.finish()
    }

    pub(crate) fn clear_policy(
        &self,
        virtual_host: &str,
        kind: PolicyKind,
        name: &str,
    ) -> Result<(), AdminError> {
        let administration = self.administrate()?;
        self.find_virtual_host(virtual_host)?.change_policies(|policies| {
            if policies.clear(kind, name) {
                return Ok(());
            }
            let (name, virtual_host) = (name.to_owned(), virtual_host.to_owned());
            Err(AdminError::NoPolicy { name, virtual_host })
        })?;
        administration.finish()
    }

    pub(crate) fn find_virtual_host(&self, name: &str) -> Result<Arc<VirtualHost>, AdminError> {
        self.virtual_hosts().get(name).cloned().ok_or_else(|| no_host(name))
    }
}

fn no_host(name: &str) -> AdminError {
    AdminError::NoVirtualHost { name: name.to_owned() }
}

fn no_user(name: &str) -> impl FnOnce(NoSuchUser) -> AdminError {
    move |NoSuchUser| AdminError::NoUser { name: name.to_owned() }
}

#[cfg(test)]
mod tests;
