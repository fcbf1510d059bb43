//! What an application declares beside its listeners: queues, exchanges and bindings, for the
//! builder's `.declare(..)`.
//!
//! ```
//! use std::time::Duration;
//! use springhare::{Binding, Exchange, Queue};
//!
//! let orders = Queue::durable("orders").dead_letter("orders.dead");
//! let dead = Exchange::fanout("orders.dead");
//! let graveyard = Queue::durable("graveyard").ttl(Duration::from_secs(86_400));
//! let buried = Binding::queue(&graveyard).to(&dead);
//! # drop((orders, buried));
//! ```
//!
//! A builder never fails: what is wrong (a name over 255 bytes, an argument of nonsense) is told
//! at start, with the file and line of the call that made it.

mod arguments;
mod binding;
mod exchange;
mod queue;

pub use binding::{Binding, BindingTo};
pub use exchange::{Exchange, ExchangeType, HashProperty};
pub use queue::{DeadLetterStrategy, DelayedRetry, LeaderLocator, Overflow, Queue};
pub(crate) use queue::{Kind, contradictions};

/// Anything that can be declared.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Declaration {
    /// A queue.
    Queue(Queue),
    /// An exchange.
    Exchange(Exchange),
    /// A binding.
    Binding(Binding),
}

impl From<Queue> for Declaration {
    fn from(queue: Queue) -> Self {
        Self::Queue(queue)
    }
}

impl From<Exchange> for Declaration {
    fn from(exchange: Exchange) -> Self {
        Self::Exchange(exchange)
    }
}

impl From<Binding> for Declaration {
    fn from(binding: Binding) -> Self {
        Self::Binding(binding)
    }
}
