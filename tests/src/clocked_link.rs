//! A link whose applications count their pauses on a clock that the broker has not.

use std::sync::Arc;

use springhare::connection::{DeliveryCounting, Link, LinkConnection, LinkFuture};
use springhare_broker::Clock;

/// A link with another clock for who uses it; its broker, and the connection's own limits, keep
/// theirs.
#[derive(Debug)]
pub struct ClockedLink {
    inner: Box<dyn Link>,
    clock: Clock,
}

impl ClockedLink {
    /// A link over this one.
    #[must_use]
    pub fn over(inner: Box<dyn Link>, clock: Clock) -> Self {
        Self { inner, clock }
    }
}

impl Link for ClockedLink {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.inner.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        self.inner.connect(name)
    }
}
