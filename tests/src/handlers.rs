//! What handlers and their test have between them: handlers tell, and wait to be let through.

use std::fmt::Debug;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::within_limit;

/// What handlers tell a test, one after the other.
#[derive(Debug)]
pub struct Told<T>(mpsc::UnboundedReceiver<T>);

/// Where handlers tell it.
#[derive(Debug)]
pub struct Tell<T>(mpsc::UnboundedSender<T>);

/// The two ends of what handlers tell.
#[must_use]
pub fn telling<T>() -> (Tell<T>, Told<T>) {
    let (tell, told) = mpsc::unbounded_channel();
    (Tell(tell), Told(told))
}

impl<T> Tell<T> {
    /// Tells the test.
    pub fn tell(&self, what: T) {
        // A test that ended does not listen any more.
        drop(self.0.send(what));
    }
}

impl<T: Debug> Told<T> {
    /// The next that was told.
    ///
    /// # Panics
    ///
    /// When nothing comes within the [limit](crate::LIMIT), or nobody can tell any more.
    pub async fn next(&mut self) -> T {
        let told = within_limit("a handler to tell something", self.0.recv()).await;
        told.unwrap_or_else(|| panic!("the handlers are gone"))
    }

    /// Whether nothing was told that the test has not taken.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.0.is_empty()
    }
}

/// Holds handlers until a test lets them go.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate that nobody passes yet.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Waits to be let through.
    pub async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }

    /// Lets so many handlers through, those that wait first.
    pub fn let_through(&self, handlers: usize) {
        self.0.add_permits(handlers);
    }
}
