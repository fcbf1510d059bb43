//! What happens in an application, for whoever asks: [`ApplicationEvent`] and the stream of them.
//!
//! `event` says what there is to tell, `bus` takes it to all who listen, `connections` words what is
//! told of connections, `of_broker` says which broker's. Nobody is waited for: who
//! reads too slowly is told how much it missed.

mod bus;
mod connections;
mod event;
mod of_broker;

pub use bus::{EVENTS_MAX, Events};
pub use event::ApplicationEvent;

pub(crate) use bus::EventBus;
pub(crate) use of_broker::BrokerEvents;
