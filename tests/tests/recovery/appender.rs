//! The log, over connections that are lost.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use springhare::AmqpAppender;
use springhare::prelude::*;
use springhare_broker::{Broker, NoAck};
use springhare_tests::{Proxy, amqp_link, eventually};
use tracing::Level;

use crate::support::channel_of;

const ROUNDS: u64 = 5;
/// Between two cuts.
const LINES: u64 = 400;

/// The connection is cut again and again, and is away for a while: each line comes, some twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_through_every_cut() {
    let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let broker = Broker::builder().listen(listening).start().unwrap();
    let proxy = Proxy::start(broker.local_addrs()[0]).await.unwrap();
    let appender = AmqpAppender::builder().build();
    let app = Springhare::builder()
        .link(amqp_link(proxy.address()))
        .listeners(listeners![])
        .declare(Queue::durable("lines"))
        .declare(Binding::queue("lines").to("logs").with("shop.info"))
        .log_appender(appender.clone())
        .start()
        .await
        .unwrap();
    let channel = channel_of(&broker);
    for round in 1..=ROUNDS {
        for number in (round - 1) * LINES..round * LINES {
            appender.append(Level::INFO, "shop", number.to_string());
        }
        // The last ones of a round are on their way, or wait, as the connection is cut.
        let expected = if round == ROUNDS { round * LINES } else { round * LINES - LINES / 2 };
        eventually("the lines come", async || {
            let declared = channel.queue_declare_passive("lines").await.unwrap();
            (declared.message_count >= expected).then_some(())
        })
        .await;
        if round < ROUNDS {
            proxy.cut();
        }
    }
    app.stop().await.unwrap();
    let mut lines = BTreeSet::new();
    while let Some(got) = channel.basic_get("lines", NoAck::Yes).await.unwrap() {
        lines.insert(got.delivery.message.message.body.to_vec());
    }
    assert_eq!(lines.len() as u64, ROUNDS * LINES);
    assert_eq!(appender.dropped(), 0);
}
