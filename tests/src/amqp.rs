use std::net::SocketAddr;

use springhare::connection::{Address, AmqpLink};

/// The runtime's link to the broker at `address`, virtual host `/`, user guest.
///
/// # Panics
///
/// Never: every socket's address is a host and a port.
#[must_use]
pub fn amqp_link(address: SocketAddr) -> AmqpLink {
    match format!("amqp://{address}").parse() {
        Ok(Address::Amqp(addresses)) => AmqpLink::new(addresses),
        other => panic!("{address}: {other:?}"),
    }
}
