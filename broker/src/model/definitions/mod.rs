//! Definitions: what a broker has beside messages, as RabbitMQ's definitions files describe it.
//!
//! In: what such a file says, in types, each with the place where it says so, and what can be wrong
//! with it. Out: JSON (the broker's `definitions`) and what is done with it (the engine's
//! `import`).

mod error;

use std::collections::BTreeSet;

use springhare_amqp::{FieldValue, ShortString};

pub(crate) use self::error::Report;
pub use self::error::{DefinitionsError, DefinitionsFault, DefinitionsWarning, FaultKind};
use crate::model::access::{Permissions, User};
use crate::model::arguments::QueueType;
use crate::model::binding::Binding;
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};
use crate::model::limits::VirtualHostLimits;
use crate::model::policy::{CheckedPolicy, PolicyKind};
use crate::model::virtual_host::VirtualHostOptions;

/// Something that a file says, and where: `$.queues[3]`.
#[derive(Debug)]
pub(crate) struct At<T> {
    pub(crate) path: String,
    pub(crate) item: T,
}

/// The same of something that is in a virtual host.
#[derive(Debug)]
pub(crate) struct In<T> {
    pub(crate) path: String,
    pub(crate) virtual_host: ShortString,
    pub(crate) item: T,
}

/// Everything that a file says.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) virtual_hosts: Vec<At<(ShortString, GivenOptions)>>,
    pub(crate) users: Vec<At<User>>,
    /// All names of users in the file, also of those with faults.
    pub(crate) user_names: BTreeSet<String>,
    /// By the user's name.
    pub(crate) permissions: Vec<In<(String, Permissions)>>,
    pub(crate) topic_permissions: Vec<In<TopicEntry>>,
    pub(crate) limits: Vec<In<VirtualHostLimits>>,
    pub(crate) policies: Vec<In<(PolicyKind, CheckedPolicy)>>,
    pub(crate) exchanges: Vec<In<ExchangeDefinition>>,
    pub(crate) queues: Vec<In<QueueDeclaration>>,
    pub(crate) bindings: Vec<In<Binding>>,
    pub(crate) global_parameters: Vec<(String, FieldValue)>,
}

/// What a file says of a virtual host, which is not everything mostly.
#[derive(Debug, Clone)]
pub(crate) struct GivenOptions {
    pub(crate) description: Option<String>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) default_queue_type: Option<QueueType>,
}

impl GivenOptions {
    /// The options of a virtual host that had others; what the file does not say stays.
    pub(crate) fn over(self, present: VirtualHostOptions) -> VirtualHostOptions {
        VirtualHostOptions {
            description: self.description.unwrap_or(present.description),
            tags: self.tags.unwrap_or(present.tags),
            default_queue_type: self.default_queue_type.or(present.default_queue_type),
        }
    }
}

/// Topic permissions of a user for one exchange.
#[derive(Debug)]
pub(crate) struct TopicEntry {
    pub(crate) user: String,
    pub(crate) exchange: String,
    pub(crate) write: String,
    pub(crate) read: String,
}

/// What an import brought: how many of each a file has, those that were there already included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Virtual hosts.
    pub virtual_hosts: usize,
    /// Users.
    pub users: usize,
    /// Permissions, those for topics included.
    pub permissions: usize,
    /// Policies, those of the operator included.
    pub policies: usize,
    /// Exchanges.
    pub exchanges: usize,
    /// Queues.
    pub queues: usize,
    /// Bindings.
    pub bindings: usize,
    /// What the file says and the broker has no use for.
    pub warnings: Vec<DefinitionsWarning>,
}
