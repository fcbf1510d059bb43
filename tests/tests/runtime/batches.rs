use std::time::Duration;

use springhare::prelude::*;

use crate::support::{Tell, broker, ready, someone_sleeps, telling};

#[rabbit_listener(queue = "batched", batch = 100, batch_timeout = "200ms")]
async fn gather(texts: Vec<Text>, seen: State<Tell<usize>>) {
    seen.tell(texts.len());
}

#[tokio::test]
async fn a_batch_waits_its_time_by_the_brokers_clock() {
    let (broker, hand) = broker();
    let (seen, mut sizes) = telling::<usize>();
    let app = Springhare::builder()
        .broker(broker)
        .listeners(listeners![gather])
        .manage(seen)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("batched", "one").await.unwrap();
    someone_sleeps(&hand).await;
    hand.advance(Duration::from_millis(199));
    rabbit.convert_and_send_all([("batched", "two"), ("batched", "three")]).await.unwrap();
    assert_eq!(ready(&rabbit, "batched").await, 0);
    assert!(sizes.is_silent(), "the batch waits");
    hand.advance(Duration::from_millis(1));
    assert_eq!(sizes.next().await, 3, "the time is the first one's");
    app.stop().await.unwrap();
}
