//! One listener of a running application, in the hand of who controls it.

use std::sync::Arc;

use super::running::Running;
use crate::error::Result;
use crate::listener::endpoint::Concurrency;
use crate::listener::health::{ListenerHealth, ListenerStatus};

/// A listener to start, stop, pause and scale: what
/// [`Springhare::listener`](crate::Springhare::listener) gives.
///
/// Listeners that share a queue with different keys share its consumers: what is done to one of
/// them is done to all.
#[derive(Debug, Clone)]
pub struct ListenerHandle {
    running: Arc<Running>,
    id: String,
}

impl ListenerHandle {
    pub(super) fn new(running: &Arc<Running>, id: &str) -> Self {
        Self { running: Arc::clone(running), id: id.to_owned() }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it does right now.
    #[must_use]
    pub fn status(&self) -> ListenerStatus {
        let health = self.running.listeners.health();
        let of_this = health.listeners().iter().find(|listener| listener.id() == self.id);
        of_this.map_or(ListenerStatus::Stopped, |listener| ListenerHealth::status(listener).clone())
    }

    /// Starts it, as [`start_listener`](crate::Springhare::start_listener) does. One that is paused
    /// goes on.
    ///
    /// # Errors
    ///
    /// As [`start_listener`](crate::Springhare::start_listener).
    pub async fn start(&self) -> Result<()> {
        self.running.start_listener(&self.id).await
    }

    /// Stops it, as [`stop_listener`](crate::Springhare::stop_listener) does.
    ///
    /// # Errors
    ///
    /// As [`stop_listener`](crate::Springhare::stop_listener).
    pub async fn stop(&self) -> Result<()> {
        self.running.stop_listener(&self.id).await
    }

    /// Pauses it: each consumer finishes the message that its handler has in hand, and hands those
    /// back that were prefetched, as a consumer does that is lost: they come again as redelivered, and
    /// where the queue counts deliveries this one counts. [Health](crate::Springhare::health) stays up, and the listener stays paused
    /// when the connection is lost and comes back. A queue that is deleted with its last consumer
    /// goes, and comes anew.
    ///
    /// Nothing happens to a listener that does not run.
    ///
    /// # Errors
    ///
    /// None but what [`stop`](Self::stop) has.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the listener pauses all the same.
    pub async fn pause(&self) -> Result<()> {
        self.running.pause_listener(&self.id).await
    }

    /// Lets it go on if it is paused.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn resume(&self) -> Result<()> {
        self.running.resume_listener(&self.id).await
    }

    /// How many consumers it has for each queue from now on: `4`, or `2..=8`. Those that are too
    /// many finish what they hold. With `0` there is one; [`pause`](Self::pause) it for none.
    ///
    /// # Errors
    ///
    /// None but that there is no such listener any more.
    pub async fn set_concurrency(&self, consumers: impl Into<Concurrency>) -> Result<()> {
        self.running.listeners.scale(&self.id, consumers.into()).await
    }
}
