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

#[rabbit_listener(id = "crowd", exchange = "crowd", kind = "fanout")]
async fn crowd(text: Text, queue: QueueName, seen: State<Tell<(String, String)>>) {
    seen.tell((text.0, queue.to_string()));
}

#[tokio::test]
async fn an_anonymous_queue_is_known_by_the_name_that_it_has_now_and_by_its_first() {
    let (link, broker, hand) = SwitchLink::on();
    let (seen, mut told) = telling::<(String, String)>();
    let builder = Springhare::builder().link(link.clone()).listeners(listeners![crowd]);
    let app = builder.manage(seen).start().await.unwrap();
    let admin = app.admin();
    publish(&broker, "crowd", "", "tea").await;
    let (_, first) = told.next().await;
    let mut name = first.clone();
    for round in 0..2 {
        link.kill_broker();
        is_down(&app).await;
        let broker = link.new_broker();
        link.connect_to(&broker);
        is_up_again(&app, &hand).await;
        publish(&broker, "crowd", "", "tea").await;
        let (_, now) = told.next().await;
        assert_ne!(now, name);
        name = now;
        for known in [&name, &first] {
            let info = admin.queue_info(known).await.unwrap().unwrap();
            assert_eq!((&info.name, info.consumers), (&name, 1));
        }
        if round == 0 {
            admin.bind(Binding::queue(&name).to("amq.topic").with("late")).await.unwrap();
        }
        publish(&broker, "amq.topic", "late", "milk").await;
        assert_eq!(told.next().await, ("milk".to_owned(), name.clone()));
        assert!(app.health().is_up(), "{}", app.health());
    }
    admin.unbind(Binding::queue(&first).to("amq.topic").with("late")).await.unwrap();
    let rabbit = app.rabbit_template();
    let unroutable = rabbit.convert_and_send(("amq.topic", "late"), "milk");
    unroutable.mandatory().await.unwrap_err();
    admin.delete_queue(&name).await.unwrap();
    assert_eq!(admin.queue_info(&first).await.unwrap(), None);
    app.stop().await.unwrap();
}
