//! Ports that nobody uses.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Where they are taken from: below those that the system gives to outgoing connections. A node
/// that is down for a while finds its port free again, and whoever tries to reach it meanwhile does
/// not meet itself.
const RANGE: Range<u16> = 20_000..32_000;

/// A port that was free a moment ago on each of these addresses.
///
/// # Errors
///
/// When there is none.
pub(crate) fn free_port(addresses: &[Ipv4Addr]) -> io::Result<u16> {
    // Tests that run at the same time begin at different places.
    let spread = u64::from(RANGE.end - RANGE.start);
    let offset = RandomState::new().hash_one("port") % spread;
    let first = RANGE.start + u16::try_from(offset).unwrap_or_default();
    let mut ports = (first..RANGE.end).chain(RANGE.start..first);
    ports.find(|port| addresses.iter().all(|address| is_free(*address, *port))).ok_or_else(|| {
        let (start, end) = (RANGE.start, RANGE.end);
        io::Error::new(io::ErrorKind::AddrInUse, format!("no port from {start} to {end} is free"))
    })
}

fn is_free(address: Ipv4Addr, port: u16) -> bool {
    TcpListener::bind((address, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free() {
        let port = free_port(&[Ipv4Addr::LOCALHOST]).unwrap();
        assert!(RANGE.contains(&port));
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).unwrap();
        assert!(!is_free(Ipv4Addr::new(127, 0, 0, 2), port));
        assert!(is_free(Ipv4Addr::LOCALHOST, port));
        drop(listener);
    }
}
