//! What was declared and deleted by hand, after a loss.

use springhare::prelude::*;
use springhare_tests::eventually;

use crate::support::{Tell, channel_of, is_down, is_up_again, publish, telling};
use crate::switch_link::SwitchLink;

#[rabbit_listener(id = "orders", queue = "orders")]
async fn orders(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

#[tokio::test]
async fn a_broker_that_comes_back_empty_has_what_was_declared_by_hand_and_not_what_was_deleted() {
    let (link, _broker, hand) = SwitchLink::on();
    let (seen, _told) = telling::<String>();
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![orders])
        .declare(Queue::durable("doomed"))
        .declare(Exchange::fanout("news"))
        .declare(Binding::queue("doomed").to("news").with(""))
        .manage(seen)
        .start()
        .await
        .unwrap();
    let admin = app.admin();
    admin.declare(Queue::durable("late")).await.unwrap();
    admin.bind(Binding::queue("late").to("news").with("")).await.unwrap();
    admin.delete_queue("doomed").await.unwrap();
    for _ in 0..2 {
        link.kill_broker();
        is_down(&app).await;
        let broker = link.new_broker();
        link.connect_to(&broker);
        is_up_again(&app, &hand).await;
        let channel = channel_of(&broker);
        channel.queue_declare_passive("late").await.unwrap();
        publish(&broker, "news", "", "tea").await;
        eventually("the binding is back, too", async || {
            let late = channel_of(&broker).queue_declare_passive("late").await.unwrap();
            (late.message_count == 1).then_some(())
        })
        .await;
        assert!(channel_of(&broker).queue_declare_passive("doomed").await.is_err());
    }
    app.stop().await.unwrap();
}

#[tokio::test]
async fn an_operation_without_a_broker_is_refused_and_changes_nothing() {
    let (link, _broker, hand) = SwitchLink::on();
    let (seen, _told) = telling::<String>();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![orders]);
    let app = builder.declare(Queue::durable("kept")).manage(seen).start().await.unwrap();
    let admin = app.admin();
    link.kill_broker();
    is_down(&app).await;
    for error in [
        admin.declare(Queue::durable("late")).await.unwrap_err(),
        admin.delete_queue("kept").await.unwrap_err(),
    ] {
        assert!(matches!(error, springhare::Error::Link(_)), "{error}");
    }
    let broker = link.new_broker();
    link.connect_to(&broker);
    is_up_again(&app, &hand).await;
    channel_of(&broker).queue_declare_passive("kept").await.unwrap();
    assert!(channel_of(&broker).queue_declare_passive("late").await.is_err());
    app.stop().await.unwrap();
}
