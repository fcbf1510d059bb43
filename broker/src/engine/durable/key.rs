use springhare_amqp::ShortString;

use crate::model::binding::{ArgumentsIdentity, Binding, Destination};
use crate::model::policy::PolicyKind;

/// What a definition is of: there is one of each at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    VirtualHost(String),
    User(String),
    /// A parameter of the whole broker.
    GlobalParameter(String),
    Policy {
        virtual_host: String,
        kind: PolicyKind,
        name: String,
    },
    Exchange {
        virtual_host: String,
        name: ShortString,
    },
    Queue {
        virtual_host: String,
        name: ShortString,
    },
    Binding {
        virtual_host: String,
        ends: Box<Ends>,
    },
}

/// What makes a binding the one that it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ends {
    source: ShortString,
    destination: Destination,
    routing_key: ShortString,
    arguments: ArgumentsIdentity,
}

impl Key {
    pub(super) fn exchange(virtual_host: &str, name: &ShortString) -> Self {
        Self::Exchange { virtual_host: virtual_host.to_owned(), name: name.clone() }
    }

    pub(super) fn queue(virtual_host: &str, name: &ShortString) -> Self {
        Self::Queue { virtual_host: virtual_host.to_owned(), name: name.clone() }
    }

    pub(super) fn binding(virtual_host: &str, binding: &Binding) -> Self {
        let ends = Ends {
            source: binding.source().clone(),
            destination: binding.destination().clone(),
            routing_key: binding.routing_key().clone(),
            arguments: binding.arguments_identity().clone(),
        };
        Self::Binding { virtual_host: virtual_host.to_owned(), ends: Box::new(ends) }
    }

    pub(super) fn policy(virtual_host: &str, kind: PolicyKind, name: &str) -> Self {
        Self::Policy { virtual_host: virtual_host.to_owned(), kind, name: name.to_owned() }
    }

    /// Whether an operator changes it: all but what clients declare.
    pub(super) fn is_administrative(&self) -> bool {
        match self {
            Self::VirtualHost(_)
            | Self::User(_)
            | Self::GlobalParameter(_)
            | Self::Policy { .. } => true,
            Self::Exchange { .. } | Self::Queue { .. } | Self::Binding { .. } => false,
        }
    }

    /// The virtual host that a client declared it in.
    pub(super) fn declared_in(&self) -> Option<&str> {
        match self {
            Self::Exchange { virtual_host, .. }
            | Self::Queue { virtual_host, .. }
            | Self::Binding { virtual_host, .. } => Some(virtual_host),
            Self::VirtualHost(_)
            | Self::User(_)
            | Self::GlobalParameter(_)
            | Self::Policy { .. } => None,
        }
    }
}
