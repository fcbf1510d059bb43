//! What would lose messages is a fault of the start.

use springhare::AcknowledgeMode;
use springhare::prelude::*;

#[rabbit_listener(
    queue = "full",
    arguments(max_length = 1, overflow = "reject-publish"),
    retry(delays = ["5s"])
)]
async fn of_a_full_queue(_text: Text) {}

#[rabbit_listener(id = "forgotten", queue = "forgotten", circuit(failures = 3, pause = "1s"))]
async fn forgotten(_text: Text) {}

#[tokio::test]
async fn delays_that_do_not_come_back_and_a_circuit_that_gives_nothing_back_are_refused() {
    let listeners = listeners![of_a_full_queue, forgotten];
    let builder = Springhare::builder().listeners(listeners);
    let builder =
        builder.listener("forgotten", |listener| listener.acknowledge_mode(AcknowledgeMode::None));
    let started = builder.start().await;
    let Err(error) = started else { panic!("it has started") };
    let text = error.to_string();
    for words in ["queue 'full' refuses", "has forgotten what a"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
