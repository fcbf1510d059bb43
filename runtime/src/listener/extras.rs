//! What few deliveries have.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use springhare_broker::PublishedMessage;

use super::context::Part;
use super::outgoing::Outgoing;

/// What few deliveries have beside what all of them have; made when the first of it is.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// The message as the application's processors have left it.
    pub(super) processed: OnceLock<Arc<PublishedMessage>>,
    /// The body of a compressed message.
    pub(super) inflated: OnceLock<Bytes>,
    /// What its handler sends if it succeeds.
    pub(super) outgoing: OnceLock<Outgoing>,
    /// Set if a processor has discarded it, or it was given up: nobody else settles it.
    pub(super) discarded: OnceLock<()>,
    /// What it has of the message that it is a part of.
    pub(super) part: OnceLock<Part>,
}
