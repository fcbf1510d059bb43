//! Clients that do not read: what is for them waits where it costs nothing, and nobody else does.

use springhare_tests::raw::RawPeer;
use springhare_tests::raw::bytes::{BODY, body, header, table};
use springhare_tests::raw::methods::{
    AUTO_DELETE, EXCLUSIVE, MANDATORY, NO_ACK, PASSIVE, consume, flow, get, nack, publish,
    publish_method, queue_declare,
};

use crate::door::{Door, Target};
use crate::refused::Bystander;

wire_alone!(
    deliveries_are_never_read,
    replies_are_never_read,
    large_replies_are_never_read,
    returns_are_never_read,
);

const MIB: u64 = 1 << 20;

/// Messages for a consumer that does not read stay in the queue, all but a bounded buffer.
async fn deliveries_are_never_read(door: &Door) {
    const COUNT: u32 = 1024;
    const SIZE: usize = 64 << 10;
    let mut bystander = Bystander::new(door).await;
    let mut lazy = RawPeer::with_channels(door.address, &[1]).await;
    lazy.send(queue_declare(1, "ud", AUTO_DELETE, table(&[]))).await;
    lazy.expect_method(1, 50, 11).await;
    lazy.send(consume(1, "ud", "lazy", NO_ACK)).await;
    lazy.expect_method(1, 60, 21).await;

    let before = door.resident_bytes();
    let mut publisher = RawPeer::with_channels(door.address, &[1]).await;
    for number in 0..COUNT {
        let mut content = vec![b'x'; SIZE];
        content[..4].copy_from_slice(&number.to_be_bytes());
        publisher.send(publish(1, "", "ud", 0, &content)).await;
    }
    publisher.expect_alive(1).await;
    bystander.notices_nothing().await;
    if door.target == Target::Springhare {
        publisher.send(queue_declare(1, "ud", PASSIVE, table(&[]))).await;
        let declared = publisher.expect_method(1, 50, 11).await;
        let ready = u32::from_be_bytes(declared[3..7].try_into().unwrap());
        assert!(ready > COUNT / 2, "{ready} of {COUNT} wait in the queue, not for the consumer");
    }
    if let Some((before, after)) = before.zip(door.resident_bytes()) {
        let messages = u64::from(COUNT) * u64::try_from(SIZE).unwrap();
        let more = after.saturating_sub(before);
        assert!(more < messages + messages / 4 + 16 * MIB, "{more} bytes for {messages}");
    }
    // Nothing is lost: as soon as it reads, all come, in order.
    for number in 0..COUNT {
        let mut received = 0;
        lazy.expect_method(1, 60, 60).await;
        lazy.expect_frame("a header").await;
        while received < SIZE {
            let frame = lazy.expect_frame("a body").await;
            assert_eq!(frame.kind, BODY);
            if received == 0 {
                assert_eq!(frame.payload[..4], number.to_be_bytes());
            }
            received += frame.payload.len();
        }
    }
    lazy.expect_alive(1).await;
}

/// A broker does not read on while its answers are not read.
async fn replies_are_never_read(door: &Door) {
    const COUNT: usize = 400_000;
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    let name = "n".repeat(200);
    peer.send(queue_declare(1, &name, EXCLUSIVE, table(&[]))).await;
    peer.expect_method(1, 50, 11).await;
    let request = queue_declare(1, &name, PASSIVE, table(&[]));
    answered_when_read(door, peer, &request, COUNT, 1).await;
}

/// Few bytes ask for many: a message is got and given back, again and again.
async fn large_replies_are_never_read(door: &Door) {
    const COUNT: u64 = 20_000;
    const SIZE: usize = 32 << 10;
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(queue_declare(1, "ul", EXCLUSIVE, table(&[]))).await;
    peer.expect_method(1, 50, 11).await;
    peer.send(publish(1, "", "ul", 0, &[b'x'; SIZE])).await;
    let mut bystander = Bystander::new(door).await;
    let before = door.resident_bytes();
    let requests: Vec<u8> =
        (1..=COUNT).flat_map(|tag| [get(1, "ul", 0), nack(1, tag, 2)].concat()).collect();
    peer.send_until_stalled(&requests).await;
    bystander.notices_nothing().await;
    assert_bounded(door, before);
    drop(peer);
    bystander.notices_nothing().await;
}

/// What comes back unroutable is a reply too.
async fn returns_are_never_read(door: &Door) {
    const COUNT: usize = 4_000;
    let peer = RawPeer::with_channels(door.address, &[1]).await;
    let content = vec![b'x'; 32 << 10];
    let size = u64::try_from(content.len()).unwrap();
    let start = [publish_method(1, "", "nowhere", MANDATORY), header(1, size, [0, 0])].concat();
    let request = [start, body(1, content)].concat();
    answered_when_read(door, peer, &request, COUNT, 3).await;
}

/// Sends up to `count` of these requests without reading, and then reads the answers to all that
/// went out, each of so many frames.
async fn answered_when_read(
    door: &Door,
    mut peer: RawPeer,
    request: &[u8],
    count: usize,
    frames: usize,
) {
    let mut bystander = Bystander::new(door).await;
    let before = door.resident_bytes();
    let all = request.repeat(count);
    let sent = peer.send_until_stalled(&all).await;
    bystander.notices_nothing().await;
    assert_bounded(door, before);
    if door.target == Target::Springhare {
        assert!(sent < all.len(), "it read all {count} requests though nobody read its answers");
    }
    let whole = sent / request.len();
    for _ in 0..whole * frames {
        peer.expect_frame("the answer to what was sent long ago").await;
    }
    let rest = &request[sent - whole * request.len()..];
    let is_cut = rest.len() < request.len();
    peer.send(if is_cut { rest } else { &[] }).await;
    for _ in 0..if is_cut { frames } else { 0 } {
        peer.expect_frame("the answer to the last").await;
    }
    peer.send(flow(1)).await;
    peer.expect_method(1, 20, 21).await;
    bystander.notices_nothing().await;
}

/// What a client does not read costs our broker no more than its buffers.
fn assert_bounded(door: &Door, before: Option<u64>) {
    if let Some((before, after)) = before.zip(door.resident_bytes()) {
        let more = after.saturating_sub(before);
        assert!(more < 48 * MIB, "a client that does not read costs {more} bytes");
    }
}
