use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use springhare::Error;
use springhare::prelude::*;
use springhare_tests::within_limit;

use crate::support::ready;

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
