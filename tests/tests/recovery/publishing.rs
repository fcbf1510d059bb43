use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use springhare::prelude::*;
use springhare::{Error, NotConfirmed};
use springhare_broker::Broker;
use springhare_tests::{LIMIT, Proxy, amqp_link, eventually, within_limit};

const MESSAGES: usize = 400;

async fn behind_a_proxy(memory_max: u64) -> (Broker, Proxy, Springhare) {
    let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let broker = Broker::builder().memory_high_watermark(memory_max).listen(listening);
    let broker = broker.start().unwrap();
    let proxy = Proxy::start(broker.local_addrs()[0]).await.unwrap();
    let app = Springhare::builder()
        .link(amqp_link(proxy.address()))
        .listeners(listeners![])
        .declare(Queue::durable("sent"))
        .start()
        .await
        .unwrap();
    (broker, proxy, app)
}

async fn arrived(rabbit: &RabbitTemplate) -> Vec<usize> {
    let mut bodies = Vec::new();
    while let Some(number) = rabbit.receive_and_convert::<usize>("sent").await.unwrap() {
        bodies.push(number);
    }
    bodies
}

/// The connection is cut again and again, and every call ends with `Ok`: what is lost on the way is
/// sent once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_retried_arrive_through_every_cut() {
    let (_broker, proxy, app) = behind_a_proxy(1 << 30).await;
    let rabbit = app.rabbit_template();
    let mut sending = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let rabbit = rabbit.clone();
        sending.spawn(async move {
            for number in (worker..MESSAGES).step_by(8) {
                rabbit.convert_and_send("sent", &number).retry(LIMIT).await.unwrap();
            }
        });
    }
    let mut cuts = 0;
    while !sending.is_empty() {
        // Some are through by then: so is each cut in the middle of something.
        let waiting = app.rabbit_template();
        eventually("some messages have come", async || {
            let declared = waiting
                .execute(|channel| async move { Ok(channel.queue_declare_passive("sent").await?) })
                .await;
            let enough = MESSAGES.min((cuts + 1) * MESSAGES / 10);
            let count = usize::try_from(declared.ok()?.message_count).unwrap();
            (count >= enough).then_some(())
        })
        .await;
        if cuts < 9 {
            proxy.cut();
            cuts += 1;
        } else {
            within_limit("the senders", sending.join_next()).await.unwrap().unwrap();
        }
    }
    let bodies = arrived(&rabbit).await;
    let distinct: BTreeSet<usize> = bodies.iter().copied().collect();
    assert_eq!(distinct.len(), MESSAGES, "{} came, some twice", bodies.len());
    app.stop().await.unwrap();
}

/// Without a retry a call ends at once when its connection dies, however far it had come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ends_with_its_connection() {
    // Full after the first: then nothing is confirmed.
    let (_broker, proxy, app) = behind_a_proxy(100_000).await;
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("sent", vec![0_u8; 120_000]).await.unwrap();
    let waiting = tokio::spawn({
        let rabbit = rabbit.clone();
        async move { rabbit.convert_and_send("sent", "never confirmed").await }
    });
    // Meanwhile the program's other calls go on: they don't wait for the broker to take messages.
    let declared =
        rabbit.execute(|channel| async move { Ok(channel.queue_declare_passive("sent").await?) });
    let count = within_limit("an answer", declared).await.unwrap().message_count;
    assert_eq!(count, 1);
    proxy.refuse();
    proxy.cut();
    let ended = within_limit("the call", waiting).await.unwrap();
    match ended {
        Err(Error::NotConfirmed(NotConfirmed::Unknown(_) | NotConfirmed::NotSent(_)))
        | Err(Error::Link(_)) => {}
        other => panic!("{other:?}"),
    }
    let refused = within_limit("a call", async { rabbit.convert_and_send("sent", "x").await });
    let text = refused.await.unwrap_err().to_string();
    assert!(text.contains("closed while logging in") || text.contains("connect"), "{text}");
    let retried = rabbit.convert_and_send("sent", "x").retry(Duration::from_millis(300));
    let retried = within_limit("the end of the retries", async { retried.await }).await;
    // It was never sent.
    assert!(matches!(retried, Err(Error::Link(_))), "{retried:?}");
    proxy.resume();
    app.force_stop().await.unwrap();
}

/// The broker comes back empty: the first publish finds its queue, since the connection that replaces
/// the lost one declares it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_after_a_restart_finds_what_the_program_declares() {
    let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let first = Broker::builder().listen(listening).start().unwrap();
    let address = first.local_addrs()[0];
    let app = Springhare::builder()
        .link(amqp_link(address))
        .listeners(listeners![])
        .declare(Queue::transient("here"))
        .declare(Exchange::fanout("there"))
        .declare(Binding::queue("here").to("there").with(""))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("here", "1").await.unwrap();
    within_limit("the broker's end", first.shutdown(Duration::from_secs(1))).await;
    drop(first);
    let _second =
        eventually("the port is free", async || Broker::builder().listen(address).start().ok())
            .await;
    rabbit.convert_and_send(("there", ""), "2").mandatory().retry(LIMIT).await.unwrap();
    assert_eq!(rabbit.receive_and_convert::<String>("here").await.unwrap().as_deref(), Some("2"));
    app.stop().await.unwrap();
}
