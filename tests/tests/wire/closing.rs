//! Handshakes that end a channel or a connection, and who may still say what meanwhile.

use springhare_tests::eventually;
use springhare_tests::raw::bytes::{heartbeat, table};
use springhare_tests::raw::methods::{
    EXCLUSIVE, PASSIVE, ack, channel_close, channel_close_ok, channel_open, confirm_select,
    connection_close, connection_close_ok, consume, flow, get, publish, qos, queue_declare,
};
use springhare_tests::raw::{RawPeer, Received};

use crate::door::{Door, Target};

wire!(
    a_channel_is_closed_and_opened_again,
    what_comes_for_a_closed_channel,
    what_comes_for_a_closing_channel,
    both_sides_close_a_channel_at_once,
    a_channel_with_deliveries_is_closed,
    a_connection_is_closed,
    a_connection_is_closed_twice,
    nothing_comes_after_the_close_ok,
    a_mistake_before_the_close_is_told_before_it,
    what_comes_after_the_connection_was_closed,
    both_sides_close_the_connection_at_once,
    the_connection_ends_in_the_middle,
);

/// A passive declare of what is not there: channel 1 is closed by the broker.
fn mistake() -> Vec<u8> {
    queue_declare(1, "cl-missing", PASSIVE, table(&[]))
}

/// What is confirmed is confirmed before the connection is closed, or not at all.
async fn nothing_comes_after_the_close_ok(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(confirm_select(1)).await;
    peer.expect_method(1, 85, 11).await;
    let twice = publish(1, "", "nowhere", 0, b"x").repeat(2);
    peer.send([twice, connection_close()].concat()).await;
    let mut confirmed = 0;
    loop {
        let frame = peer.expect_frame("a confirm or the close-ok").await;
        match frame.payload.get(..4) {
            Some([0, 60, 0, 80]) => confirmed = u64::from(frame.payload[11]),
            Some([0, 10, 0, 51]) => break,
            _ => panic!("{frame:?}"),
        }
    }
    assert!(confirmed == 2 || door.target == Target::RabbitMq, "{confirmed} confirmed");
    peer.end().await;
    assert_eq!(peer.until_dropped().await, []);
}

async fn a_mistake_before_the_close_is_told_before_it(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send([ack(1, 9, 0), connection_close()].concat()).await;
    peer.expect_method(1, 20, 40).await;
    peer.expect_method(0, 10, 51).await;
}

async fn a_channel_is_closed_and_opened_again(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    for _ in 0..3 {
        peer.send(channel_close(1)).await;
        peer.expect_method(1, 20, 41).await;
        peer.expect_alive(2).await;
        peer.open_channel(1).await;
        peer.expect_alive(1).await;
    }
}

/// What was under way when the channel was closed is no mistake of its sender.
async fn what_comes_for_a_closed_channel(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    let late = [channel_close(1), ack(1, 1, 0), qos(1, 1), publish(1, "", "x", 0, b"late")];
    peer.send(late.concat()).await;
    peer.expect_method(1, 20, 41).await;
    peer.expect_alive(2).await;
}

async fn what_comes_for_a_closing_channel(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    peer.send(mistake()).await;
    peer.expect_close().await;
    let asked = [flow(1), get(1, "cl-missing", 0), mistake()].concat();
    let told = [ack(1, 9, 0), qos(1, 1), publish(1, "", "x", 1, b"late")].concat();
    peer.send([asked, told].concat()).await;
    peer.expect_alive(2).await;
    peer.send([channel_close_ok(1), channel_open(1)].concat()).await;
    peer.expect_method(1, 20, 11).await;
    peer.expect_alive(1).await;
}

async fn both_sides_close_a_channel_at_once(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    peer.send(mistake()).await;
    let close = peer.expect_close().await;
    peer.send(channel_close(1)).await;
    peer.expect_method(1, 20, 41).await;
    peer.confirm_close(&close).await;
    peer.open_channel(1).await;
    peer.expect_alive(1).await;
    peer.expect_alive(2).await;
}

async fn a_channel_with_deliveries_is_closed(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    let declare = queue_declare(1, "cl-deliveries", EXCLUSIVE, table(&[]));
    let start = [declare, consume(1, "cl-deliveries", "t", 0)].concat();
    peer.send(start).await;
    peer.expect_method(1, 50, 11).await;
    peer.expect_method(1, 60, 21).await;
    peer.send(publish(2, "", "cl-deliveries", 0, b"x")).await;
    peer.expect_method(1, 60, 60).await;
    peer.expect_frame("a header").await;
    peer.expect_frame("a body").await;
    peer.send(channel_close(1)).await;
    peer.expect_method(1, 20, 41).await;
    // What it had is back in the queue by then.
    peer.send(get(2, "cl-deliveries", 0)).await;
    let delivery = peer.expect_method(2, 60, 71).await;
    assert_eq!(delivery[8], 1, "it is redelivered");
}

async fn a_connection_is_closed(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(connection_close()).await;
    assert!(peer.expect_method(0, 10, 51).await.is_empty());
    peer.end().await;
    assert_eq!(peer.next().await, Received::Dropped);
}

async fn a_connection_is_closed_twice(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(connection_close()).await;
    peer.expect_method(0, 10, 51).await;
    // A broker that leaves the socket open answers again; one that doesn't has ended it.
    peer.send(connection_close()).await;
    peer.end().await;
    let rest = peer.until_dropped().await;
    assert!(rest.iter().all(|frame| frame.method().is_some_and(|(id, _)| id == (10, 51))));
}

async fn what_comes_after_the_connection_was_closed(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    let late = [connection_close(), flow(1), channel_open(3), heartbeat()];
    peer.send(late.concat()).await;
    peer.expect_method(0, 10, 51).await;
    peer.end().await;
    assert!(peer.until_dropped().await.is_empty());
}

async fn both_sides_close_the_connection_at_once(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(channel_open(1)).await;
    assert_eq!(peer.expect_close().await.code, 504);
    peer.send([heartbeat(), connection_close(), connection_close_ok()].concat()).await;
    let rest = peer.until_dropped().await;
    assert!(rest.iter().all(|frame| frame.method().is_some_and(|(id, _)| id == (10, 51))));
}

/// Without any close, at any byte: what the connection had is given back.
async fn the_connection_ends_in_the_middle(door: &Door) {
    let mut other = RawPeer::with_channels(door.address, &[1]).await;
    other.send(queue_declare(1, "cl-middle", 8, table(&[]))).await;
    other.send(publish(1, "", "cl-middle", 0, b"x")).await;
    other.expect_method(1, 50, 11).await;
    for _ in 0..3 {
        let mut peer = RawPeer::with_channels(door.address, &[1]).await;
        peer.send(get(1, "cl-middle", 0)).await;
        peer.expect_method(1, 60, 71).await;
        drop(peer);
        // It comes back to the queue as soon as the broker has seen the end.
        eventually("the message is back", || async {
            let mut looking = RawPeer::with_channels(door.address, &[1]).await;
            looking.send(queue_declare(1, "cl-middle", PASSIVE, table(&[]))).await;
            let declared = looking.expect_method(1, 50, 11).await;
            (declared[declared.len() - 5] == 1).then_some(())
        })
        .await;
    }
}
