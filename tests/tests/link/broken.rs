use std::time::Duration;

use bytes::BytesMut;
use springhare::connection::{Link, LinkError};
use springhare_amqp::wire::method::connection;
use springhare_amqp::wire::{Method, encode_header_frame, encode_method_frame};
use springhare_broker::Clock;
use springhare_tests::{amqp_link, eventually, within_limit};

use crate::fake::{FakeBroker, deliver, logged_in};

#[tokio::test]
async fn a_frame_from_a_broken_broker_ends_the_connection_and_says_what_it_was() {
    for (bytes, text) in [
        (&b"\x01\x00\x01\x00\x00\x00\x04\x00\x14\x00\x0b\x00"[..], "no frame"),
        (b"\x01\x00\x07\x00\x00\x00\x04\x00\x14\x00\x0b\xce", "channel 7"),
        (b"\x01\x00\x00\x00\x00\x00\x04\x00\xff\x00\x0b\xce", "can't be read"),
        (b"\x01\x00\x00\x00\x00\x00\x04\x00\x32\x00\x15\xce", "queue.bind-ok on channel 0"),
        (b"GET / HTTP/1.1\r\n\r\n", "no frame"),
    ] {
        let (connection, mut peer) = logged_in(0).await;
        peer.bytes(bytes).await;
        let closed = eventually("the connection is closed", async || connection.closed()).await;
        assert!(matches!(closed, LinkError::Transport(_)), "{closed:?}");
        assert!(closed.to_string().contains(text), "{closed}");
        // It says goodbye with the reason.
        let (_, method) = within_limit("the close", peer.method()).await;
        let Method::Connection(connection::Method::Close(close)) = method else {
            panic!("{method:?}")
        };
        assert!(close.reply_code >= 500, "{close:?}");
    }
}

/// What a header announces is never allocated for it: the connection ends before the body comes.
#[tokio::test]
async fn a_body_that_is_announced_as_larger_than_any_ends_the_connection() {
    for size in [(512 << 20) + 1, u64::MAX] {
        let (connection, mut peer) = logged_in(0).await;
        let (channel, _) = tokio::join!(connection.open_channel(), peer.open_channel());
        let channel = channel.unwrap();
        let starting = channel.basic_consume("q", "c", Default::default());
        let (consumer, ()) = tokio::join!(starting, peer.start_consumer("c"));
        let _consumer = consumer.unwrap();
        let mut out = BytesMut::new();
        encode_method_frame(1, &deliver("c", 1), &mut out);
        encode_header_frame(1, size, &Default::default(), &mut out);
        peer.bytes(&out).await;
        let closed = eventually("the connection is closed", async || connection.closed()).await;
        assert!(closed.to_string().contains("and 536870912 are taken at most"), "{closed}");
    }
}

#[tokio::test]
async fn every_call_has_a_deadline() {
    let broker = FakeBroker::start().await;
    let (clock, hand) = Clock::manual();
    let link = amqp_link(broker.address()).with_clock(clock);
    let (connection, mut peer) = tokio::join!(link.connect("test"), broker.log_in(0));
    let connection = connection.unwrap();
    let (channel, _) = tokio::join!(connection.open_channel(), peer.open_channel());
    let channel = channel.unwrap();
    let calling = channel.queue_purge("q");
    let (error, ()) = tokio::join!(calling, async {
        // It is on its way before the time is.
        peer.method().await;
        hand.advance(Duration::from_secs(30));
    });
    let error = error.unwrap_err();
    assert!(matches!(error, LinkError::TimedOut { operation: "queue.purge", .. }), "{error:?}");
    // Late is late: the answer is nobody else's.
    let purged = springhare_amqp::wire::method::queue::PurgeOk { message_count: 3 };
    peer.send(1, purged).await;
    let (again, ()) = tokio::join!(channel.queue_purge("q"), async {
        peer.method().await;
        peer.send(1, springhare_amqp::wire::method::queue::PurgeOk { message_count: 4 }).await;
    });
    assert_eq!(again.unwrap(), 4);
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_given_up() {
    let broker = FakeBroker::start().await;
    let (clock, hand) = Clock::manual();
    let link = amqp_link(broker.address()).with_clock(clock);
    let (connection, peer) = tokio::join!(link.connect("test"), broker.log_in(10));
    let connection = connection.unwrap();
    assert!(connection.closed().is_none());
    eventually("two heartbeats were missed", async || {
        hand.advance(Duration::from_secs(5));
        connection.closed()
    })
    .await;
    let text = connection.closed().unwrap().to_string();
    assert!(text.contains("no heartbeat for two intervals"), "{text}");
    drop(peer);
}

#[tokio::test]
async fn an_operator_that_closes_the_connection_is_quoted() {
    let (connection, mut peer) = logged_in(0).await;
    let close = connection::Close {
        reply_code: 320,
        reply_text: "CONNECTION_FORCED - maintenance".try_into().unwrap(),
        class_id: 0,
        method_id: 0,
    };
    peer.send(0, close).await;
    let closed = eventually("the connection is closed", async || connection.closed()).await;
    assert_eq!(closed.to_string(), "the connection is closed: 320 CONNECTION_FORCED - maintenance");
    let (_, method) = within_limit("the answer", peer.method()).await;
    assert!(matches!(method, Method::Connection(connection::Method::CloseOk(_))), "{method:?}");
}
