//! Messages that are not whole, and transactions that are not committed: they have limits of their
//! own, at which some wait for others and nobody for ever.

use std::time::Duration;

use springhare_broker::{Broker, BrokerConfig, ManualClock};
use springhare_tests::eventually;
use springhare_tests::raw::RawPeer;
use springhare_tests::raw::bytes::{body, header, table};
use springhare_tests::raw::methods::{
    channel_close, get, publish, publish_method, queue_declare, tx,
};

const MIB: usize = 1 << 20;
/// Of a body frame.
const PIECE: usize = 64 << 10;

fn served(change: impl FnOnce(&mut BrokerConfig)) -> Broker {
    let mut config = BrokerConfig::default();
    change(&mut config);
    let address = "127.0.0.1:0".parse().unwrap();
    Broker::builder().config(config).listen(address).start().unwrap()
}

/// A client with channel 1, and a queue for all of them.
async fn publisher(broker: &Broker) -> RawPeer {
    let mut peer = RawPeer::with_channels(broker.local_addrs()[0], &[1]).await;
    peer.send(queue_declare(1, "un", 0, table(&[]))).await;
    peer.expect_method(1, 50, 11).await;
    peer
}

/// The start of a message of `size` bytes, with its first piece.
fn begun(channel: u16, size: usize) -> Vec<u8> {
    let start = publish_method(channel, "", "un", 0);
    [start, header(channel, u64::try_from(size).unwrap(), [0, 0]), piece(channel)].concat()
}

fn piece(channel: u16) -> Vec<u8> {
    body(channel, [b'x'; PIECE])
}

/// The pieces of a message of `size` bytes after the first.
fn rest(channel: u16, size: usize) -> Vec<u8> {
    piece(channel).repeat(size / PIECE - 1)
}

#[tokio::test]
async fn messages_that_are_larger_together_than_the_limit_all_arrive() {
    const SIZE: usize = 5 * MIB;
    let broker = served(|config| {
        config.unfinished_max_bytes = 8 << 20;
        config.memory_high_watermark = 8 << 20;
    });
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = publisher(&broker).await;
        peer.send(begun(1, SIZE)).await;
        peers.push(peer);
    }
    let uploads: Vec<_> = peers
        .into_iter()
        .map(|mut peer| {
            tokio::spawn(async move {
                peer.send(rest(1, SIZE)).await;
                peer
            })
        })
        .collect();
    // A consumer of a kind, so that the memory mark holds nobody up for ever.
    let mut getter = publisher(&broker).await;
    let mut arrived = 0;
    while arrived < 4 {
        getter.send(get(1, "un", 1)).await;
        let frame = getter.expect_frame("an answer").await;
        if frame.payload.starts_with(&[0, 60, 0, 71]) {
            arrived += 1;
            let mut received = 0;
            getter.expect_frame("a header").await;
            while received < SIZE {
                received += getter.expect_frame("a body").await.payload.len();
            }
        }
    }
    for upload in uploads {
        upload.await.unwrap();
    }
    assert_eq!(broker.memory_used(), 0);
}

#[tokio::test]
async fn a_transaction_at_the_memory_mark_can_be_committed() {
    let broker = served(|config| config.memory_high_watermark = 1 << 20);
    let mut peer = publisher(&broker).await;
    peer.send(tx(1, 10)).await;
    peer.expect_method(1, 90, 11).await;
    peer.send(publish(1, "", "un", 0, &[b'x'; PIECE]).repeat(40)).await;
    peer.send(tx(1, 20)).await;
    peer.expect_method(1, 90, 21).await;
    assert!(broker.memory_used() > 40 * 65_536);
}

#[tokio::test]
async fn a_connection_with_too_much_under_way_is_closed() {
    const CHANNELS: [u16; 4] = [1, 2, 3, 4];
    let broker = served(|config| {
        config.max_message_size = MIB;
        config.connection_unfinished_max_bytes = 2 << 20;
    });
    let mut other = publisher(&broker).await;
    let mut peer = RawPeer::with_channels(broker.local_addrs()[0], &CHANNELS).await;
    for channel in CHANNELS {
        peer.send([begun(channel, MIB), piece(channel).repeat(14)].concat()).await;
    }
    let close = peer.expect_close().await;
    assert_eq!(close.code, 506, "{close:?}");
    other.expect_alive(1).await;
    peer.confirm_close(&close).await;
    eventually("nothing is held", async || (broker.memory_used() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_channel_that_is_closed_gives_back_what_it_held() {
    let broker = served(|_| ());
    let mut peer = publisher(&broker).await;
    peer.send(begun(1, MIB)).await;
    eventually("it is held", async || (broker.memory_used() > 0).then_some(())).await;
    peer.send(channel_close(1)).await;
    // RabbitMQ and we take a method in the middle of a content for a mistake.
    peer.expect_close().await;
    eventually("nothing is held", async || (broker.memory_used() == 0).then_some(())).await;
}

/// Who holds others up and sends nothing is let go after a while.
#[tokio::test]
async fn nobody_waits_for_ever_for_who_does_not_go_on() {
    const SIZE: usize = MIB;
    let (clock, hand) = springhare_broker::Clock::manual();
    let mut config = BrokerConfig::default();
    config.unfinished_max_bytes = 100 << 10;
    config.heartbeat = 0;
    let address = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder().config(config).clock(clock).listen(address).start().unwrap();
    let mut silent = publisher(&broker).await;
    silent.send(begun(1, SIZE)).await;
    eventually("it is held", async || (broker.memory_used() > 0).then_some(())).await;
    let mut waiting = publisher(&broker).await;
    waiting.send(begun(1, SIZE)).await;
    let both = u64::try_from(2 * PIECE).unwrap();
    eventually("both are held", async || (broker.memory_used() >= both).then_some(())).await;
    let upload = tokio::spawn(async move {
        waiting.send(rest(1, SIZE)).await;
        waiting.expect_alive(1).await;
    });
    pass(&hand, Duration::from_secs(31));
    silent.until_dropped().await;
    upload.await.unwrap();
}

/// In steps, so that who sleeps in between wakes in between.
fn pass(hand: &ManualClock, time: Duration) {
    for _ in 0..31 {
        hand.advance(time / 31);
    }
}
