use std::time::Duration;

use springhare::prelude::*;
use springhare_broker::Broker;
use springhare_tests::eventually;

use crate::support::{Gate, Tell, broker, telling};

async fn consumers(broker: &Broker) -> u64 {
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_declare_passive("scaled").await.unwrap().consumer_count
}

#[rabbit_listener(id = "shrunk", queue = "scaled", concurrency = 2, prefetch = 5)]
async fn shrunk(text: Text, gate: State<Gate>, seen: State<Tell<()>>) {
    drop(text);
    seen.tell(());
    gate.pass().await;
}

#[tokio::test]
async fn a_consumer_that_is_one_too_many_is_forced_to_stop_as_the_others_are() {
    let (broker, hand) = broker();
    let (seen, mut handled) = telling::<()>();
    let gate = Gate::closed();
    let builder = Springhare::builder().broker(broker.clone()).listeners(listeners![shrunk]);
    let app = builder.manage(gate.clone()).manage(seen).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..10_u32).map(|n| ("scaled", n.to_string()))).await.unwrap();
    for _ in 0..2 {
        handled.next().await;
    }
    app.listener("shrunk").unwrap().set_concurrency(1).await.unwrap();
    eventually("one consumes", async || (consumers(&broker).await == 1).then_some(())).await;
    let app = std::sync::Arc::new(app);
    let stopping = tokio::spawn({
        let app = std::sync::Arc::clone(&app);
        async move { app.stop().await }
    });
    eventually("the stop has waited", async || {
        hand.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
        stopping.is_finished().then_some(())
    })
    .await;
    stopping.await.unwrap().unwrap();
    gate.let_through(100);
    assert_eq!(ready(&broker).await, 10, "all went back");
    assert!(handled.is_silent());
}

async fn ready(broker: &Broker) -> u64 {
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    channel.queue_declare_passive("scaled").await.unwrap().message_count
}
