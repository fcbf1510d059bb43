//! What the builder says of errors, wherever handlers meet them.

use std::error::Error as StdError;

use super::SpringhareBuilder;
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
}
