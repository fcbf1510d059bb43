//! A broker whose memory is full: it tells publishers, takes nothing from them, and goes on with
//! everything else.

use springhare_tests::raw::RawPeer;
use springhare_tests::raw::bytes::{short, shortstr, table};
use springhare_tests::raw::methods::{
    AUTO_DELETE, NO_ACK, channel_open, consume, get, open, publish, queue_declare, start_ok,
    tune_ok,
};

use crate::door::Server;

const MIB: usize = 1 << 20;
/// Of each message.
const SIZE: usize = 64 << 10;

/// A client that wants to know when it is blocked, with channel 1.
async fn told(server: &Server) -> RawPeer {
    let mut peer = RawPeer::connect(server.door().address).await;
    peer.greet().await;
    peer.send(start_ok("PLAIN", "\0guest\0guest", &["connection.blocked"])).await;
    peer.expect_method(0, 10, 30).await;
    peer.send([tune_ok(2047, 131_072, 0), open("/"), channel_open(1)].concat()).await;
    peer.expect_method(0, 10, 41).await;
    peer.expect_method(1, 20, 11).await;
    peer
}

/// A server that takes four MiB, and a queue that has them.
async fn filled(publisher_of: impl AsyncFnOnce(&Server) -> RawPeer) -> (Server, RawPeer) {
    let server = Server::start_with("warn", &["127.0.0.1:0", &(4 * MIB).to_string()]);
    let mut publisher = publisher_of(&server).await;
    publisher.send(queue_declare(1, "full", AUTO_DELETE, table(&[]))).await;
    publisher.expect_method(1, 50, 11).await;
    // More than there is room for: what does not fit waits in the socket.
    let message = publish(1, "", "full", 0, &vec![b'x'; SIZE]);
    publisher.send_until_stalled(&message.repeat(64 * MIB / SIZE)).await;
    (server, publisher)
}

/// Waits for this while a consumer takes whatever there is.
async fn while_drained<T>(server: &Server, waited_for: impl Future<Output = T>) -> T {
    let mut consumer = told(server).await;
    consumer.send(consume(1, "full", "t", NO_ACK)).await;
    consumer.expect_method(1, 60, 21).await;
    let drained = async {
        loop {
            consumer.expect_frame("a delivery").await;
        }
    };
    tokio::select! {
        () = drained => unreachable!("it goes on for ever"),
        output = waited_for => output,
    }
}

/// RabbitMQ's reason, as clients know it.
fn low_on_memory() -> Vec<u8> {
    shortstr("low on memory")
}

#[tokio::test]
async fn a_publisher_is_told_and_waits() {
    let (server, mut publisher) = filled(told).await;
    assert_eq!(publisher.expect_method(0, 10, 60).await, low_on_memory());
    // A consumer is not held up by it, and makes room.
    let unblocked = async { publisher.expect_method(0, 10, 61).await };
    assert!(while_drained(&server, unblocked).await.is_empty());
    server.assert_sound();
}

#[tokio::test]
async fn others_are_not_told() {
    let (server, _publisher) = filled(told).await;
    let mut reader = told(&server).await;
    reader.send(get(1, "full", NO_ACK)).await;
    reader.expect_method(1, 60, 71).await;
    let size = u64::try_from(SIZE).unwrap();
    let header = reader.expect_frame("a header").await;
    let fixed = [short(60), short(0), size.to_be_bytes().to_vec()].concat();
    assert!(header.payload.starts_with(&fixed));
    server.assert_sound();
}

/// Without the capability a client is told nothing, but waits all the same.
#[tokio::test]
async fn a_publisher_that_did_not_ask_is_not_told() {
    let guest = async |server: &Server| RawPeer::with_channels(server.door().address, &[1]).await;
    let (server, mut publisher) = filled(guest).await;
    publisher.end().await;
    let told = while_drained(&server, publisher.until_dropped()).await;
    assert!(told.is_empty(), "it was told {told:?}");
    server.assert_sound();
}
