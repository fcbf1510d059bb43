//! Peers that say nothing, or nothing more.

use std::io::{self, Write};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use springhare_tests::raw::bytes::{HEARTBEAT, PROTOCOL_HEADER, frame_start, heartbeat};
use springhare_tests::raw::methods::{flow, publish_method, start_ok, tune_ok};
use springhare_tests::raw::{RawPeer, Received, Tune, is_open_ok};

use crate::door::{Door, Target};
use crate::refused::Bystander;

wire!(
    a_handshake_that_stops,
    a_silent_peer_with_heartbeats,
    a_peer_that_stops_in_the_middle_of_a_frame,
    heartbeats_keep_a_connection,
    any_frame_is_a_heartbeat,
);

wire_alone!(connections_that_send_nothing, connections_that_are_idle);

/// Files that a test process keeps for everything else.
const FILES_APART: usize = 500;

/// Connections at a time while thousands are opened.
const AT_ONCE: usize = 64;

/// Whoever has not come in after ten seconds goes.
async fn a_handshake_that_stops(door: &Door) {
    let login = start_ok("PLAIN", "\0guest\0guest", &[]);
    let steps: [Vec<u8>; 6] = [
        Vec::new(),
        PROTOCOL_HEADER[..5].to_vec(),
        PROTOCOL_HEADER.to_vec(),
        [&PROTOCOL_HEADER[..], &login[..20]].concat(),
        [&PROTOCOL_HEADER[..], &login].concat(),
        [&PROTOCOL_HEADER[..], &login, &tune_ok(1, 4096, 0)].concat(),
    ];
    let peers = steps.iter().map(async |bytes| {
        let mut peer = RawPeer::connect(door.address).await;
        peer.send(bytes).await;
        while peer.next().await != Received::Dropped {}
    });
    join_all(peers).await;
}

async fn tuned_to_a_second(door: &Door) -> RawPeer {
    let mut peer = RawPeer::connect(door.address).await;
    let tune = Tune { heartbeat: 1, ..Tune::default() };
    assert!(is_open_ok(&peer.handshake("guest", "guest", "/", tune).await));
    peer
}

async fn a_silent_peer_with_heartbeats(door: &Door) {
    let mut peer = tuned_to_a_second(door).await;
    let mut bystander = Bystander::new(door).await;
    let frames = peer.until_dropped().await;
    assert!(frames.len() >= 2, "it was reminded: {frames:?}");
    assert!(frames.iter().all(|frame| frame.kind == HEARTBEAT && frame.channel == 0));
    bystander.notices_nothing().await;
}

async fn a_peer_that_stops_in_the_middle_of_a_frame(door: &Door) {
    let mut peer = tuned_to_a_second(door).await;
    peer.open_channel(1).await;
    peer.send([publish_method(1, "", "x", 0), frame_start(2, 1, 100)].concat()).await;
    let frames = peer.until_dropped().await;
    assert!(frames.iter().all(|frame| frame.kind == HEARTBEAT));
}

/// It lives for longer than the silent one does, by a heartbeat for each that comes.
async fn heartbeats_keep_a_connection(door: &Door) {
    let mut peer = tuned_to_a_second(door).await;
    for _ in 0..8 {
        let frame = peer.expect_frame("a heartbeat").await;
        assert_eq!((frame.kind, frame.payload.len()), (HEARTBEAT, 0));
        peer.send(heartbeat()).await;
    }
    peer.close().await;
}

async fn any_frame_is_a_heartbeat(door: &Door) {
    let mut peer = tuned_to_a_second(door).await;
    peer.open_channel(1).await;
    let mut heartbeats = 0;
    while heartbeats < 8 {
        let frame = peer.expect_frame("a heartbeat").await;
        if frame.kind == HEARTBEAT {
            heartbeats += 1;
            peer.send(flow(1)).await;
        }
    }
}

/// They cost little, nobody else notices them, and after the time for a handshake they are gone.
async fn connections_that_send_nothing(door: &Door) {
    const EACH: u64 = 16 << 10;
    let mut bystander = Bystander::new(door).await;
    let before = door.resident_bytes();
    let count = match door.target {
        Target::Springhare => as_many_as_allowed(10_000),
        // It takes 100 KB and more for each.
        Target::RabbitMq => 500,
    };
    let opening = stream::iter(0..count).map(async |_| RawPeer::connect(door.address).await);
    let peers: Vec<_> = opening.buffer_unordered(AT_ONCE).collect().await;
    bystander.notices_nothing().await;
    if let Some((before, after)) = before.zip(door.resident_bytes()) {
        let each = after.saturating_sub(before) / u64::try_from(count).unwrap();
        assert!(each < EACH, "each of {count} costs {each} bytes");
    }
    join_all(peers.into_iter().map(async |mut peer| {
        assert_eq!(peer.next().await, Received::Dropped);
    }))
    .await;
    bystander.notices_nothing().await;
}

/// Those that have come in and wait stay, and cost little too.
async fn connections_that_are_idle(door: &Door) {
    const EACH: u64 = 16 << 10;
    let mut bystander = Bystander::new(door).await;
    let before = door.resident_bytes();
    let count = match door.target {
        Target::Springhare => as_many_as_allowed(3_000),
        Target::RabbitMq => 200,
    };
    let opening = stream::iter(0..count).map(async |_| RawPeer::guest(door.address).await);
    let mut peers: Vec<_> = opening.buffer_unordered(AT_ONCE).collect().await;
    bystander.notices_nothing().await;
    if let Some((before, after)) = before.zip(door.resident_bytes()) {
        let each = after.saturating_sub(before) / u64::try_from(count).unwrap();
        assert!(each < EACH, "each of {count} costs {each} bytes");
    }
    for peer in &mut peers {
        peer.open_channel(1).await;
    }
    bystander.notices_nothing().await;
}

/// This many, unless the limit of open files is lower, which is said loudly. The broker's process
/// has the limit of its parent, so it has to be raised before the broker is started.
fn as_many_as_allowed(wanted: usize) -> usize {
    let limit = springhare_tests::raw::open_files_max();
    let allowed = wanted.min(limit.saturating_sub(FILES_APART));
    if allowed < wanted {
        // Straight to the stream: the test harness holds back what is printed.
        let _ = writeln!(
            io::stderr(),
            "\nONLY {allowed} connections instead of {wanted}: {limit} files may be open\n"
        );
    }
    allowed
}
