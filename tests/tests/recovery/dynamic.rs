//! What joined a running application comes back as what was there from the start.

use springhare::prelude::*;

use crate::support::{Tell, consumers, is_down, is_up_again, publish, telling};
use crate::switch_link::SwitchLink;

type Said = State<Tell<String>>;

#[rabbit_listener(id = "first", queue = "first")]
async fn first(text: Text, queue: QueueName, said: Said) {
    said.tell(format!("{queue}: {}", text.0));
}

#[tokio::test]
async fn what_was_added_comes_back_after_an_outage_and_what_was_removed_does_not() {
    let (link, _broker, hand) = SwitchLink::on();
    let (said, mut told) = telling::<String>();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![first]);
    let made =
        Listener::queue("made").handler(|text: Text, queue: QueueName, said: Said| async move {
            said.tell(format!("{queue}: {}", text.0));
        });
    let app = builder.manage(said).add_listener(made).start().await.unwrap();
    let listeners = app.listeners();
    for name in ["kept", "removed"] {
        let listener = Listener::queue(name).exchange("news").kind("topic").key(name);
        let listener = listener.handler(|text: Text, queue: QueueName, said: Said| async move {
            said.tell(format!("{queue}: {}", text.0));
        });
        listeners.add(listener).await.unwrap();
    }
    let handle = app.listener("first").unwrap();
    handle.add_queues(["second", "third"]).await.unwrap();
    handle.remove_queues(["third"]).await.unwrap();
    listeners.remove("removed").await.unwrap();

    link.kill_broker();
    is_down(&app).await;
    let broker = link.new_broker();
    link.connect_to(&broker);
    is_up_again(&app, &hand).await;
    for (exchange, key, expected) in [
        ("", "first", "first: tea"),
        ("", "made", "made: tea"),
        ("", "second", "second: tea"),
        ("news", "kept", "kept: tea"),
    ] {
        publish(&broker, exchange, key, "tea").await;
        assert_eq!(told.next().await, expected);
    }
    for queue in ["removed", "third"] {
        assert_eq!(consumers(&broker, queue).await, None, "nobody needs {queue} any more");
    }
    app.stop().await.unwrap();
}
