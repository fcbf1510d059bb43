//! A broker that goes: its clients are told, and those that don't listen are left behind.

use springhare_tests::raw::methods::{connection_close_ok, flow};
use springhare_tests::raw::{Close, RawPeer, Received};
use tokio::net::TcpStream;

use crate::door::Server;

/// What RabbitMQ says when its node is stopped.
fn goodbye() -> Close {
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    Close::connection(320, text, (0, 0))
}

#[tokio::test]
async fn clients_are_told() {
    let mut server = Server::start();
    let address = server.door().address;
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.push(RawPeer::with_channels(address, &[1]).await);
    }
    server.shut_down();
    for mut peer in peers {
        assert_eq!(peer.expect_close().await, goodbye());
        peer.send([flow(1), connection_close_ok()].concat()).await;
        assert_eq!(peer.next().await, Received::Dropped);
    }
    server.has_ended();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// One that does not answer, and one that never came in, hold it up no longer than the deadline.
#[tokio::test]
async fn nobody_holds_it_up() {
    let mut server = Server::start();
    let address = server.door().address;
    let mut silent = RawPeer::with_channels(address, &[1]).await;
    let mut stranger = RawPeer::connect(address).await;
    stranger.greet().await;
    server.shut_down();
    assert_eq!(silent.expect_close().await, goodbye());
    assert_eq!(silent.next().await, Received::Dropped);
    assert_eq!(stranger.next().await, Received::Dropped);
    server.has_ended();
}
