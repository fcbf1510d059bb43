//! The order of each key, where a stop comes between.

use springhare::prelude::*;
use springhare_broker::{BasicPublishOptions, Broker, NoAck};
use springhare_tests::within_limit;

use crate::support::{Gate, Tell, telling};

#[rabbit_listener(queue = "keyed", partition_by = "routing_key", concurrency = 2)]
async fn keyed(text: Text, gate: State<Gate>, said: State<Tell<String>>) -> ListenerResult {
    said.tell(text.0);
    gate.pass().await;
    Err(ListenerError::msg("too late"))
}

/// The handler fails as the stop begins, and the other message of its key is on its way: it is there
/// once the broker has answered the consumer's cancel.
#[tokio::test]
async fn what_comes_as_a_stop_begins_does_not_overtake_the_message_of_its_key_that_fails() {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let url = format!("amqp://guest:guest@{}", broker.local_addrs().first().unwrap());
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let builder = Springhare::builder().url(url).listeners(listeners![keyed]);
    let app = builder.manage(gate.clone()).manage(said).start().await.unwrap();
    let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
    let publish = async |text: &'static str| {
        let options = BasicPublishOptions::default();
        channel.basic_publish("", "keyed", options, Message::new(text)).await.unwrap();
    };
    publish("first").await;
    assert_eq!(told.next().await, "first");
    gate.let_through(2);
    let mut stopping = Box::pin(app.stop());
    assert!(futures_util::poll!(&mut stopping).is_pending());
    publish("second").await;
    within_limit("the stop", stopping).await.unwrap();
    assert!(told.is_silent(), "it has waited for the first");
    for expected in ["first", "second"] {
        let got = channel.basic_get("keyed", NoAck::Yes).await.unwrap().unwrap();
        assert_eq!(&*got.delivery.message.message.body, expected.as_bytes());
    }
}
