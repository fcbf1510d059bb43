use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use springhare::broker::BasicConsumeOptions;
use springhare::connection::{DeliveryCounting, EmbeddedLink, Link, LinkConnection, LinkFuture};
use springhare::prelude::*;
use springhare::{BatchingStrategy, CallError, Error};
use springhare_broker::Clock;
use springhare_tests::{LIMIT, Tell, eventually, telling, within_limit};

use crate::support::{broker, ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiving_from_a_missing_queue_takes_nobody_elses_channel() {
    let app = Springhare::builder()
        .listeners(listeners![])
        .declare(Queue::durable("q"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..200).map(|n| ("q", n.to_string()))).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let faulty = tokio::spawn({
        let (rabbit, done) = (rabbit.clone(), Arc::clone(&done));
        async move {
            let mut faults = 0;
            while !done.load(Ordering::Relaxed) {
                assert!(matches!(rabbit.receive("missing").await, Err(Error::Amqp(_))));
                faults += 1;
                tokio::task::yield_now().await;
            }
            faults
        }
    });
    let healthy = tokio::spawn({
        let rabbit = rabbit.clone();
        async move {
            for n in 0..200 {
                let received = rabbit.receive_and_convert::<u32>("q").await;
                done.store(received.is_err() || n == 199, Ordering::Relaxed);
                assert_eq!(received.unwrap(), Some(n));
                tokio::task::yield_now().await;
            }
        }
    });
    within_limit("both receivers", healthy).await.unwrap();
    assert!(faulty.await.unwrap() > 0);
    assert_eq!(ready(&rabbit, "q").await, 0);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_calls_that_were_not_sent_yet() {
    let app = Springhare::builder()
        .listeners(listeners![])
        .declare(Queue::durable("asked"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let call = || rabbit.convert_send_and_receive::<u64>("asked", &1).timeout(LIMIT).into_future();
    let mut calls: Vec<_> = (0..8).map(|_| call()).collect();
    for call in &mut calls {
        assert!(call.now_or_never().is_none(), "the channel is not open yet");
    }
    app.stop().await.unwrap();
    for call in calls {
        let ended = call.await;
        assert!(matches!(ended, Err(CallError::Stopped)), "{ended:?}");
    }
}

/// The task that reads for all runs where the application does: a caller's runtime may end before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_outlive_the_runtime_of_the_first_caller() {
    let app = Springhare::builder()
        .listeners(listeners![])
        .declare(Queue::durable("asked"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let first = rabbit.clone();
    let caller = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let call = first.convert_send_and_receive::<u64>("asked", &1).timeout(Duration::ZERO);
        runtime.block_on(call.into_future())
    });
    let ended = tokio::task::spawn_blocking(|| caller.join()).await.unwrap().unwrap();
    assert!(matches!(ended, Err(CallError::Timeout { .. })), "{ended:?}");
    let second = tokio::spawn({
        let rabbit = rabbit.clone();
        async move { rabbit.convert_send_and_receive::<u64>("asked", &2).await }
    });
    let answering = rabbit.execute(|channel| async move {
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let mut requests = channel.basic_consume("asked", "", options).await?;
        while let Some(request) = requests.recv().await {
            let request = &request.message.message;
            let address = request.properties.reply_to.clone().unwrap();
            let mut reply = request.clone();
            reply.properties.reply_to = None;
            channel.basic_publish("", &address, Default::default(), reply).await?;
        }
        Ok(())
    });
    tokio::select! {
        reply = within_limit("a reply", second) => assert_eq!(reply.unwrap().unwrap(), 2),
        answered = answering => panic!("{answered:?}"),
    }
    app.stop().await.unwrap();
}

#[test]
fn a_call_on_another_runtime_ends_in_time_though_nobody_drives_the_applications() {
    const TIME: Duration = Duration::from_secs(5);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (broker, hand) = broker();
    let (home, away) = (runtime(), runtime());
    let builder = Springhare::builder().broker(broker).listeners(listeners![]);
    let app = home.block_on(builder.declare(Queue::durable("q")).start()).unwrap();
    let rabbit = app.rabbit_template();
    away.block_on(async {
        let call =
            async move { rabbit.convert_send_and_receive::<u32>("q", "tea").timeout(TIME).await };
        let before = hand.sleepers();
        let calling = tokio::spawn(call);
        eventually("it waits", async || (hand.sleepers() > before).then_some(())).await;
        hand.advance(TIME);
        let called = within_limit("the time is up", calling).await.unwrap();
        assert!(matches!(called, Err(CallError::Timeout { after: TIME })), "{called:?}");
    });
    home.block_on(app.stop()).unwrap();
}

#[tokio::test]
async fn a_batch_and_a_call_that_receives_wait_on_the_brokers_clock() {
    const TIME: Duration = Duration::from_secs(5);
    let (broker, hand) = broker();
    let builder = Springhare::builder().broker(broker).listeners(listeners![]);
    let app = builder.declare(Queue::durable("q")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let sleeps = async |before: usize| {
        eventually("it waits", async || (hand.sleepers() > before).then_some(())).await;
    };

    let batching = rabbit.batching(BatchingStrategy::of(100).timeout(TIME));
    let before = hand.sleepers();
    let sending = tokio::spawn(async move { batching.convert_and_send("q", "tea").await });
    sleeps(before).await;
    hand.advance(TIME - Duration::from_millis(1));
    assert_eq!(ready(&rabbit, "q").await, 0);
    hand.advance(Duration::from_millis(1));
    within_limit("the batch", sending).await.unwrap().unwrap();
    assert_eq!(rabbit.receive_and_convert::<String>("q").await.unwrap().as_deref(), Some("tea"));

    let before = hand.sleepers();
    let receiving = {
        let rabbit = rabbit.clone();
        tokio::spawn(async move { rabbit.receive("q").timeout(TIME).await })
    };
    sleeps(before).await;
    hand.advance(TIME - Duration::from_millis(1));
    assert!(!receiving.is_finished());
    hand.advance(Duration::from_millis(1));
    let received = within_limit("the time is up", receiving).await.unwrap().unwrap();
    assert!(received.is_none());
    app.stop().await.unwrap();
}

/// A link that says so when the template's own connection is asked for, and opens none.
#[derive(Debug)]
struct NeverForTheTemplate(EmbeddedLink, Tell<()>);

impl Link for NeverForTheTemplate {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn clock(&self) -> &Clock {
        self.0.clock()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.0.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        if name.contains("template") {
            self.1.tell(());
            return Box::pin(std::future::pending());
        }
        self.0.connect(name)
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_connection_that_is_being_opened() {
    // No deadline ever comes: the clock stands still.
    let (broker, _hand) = broker();
    let (asked, mut asks) = telling::<()>();
    let link = NeverForTheTemplate(EmbeddedLink::new(broker), asked);
    let app = Springhare::builder().link(link).listeners(listeners![]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let receiving = tokio::spawn(async move { rabbit.receive("q").await });
    asks.next().await;
    within_limit("the stop", app.stop()).await.unwrap();
    let error = within_limit("the call", receiving).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
}
