//! The graph of an application: its listeners, queues, exchanges and bindings, known in full
//! before anything is declared, so that every fault is found at once, each with its place.
//!
//! `resolve` makes nodes of the listeners' attributes, `contradictions` finds what one of them can't
//! mean. `check` merges the nodes and finds what contradicts (`consistency` in each of them by itself and
//! with what it is used for). `merge` finds which listeners share consumers. `declare` takes the graph
//! to the broker, and back when the start fails; `redeclare` takes it there once more when a connection
//! or a consumer was lost.
//! Deliberately out: consuming.

mod acknowledging;
mod change;
mod check;
mod consistency;
mod consumer_timeout;
mod contradictions;
mod converting;
mod declarations;
mod declare;
mod declared;
mod declaring_link;
mod definition;
mod delays;
mod exclusive;
mod failing;
mod faults_of;
mod join;
mod key_paths;
mod merge;
mod queues_of;
mod redeclare;
mod resolve;
mod rules;
mod shared;
mod source;
mod unheeded;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use springhare_amqp::ShortString;

pub(crate) use change::Part;
pub(crate) use check::{GraphInput, check};
pub(crate) use declarations::Declarations;
pub(crate) use declare::{Declared, declare, unbind, unknown_names};
pub(crate) use declaring_link::DeclaringLink;
pub(crate) use definition::{
    BindingNode, DestinationKind, ExchangeNode, Generation, Origin, QueueNode,
};
pub(crate) use redeclare::{Refused, declare_for_queue, declare_part, redeclare};
pub(crate) use resolve::ResolvedListener;
pub(crate) use rules::Rules;
pub(crate) use shared::SharedGraph;
pub(crate) use source::ListenerSource;

use crate::listener::plan::{ContainerPlan, ListenerPlan};
use crate::settings::placeholder;

/// A queue that must be there, for a listener with `declare = false`.
#[derive(Debug, Clone)]
pub(crate) struct ExpectedQueue {
    pub(crate) name: ShortString,
    pub(crate) origin: Origin,
}

/// Everything that an application declares and runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub(crate) exchanges: BTreeMap<ShortString, ExchangeNode>,
    pub(crate) queues: BTreeMap<ShortString, QueueNode>,
    pub(crate) bindings: Vec<BindingNode>,
    /// What listeners bind their queues to. A queue or an exchange that was deleted by hand has
    /// them again once it is declared.
    pub(crate) of_listeners: Vec<BindingNode>,
    /// The queues and exchanges that were deleted by hand.
    deleted: BTreeSet<(DestinationKind, ShortString)>,
    /// The queues that somebody else declares.
    pub(crate) expected: Vec<ExpectedQueue>,
    /// The listeners with the bindings of their own, sorted by id.
    bound: Vec<merge::Bound>,
    /// The same listeners, by what shares consumers.
    pub(crate) containers: Vec<ContainerPlan>,
}

impl Graph {
    /// Its listeners, sorted by id.
    pub(crate) fn listeners(&self) -> impl ExactSizeIterator<Item = &Arc<ListenerPlan>> {
        self.bound.iter().map(|bound| &bound.plan)
    }

    /// The listener's queues are somebody else's.
    fn expect(&mut self, listener: &ListenerPlan) {
        if listener.missing_queues_fatal && listener.auto_startup {
            let expected = |name: &ShortString| ExpectedQueue {
                name: name.clone(),
                origin: listener.origin.clone(),
            };
            self.expected.extend(listener.queues.iter().map(expected));
        }
    }
}
