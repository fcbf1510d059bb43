//! What the builder says of errors, wherever handlers meet them.

use std::error::Error as StdError;
use std::sync::Arc;

use super::SpringhareBuilder;
use crate::listener::discarded::Discarded;
use crate::listener::outcome::ListenerError;
use crate::listener::policy::OnError;

impl SpringhareBuilder {
    /// Says what becomes of messages whose handler failed with an `E`, or with an error that an `E`
    /// caused. Of several that fit the first decides.
    ///
    /// What a handler has chosen itself, as by [`ListenerError::fatal`], holds all the same; what
    /// an extractor could not read is fatal unless this says otherwise.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use springhare::{OnError, Springhare};
    ///
    /// let builder = Springhare::builder()
    ///     .on_error::<std::io::Error>(OnError::RetryAfter(Duration::from_secs(30)))
    ///     .on_error::<std::num::ParseIntError>(OnError::Park);
    /// # drop(builder);
    /// ```
    pub fn on_error<E: StdError + 'static>(mut self, on: OnError) -> Self {
        self.policies.all.add::<E>(on);
        self
    }

    /// The same for the listener of this id alone, before what is said of all.
    ///
    /// ```
    /// use springhare::{OnError, Springhare};
    ///
    /// let builder = Springhare::builder()
    ///     .on_error_of::<std::io::Error>("orders", OnError::Requeue);
    /// # drop(builder);
    /// ```
    #[track_caller]
    pub fn on_error_of<E: StdError + 'static>(
        mut self,
        id: impl Into<String>,
        on: OnError,
    ) -> Self {
        self.policies.listener(id.into()).add::<E>(on);
        self
    }

    /// Says what becomes of messages by the error that their handler failed with; `None` leaves it
    /// to what is said after this.
    ///
    /// ```
    /// use std::io;
    ///
    /// use springhare::{ListenerError, OnError, Springhare};
    ///
    /// fn of_disk(error: &ListenerError) -> Option<OnError> {
    ///     let kind = error.find::<io::Error>()?.kind();
    ///     (kind == io::ErrorKind::StorageFull).then_some(OnError::Requeue)
    /// }
    ///
    /// let builder = Springhare::builder().classify(of_disk);
    /// # drop(builder);
    /// ```
    pub fn classify(
        mut self,
        rule: impl Fn(&ListenerError) -> Option<OnError> + Send + Sync + 'static,
    ) -> Self {
        self.policies.all.classify(rule);
        self
    }

    /// The same for the listener of this id alone, before what is said of all.
    ///
    /// ```
    /// use springhare::{OnError, Springhare};
    ///
    /// let builder = Springhare::builder().classify_of("orders", |error| {
    ///     error.report().contains("deadlock").then_some(OnError::Retry)
    /// });
    /// # drop(builder);
    /// ```
    #[track_caller]
    pub fn classify_of(
        mut self,
        id: impl Into<String>,
        rule: impl Fn(&ListenerError) -> Option<OnError> + Send + Sync + 'static,
    ) -> Self {
        self.policies.listener(id.into()).classify(rule);
        self
    }
    /// Has `hook` hear of each message that is given up, once that is done: parked, dead-lettered,
    /// republished or dropped, and why. Spring's `handleDiscarded`, for whatever is given up.
    ///
    /// It is called on a thread for blocking work, with one message after the other, after the
    /// message is settled: a slow one holds up nobody. What comes while
    /// [`DISCARDED_MAX`](crate::DISCARDED_MAX) messages wait for it is logged alone, and so is its panic. What
    /// it has not heard when the program ends it does not hear.
    ///
    /// ```
    /// use springhare::{DiscardedTo, Springhare};
    ///
    /// let builder = Springhare::builder().on_discarded(|discarded| {
    ///     if discarded.to() == DiscardedTo::Nowhere {
    ///         let (context, reason) = (discarded.context(), discarded.reason());
    ///         eprintln!("lost from {}: {reason:?} {:?}", context.queue(), context.body());
    ///     }
    /// });
    /// # drop(builder);
    /// ```
    pub fn on_discarded(mut self, hook: impl Fn(&Discarded) + Send + Sync + 'static) -> Self {
        self.on_discarded.push(Arc::new(hook));
        self
    }
}
