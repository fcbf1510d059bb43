//! The channels that publishers share: what happens when there are few, and when one is closed.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use springhare::connection::{Confirmation, PublishCall, PublishError};
use springhare_amqp::wire::Method;
use springhare_amqp::wire::method::channel;
use springhare_broker::{Broker, BrokerConfig, Publish};
use springhare_tests::within_limit;
use tokio::task::JoinSet;

use crate::fake::logged_in;
use crate::support::{connect, publish, send, served};

/// The most channels that publishers of a connection use.
const CHANNELS: usize = 64;
const TURNS: usize = 1000;

/// Lets everyone else have this many turns.
async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// More exchanges than channels, at a broker that confirms nothing: who has no channel is not asked
/// again before something has come.
#[tokio::test]
async fn a_publisher_that_waits_for_a_channel_is_at_rest() {
    let (connection, mut peer) = logged_in(0).await;
    let publisher = connection.publisher().await.unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut calls = JoinSet::new();
    for number in 0..=CHANNELS {
        let (publisher, polls) = (Arc::clone(&publisher), Arc::clone(&polls));
        let publish = publish(&format!("e{number}"), "k", "x");
        calls.spawn(async move {
            let mut call = PublishCall::new(publish, Confirmation::Awaited);
            poll_fn(|cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                publisher.poll_publish(cx, &mut call)
            })
            .await
        });
    }
    let mut opened = 0;
    while opened < CHANNELS {
        let (_, method) = within_limit("a channel", peer.method()).await;
        if let Method::Channel(channel::Method::Open(_)) = method {
            opened += 1;
        }
    }
    turns().await;
    let before = polls.load(Ordering::Relaxed);
    turns().await;
    let again = polls.load(Ordering::Relaxed) - before;
    assert!(again < TURNS / 10, "asked {again} times in {TURNS} turns");
}

#[tokio::test]
async fn few_channels_at_the_broker_are_enough_for_many_exchanges() {
    let mut config = BrokerConfig::default();
    config.channel_max = 4;
    let (_broker, address) = served(Broker::builder().config(config));
    let connection = connect(address).await;
    let publisher = connection.publisher().await.unwrap();
    let exchanges = ["", "amq.fanout", "amq.direct", "amq.topic", "amq.headers", "amq.match"];
    let one = |exchange: &str| {
        send(&publisher, Publish { mandatory: false, ..publish(exchange, "k", "x") })
    };
    // One after the other, and then at once.
    for exchange in exchanges {
        one(exchange).await.unwrap_or_else(|error| panic!("{exchange}: {error}"));
    }
    for result in join_all(exchanges.map(one)).await {
        result.unwrap();
    }
}

/// The broker closes the channel under all of them.
#[tokio::test]
async fn an_exchange_that_is_deleted_under_a_burst_costs_no_connection() {
    let (_broker, address) = served(Broker::builder());
    let connection = connect(address).await;
    let publisher = connection.publisher().await.unwrap();
    let admin = connect(address).await;
    let channel = admin.open_channel().await.unwrap();
    let one = || send(&publisher, Publish { mandatory: false, ..publish("e", "", "x") });
    for _ in 0..5 {
        channel.exchange_declare("e", "fanout", Default::default()).await.unwrap();
        one().await.unwrap();
        channel.exchange_delete("e", springhare_broker::IfUnused::No).await.unwrap();
        for result in join_all((0..20).map(|_| one())).await {
            match result {
                // What was behind the first one is dropped with the channel, without a word.
                Err(PublishError::NoExchange(_) | PublishError::Unknown(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(connection.closed().is_none());
    }
    send(&publisher, Publish { mandatory: false, ..publish("", "k", "x") }).await.unwrap();
}
