//! An application goes on when the node that it works with is lost, with all that was confirmed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use springhare::prelude::*;
use springhare::{Error, NotConfirmed};
use springhare_tests::{Cluster, Tell, eventually, is_left_out, telling, within_limit};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

const QUEUE: &str = "cluster.orders";

/// How many tasks publish at the same time, and how much each of them.
const PUBLISHERS: u32 = 4;
const MESSAGES: u32 = 250;

/// How many messages are confirmed when the node is lost.
const CONFIRMED_BEFORE: u32 = 200;

/// How long a message is sent again while the cluster elects.
const RETRY: Duration = Duration::from_secs(120);

#[rabbit_listener(queue = "cluster.orders", concurrency = 2, prefetch = 20)]
async fn handle(number: Json<u32>, seen: State<Tell<u32>>) {
    seen.tell(number.0);
}

/// Publishes a number until it is confirmed: half of them by the application's rule, half by the
/// call's own.
async fn publish(rabbit: &RabbitTemplate, number: u32, elected: &mut watch::Receiver<bool>) {
    loop {
        let call = rabbit.convert_and_send(QUEUE, &number);
        let call = if number.is_multiple_of(2) { call } else { call.retry(RETRY) };
        match call.await {
            Ok(()) => return,
            // A queue that has just lost its leader takes nothing (`basic.nack`).
            Err(Error::NotConfirmed(NotConfirmed::Refused(_))) => {
                within_limit("another leader", elected.wait_for(|elected| *elected)).await.unwrap();
            }
            Err(error) => panic!("message {number}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_loses_no_confirmed_message_with_a_node() {
    if is_left_out() {
        return;
    }
    let mut cluster = spawn_blocking(Cluster::up).await.unwrap().unwrap();
    let (seen, mut numbers) = telling::<u32>();
    let app = Springhare::builder()
        .url(cluster.url())
        .listeners(listeners![handle])
        .declare(Queue::durable(QUEUE).quorum())
        .publish_retry(RETRY)
        .manage(seen)
        .start()
        .await
        .unwrap();

    let confirmed = Arc::new(AtomicU32::new(0));
    let (elected, _) = watch::channel(false);
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (rabbit, confirmed) = (app.rabbit_template(), Arc::clone(&confirmed));
        let mut elected = elected.subscribe();
        publishers.spawn(async move {
            for number in publisher * MESSAGES..(publisher + 1) * MESSAGES {
                publish(&rabbit, number, &mut elected).await;
                confirmed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually("some are confirmed", async || {
        (confirmed.load(Ordering::Relaxed) >= CONFIRMED_BEFORE).then_some(())
    })
    .await;
    let losing = {
        let confirmed = Arc::clone(&confirmed);
        spawn_blocking(move || {
            let leader = cluster.leader_of(QUEUE).unwrap();
            cluster.kill(leader).unwrap();
            (cluster, leader, confirmed.load(Ordering::Relaxed))
        })
    };
    let (cluster, lost, at_the_loss) = within_limit("the loss", losing).await.unwrap();
    assert!(at_the_loss < PUBLISHERS * MESSAGES, "the node was lost in the middle of the load");

    let cluster = Arc::new(cluster);
    eventually("another node leads", async || {
        let cluster = Arc::clone(&cluster);
        let leader = spawn_blocking(move || cluster.leader_of(QUEUE)).await.unwrap();
        leader.is_ok_and(|leader| leader != lost).then_some(())
    })
    .await;
    elected.send_replace(true);

    // A message may come twice; none may be missing.
    let mut missing: BTreeSet<u32> = (0..PUBLISHERS * MESSAGES).collect();
    while !missing.is_empty() {
        missing.remove(&numbers.next().await);
    }
    while let Some(published) = publishers.join_next().await {
        published.unwrap();
    }
    assert_eq!(confirmed.load(Ordering::Relaxed), PUBLISHERS * MESSAGES);
    eventually("every listener consumes", async || app.health().is_up().then_some(())).await;
    app.stop().await.unwrap();
    spawn_blocking(|| drop(cluster)).await.unwrap();
}
