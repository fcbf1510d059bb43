//! What arrives in which order.

use springhare_tests::raw::RawPeer;
use springhare_tests::raw::bytes::table;
use springhare_tests::raw::methods::{
    AUTO_DELETE, EXCLUSIVE, MANDATORY, NO_ACK, cancel, consume, publish, queue_declare, tx,
};

use crate::door::Door;

wire!(
    consumers_that_share_a_queue_on_a_channel,
    a_consumer_leaves_those_it_shares_with,
    a_commit_returns_all_that_reached_no_queue,
);

const COUNT: u32 = 3_000;

/// The numbers of the next deliveries on channel 1.
async fn delivered(peer: &mut RawPeer, count: u32) -> Vec<u32> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        peer.expect_method(1, 60, 60).await;
        peer.expect_frame("a header").await;
        let body = peer.expect_frame("a body").await;
        numbers.push(u32::from_be_bytes(body.payload[..4].try_into().unwrap()));
    }
    numbers
}

fn numbered(queue: &str, numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers.flat_map(|number| publish(1, "", queue, 0, &number.to_be_bytes())).collect()
}

/// AMQP 0-9-1 section 4.7: what is published on one channel and delivered by one queue on one
/// channel keeps its order, whoever of that channel gets it.
async fn consumers_that_share_a_queue_on_a_channel(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    let declare = queue_declare(1, "or", AUTO_DELETE, table(&[]));
    peer.send([declare, numbered("or", 0..COUNT / 2)].concat()).await;
    peer.expect_method(1, 50, 11).await;
    let consumers = ["a", "b", "c"].map(|tag| consume(1, "or", tag, NO_ACK));
    // The first gets all that is there, the others share what comes later.
    for consume in consumers {
        peer.send(consume).await;
    }
    peer.send(numbered("or", COUNT / 2..COUNT)).await;
    let mut consumers = 0;
    let mut numbers = Vec::new();
    while numbers.len() < usize::try_from(COUNT).unwrap() || consumers < 3 {
        let frame = peer.expect_frame("a consume-ok or a delivery").await;
        match frame.payload.get(..4) {
            Some([0, 60, 0, 21]) => consumers += 1,
            _ => {
                peer.expect_frame("a header").await;
                let body = peer.expect_frame("a body").await;
                numbers.push(u32::from_be_bytes(body.payload[..4].try_into().unwrap()));
            }
        }
    }
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
}

async fn a_consumer_leaves_those_it_shares_with(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(queue_declare(1, "ol", EXCLUSIVE, table(&[]))).await;
    peer.expect_method(1, 50, 11).await;
    for tag in ["a", "b"] {
        peer.send(consume(1, "ol", tag, NO_ACK)).await;
        peer.expect_method(1, 60, 21).await;
    }
    peer.send(numbered("ol", 0..10)).await;
    assert_eq!(delivered(&mut peer, 10).await, (0..10).collect::<Vec<_>>());
    for (tag, numbers) in [("a", 10..20), ("b", 0..0)] {
        peer.send(cancel(1, tag)).await;
        peer.expect_method(1, 60, 31).await;
        peer.send(numbered("ol", numbers.clone())).await;
        let count = u32::try_from(numbers.len()).unwrap();
        assert_eq!(delivered(&mut peer, count).await, numbers.collect::<Vec<_>>());
    }
    peer.expect_alive(1).await;
}

async fn a_commit_returns_all_that_reached_no_queue(door: &Door) {
    const RETURNED: usize = 1_100;
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(tx(1, 10)).await;
    peer.expect_method(1, 90, 11).await;
    peer.send(publish(1, "", "nowhere", MANDATORY, b"x").repeat(RETURNED)).await;
    peer.send(tx(1, 20)).await;
    for _ in 0..RETURNED {
        peer.expect_method(1, 60, 50).await;
        peer.expect_frame("a header").await;
        peer.expect_frame("a body").await;
    }
    peer.expect_method(1, 90, 21).await;
}
