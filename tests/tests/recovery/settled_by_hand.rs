//! `ack = "manual"` where the connection is lost: what the consumer holds comes again, and is not handled
//! before.

use springhare::prelude::*;
use springhare_tests::Gate;

use crate::support::{Tell, is_up_again, publish, telling};
use crate::switch_link::SwitchLink;

/// Makes nothing of it that the ack fails.
#[rabbit_listener(id = "h.deaf", queue = "h.deaf", ack = "manual")]
async fn deaf(
    text: Text,
    redelivered: Redelivered,
    channel: Channel,
    tag: DeliveryTag,
    gate: State<Gate>,
    said: State<Tell<(String, bool)>>,
) {
    said.tell((text.0, redelivered.is_redelivered()));
    gate.pass().await;
    drop(channel.ack(tag).await);
}

#[tokio::test]
async fn what_is_prefetched_as_the_connection_is_lost_is_handled_once_and_by_who_has_it_next() {
    let (link, broker, hand) = SwitchLink::on();
    let (said, mut told) = telling::<(String, bool)>();
    let gate = Gate::closed();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![deaf])
        .manage(gate.clone())
        .manage(said)
        .start()
        .await
        .unwrap();
    // It takes over all of them with the first.
    app.stop_listener("h.deaf").await.unwrap();
    for text in ["0", "1", "2"] {
        publish(&broker, "", "h.deaf", text).await;
    }
    app.start_listener("h.deaf").await.unwrap();
    assert_eq!(told.next().await, ("0".to_owned(), false));
    link.close_connections();
    gate.let_through(10);
    is_up_again(&app, &hand).await;
    for text in ["0", "1", "2"] {
        assert_eq!(told.next().await, (text.to_owned(), true));
    }
    app.stop().await.unwrap();
    assert!(told.is_silent());
}
