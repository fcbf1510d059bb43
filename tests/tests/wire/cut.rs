//! Connections that end, or fall silent, at any byte of a whole session.

use futures_util::stream::{self, StreamExt};
use springhare_tests::raw::methods::connection_close;
use springhare_tests::raw::{RawPeer, Received};

use crate::door::Door;
use crate::refused::Bystander;
use crate::session::session;

wire!(a_session_that_ends_at_every_byte, a_session_byte_by_byte, both_halves_are_closed_at_once,);

/// Connections at a time.
const AT_ONCE: usize = 32;

async fn a_session_that_ends_at_every_byte(door: &Door) {
    let mut bystander = Bystander::new(door).await;
    let session = session();
    let cuts = stream::iter(0..=session.len()).for_each_concurrent(AT_ONCE, async |length| {
        let mut peer = RawPeer::connect(door.address).await;
        peer.send(&session[..length]).await;
        peer.end().await;
        // Whatever it answered, it ends the connection: no half of it is left open.
        while peer.next().await != Received::Dropped {}
    });
    cuts.await;
    bystander.notices_nothing().await;
}

/// Nothing depends on how the bytes come in.
async fn a_session_byte_by_byte(door: &Door) {
    let mut peer = RawPeer::connect(door.address).await;
    let mut bystander = Bystander::new(door).await;
    let session = session();
    let greeting = session.len() - connection_close().len();
    for byte in &session[..greeting] {
        peer.send([*byte]).await;
    }
    let mut frames = Vec::new();
    peer.send(connection_close()).await;
    loop {
        let frame = peer.expect_frame("the answers to a whole session").await;
        let id = frame.method().map(|(id, _)| id);
        frames.extend(id);
        if id == Some((10, 51)) {
            break;
        }
    }
    for id in [(10, 10), (10, 30), (10, 41), (20, 11), (85, 11), (90, 11), (40, 11)] {
        assert!(frames.contains(&id), "{id:?} is missing in {frames:?}");
    }
    bystander.notices_nothing().await;
}

/// The peer is gone for good, in the middle of a content, and with deliveries under way.
async fn both_halves_are_closed_at_once(door: &Door) {
    let mut bystander = Bystander::new(door).await;
    let session = session();
    let middle = session.len() / 2;
    let gone = stream::iter(0..200).for_each_concurrent(AT_ONCE, async |step| {
        let mut peer = RawPeer::connect(door.address).await;
        peer.send(&session[..middle + step]).await;
        drop(peer);
    });
    gone.await;
    bystander.notices_nothing().await;
}
