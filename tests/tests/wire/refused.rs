//! What every refusal has in common: it is answered with a close or the end of the connection,
//! and nobody else notices.

use springhare_tests::raw::methods::{
    EXCLUSIVE, NO_ACK, channel_open, confirm_select, consume, publish, queue_declare,
};
use springhare_tests::raw::{Close, RawPeer, Received};

use crate::door::Door;

/// A well-behaved client on the same broker, with a consumer and confirms.
pub(crate) struct Bystander {
    peer: RawPeer,
    queue: String,
}

impl Bystander {
    pub(crate) async fn new(door: &Door) -> Self {
        let mut peer = RawPeer::with_channels(door.address, &[1]).await;
        let nameless = queue_declare(1, "", EXCLUSIVE, [0; 4]);
        peer.send([confirm_select(1), nameless].concat()).await;
        peer.expect_method(1, 85, 11).await;
        let declared = peer.expect_method(1, 50, 11).await;
        let queue = String::from_utf8(declared[1..=usize::from(declared[0])].to_vec()).unwrap();
        peer.send(consume(1, &queue, "bystander", NO_ACK)).await;
        peer.expect_method(1, 60, 21).await;
        Self { peer, queue }
    }

    /// It publishes, gets its own message and the confirm.
    pub(crate) async fn notices_nothing(&mut self) {
        self.peer.send(publish(1, "", &self.queue, 0, b"still here")).await;
        let mut is_delivered = false;
        let mut is_confirmed = false;
        while !(is_delivered && is_confirmed) {
            let frame = self.peer.expect_frame("a delivery and its confirm").await;
            match frame.method().map(|(id, _)| id) {
                Some((60, 80)) => is_confirmed = true,
                Some((60, 60)) | None => is_delivered |= frame.payload == b"still here",
                Some(_) => panic!("the bystander noticed: {frame:?}"),
            }
        }
    }
}

/// How a broker refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Close(Close),
    /// The connection just ends.
    Dropped,
}

/// Sends these bytes with channels 1 and 2 open, and expects this close. What dies is dead, and
/// the rest lives: channel 2, or another connection.
pub(crate) async fn closed(door: &Door, bytes: impl AsRef<[u8]>, expected: &Close) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    closed_on(&mut peer, bytes, expected).await;
}

/// The same on a connection that was prepared.
pub(crate) async fn closed_on(peer: &mut RawPeer, bytes: impl AsRef<[u8]>, expected: &Close) {
    peer.send(&bytes).await;
    let sent = format!("an answer to {}", shown(bytes.as_ref()));
    let frame = peer.expect_frame(&sent).await;
    let close = frame.close().unwrap_or_else(|| panic!("instead of {sent}: {frame:?}"));
    assert_eq!(close, *expected, "{sent}");
    peer.confirm_close(&close).await;
    match close.channel {
        0 => {
            let rest = peer.until_dropped().await;
            assert!(rest.is_empty(), "after the close came {rest:?}");
        }
        channel => {
            peer.expect_alive(2).await;
            peer.send(channel_open(channel)).await;
            peer.expect_method(channel, 20, 11).await;
            peer.expect_alive(channel).await;
        }
    }
}

/// Sends these bytes with channels 1 and 2 open, and expects this refusal.
pub(crate) async fn refused(door: &Door, bytes: impl AsRef<[u8]>, expected: &Refusal) {
    match expected {
        Refusal::Close(close) => closed(door, bytes, close).await,
        Refusal::Dropped => {
            let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
            peer.send(&bytes).await;
            assert_eq!(peer.next().await, Received::Dropped, "after {}", shown(bytes.as_ref()));
        }
    }
}

/// The start of what was sent, for a message.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().take(80).copied().flat_map(std::ascii::escape_default).map(char::from).collect()
}
