use std::net::SocketAddr;

use crate::model::definitions::DefinitionsError;
use crate::model::policy::PolicyError;
use crate::store::StoreError;

/// Why a broker does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit of the [`BrokerConfig`](crate::BrokerConfig) is 0, and nothing could ever pass.
    #[error("the limit '{name}' is 0, so that nothing could ever pass: set it to 1 or more")]
    ZeroLimit {
        /// The limit's name in the configuration.
        name: &'static str,
    },
    /// A limit lets more pass than a data folder can keep in one piece.
    #[error(
        "the limit '{name}' is more than the {max} bytes that a data folder keeps in one piece: set \
         it to that or less, or give no data folder"
    )]
    UnstorableLimit {
        /// The limit's name in the configuration.
        name: &'static str,
        /// The most that it may be.
        max: usize,
    },
    /// A virtual host has a name that no connection could give.
    #[error("the name of the virtual host '{name}' is longer than 255 bytes")]
    VirtualHostNameTooLong {
        /// The name.
        name: String,
    },
    /// Two users have the same name.
    #[error("the user '{name}' is given twice: give all its permissions to one")]
    DuplicateUser {
        /// The name.
        name: String,
    },
    /// A user has permissions for a virtual host that the broker does not have.
    #[error(
        "the user '{user}' has permissions for the virtual host '{virtual_host}', which is not \
         there: add it with virtual_host(\"{virtual_host}\")"
    )]
    UnknownVirtualHost {
        /// The user.
        user: String,
        /// The virtual host.
        virtual_host: String,
    },
    /// Definitions that are wrong.
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
    /// A policy that is wrong.
    #[error("the policy '{name}' for the virtual host '{virtual_host}': {error}")]
    Policy {
        /// The virtual host.
        virtual_host: String,
        /// The policy.
        name: String,
        /// What is wrong with it.
        error: PolicyError,
    },
    /// A policy for a virtual host that the broker does not have.
    #[error(
        "the policy '{name}' is for the virtual host '{virtual_host}', which is not there: add it \
         with virtual_host(\"{virtual_host}\")"
    )]
    PolicyWithoutVirtualHost {
        /// The virtual host.
        virtual_host: String,
        /// The policy.
        name: String,
    },
    /// The operating system gave no random bytes, which the hashes of passwords are made with.
    #[error("the operating system gives no random bytes to hash the users' passwords with")]
    NoRandomness,
    /// The data folder can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data folder can be read, and takes nothing new.
    #[error("what the broker has from the start can't be written to its data folder: {reason}")]
    NotStored {
        /// What is wrong with the store.
        reason: String,
    },
    /// An address can't be listened at.
    #[error("can't listen at {address}: {kind}; give another address, or end what uses this one")]
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        kind: std::io::ErrorKind,
    },
}
