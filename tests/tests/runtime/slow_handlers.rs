//! Handlers that take so long that RabbitMQ would take their message back.

use std::cell::Cell;
use std::time::Duration;

use springhare::prelude::*;
use springhare_tests::eventually;

use crate::log::Log;
use crate::support::{Gate, Tell, broker, telling};

const SECOND: Duration = Duration::from_secs(1);

#[rabbit_listener(id = "slow", queue = "slow")]
async fn slow(text: Text, gate: State<Gate>, said: State<Tell<String>>) {
    said.tell(text.0);
    gate.pass().await;
}

#[rabbit_listener(id = "sides", queue = "sides", partition_by = "message_id", concurrency = 2)]
async fn sides(text: Text, gate: State<Gate>, said: State<Tell<String>>) {
    said.tell(text.0);
    gate.pass().await;
}

#[rabbit_listener(id = "many", queue = "many", batch = 1)]
async fn many(_texts: Vec<Text>, gate: State<Gate>, said: State<Tell<String>>) {
    said.tell("a batch".to_owned());
    gate.pass().await;
}

#[tokio::test]
async fn a_handler_that_holds_its_message_for_four_fifths_of_the_time_is_told_of_once() {
    for queue in ["slow", "sides", "many"] {
        let (log, _logging) = Log::of_this_thread();
        let (broker, hand) = broker();
        let (said, mut told) = telling::<String>();
        let gate = Gate::closed();
        let app = Springhare::builder()
            .broker(broker)
            .listeners(listeners![slow, sides, many])
            .listener_defaults(|all| all.consumer_timeout(100 * SECOND))
            .manage(gate.clone())
            .manage(said)
            .start()
            .await
            .unwrap();
        app.rabbit_template().convert_and_send(queue, "tea").await.unwrap();
        told.next().await;
        let passed = Cell::new(Duration::ZERO);
        let warnings = || log.text().matches("a handler has its message for long").count();
        eventually("it is told of", async || {
            hand.advance(5 * SECOND);
            passed.set(passed.get() + 5 * SECOND);
            tokio::task::yield_now().await;
            (warnings() > 0).then_some(())
        })
        .await;
        assert!(passed.get() >= 80 * SECOND, "{queue}: {passed:?}");
        for _ in 0..4 {
            hand.advance(5 * SECOND);
            tokio::task::yield_now().await;
        }
        gate.let_through(1);
        app.stop().await.unwrap();
        assert_eq!(warnings(), 1, "{queue}");
        let text = log.text();
        let line = text.lines().find(|line| line.contains("for long")).unwrap();
        for word in [&format!("listener=\"{queue}\""), "delivery_tag=1", "consumer_timeout=100s"] {
            assert!(line.contains(word), "{word}: {line}");
        }
    }
}
