//! Receiving one message at a time, and waiting for it.

use std::future::pending;
use std::time::Duration;

use springhare::Error;
use springhare::middleware::MessageIds;
use springhare::prelude::*;
use springhare_tests::{arrives, eventually, ready, telling};

use crate::place::Place;

application!(
    a_message_that_comes_meanwhile_is_received,
    where_none_comes_the_time_ends_and_no_consumer_stays,
    a_call_that_says_nothing_waits_as_long_as_the_application_says,
    whatever_comes_as_the_time_ends_is_not_lost,
    a_call_that_is_dropped_gives_back_what_it_has,
    what_ends_a_call_that_waits_is_told,
    each_message_has_an_id_of_its_own,
    a_message_is_received_and_replied_to,
    a_reply_goes_where_the_call_says,
    what_is_not_replied_to_comes_back,
    what_can_neither_be_read_nor_parked_comes_back,
);

/// Longer than any test has.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(1);

async fn app(place: &Place) -> (Springhare, RabbitTemplate) {
    let builder = place.builder().listeners(listeners![]).declare(Queue::durable("rq"));
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    (app, rabbit)
}

/// Waits until so many consume from the queue.
async fn consumers(rabbit: &RabbitTemplate, count: u64) {
    eventually("the consumers are as many", async || {
        let asked = rabbit.execute(|channel| async move {
            Ok(channel.queue_declare_passive("rq").await?.consumer_count)
        });
        (asked.await.unwrap() == count).then_some(())
    })
    .await;
}

async fn a_message_that_comes_meanwhile_is_received(place: &Place) {
    let (app, rabbit) = app(place).await;
    let receiving = {
        let rabbit = rabbit.clone();
        tokio::spawn(async move { rabbit.receive_and_convert::<u32>("rq").timeout(LONG).await })
    };
    consumers(&rabbit, 1).await;
    rabbit.convert_and_send_all([("rq", "5"), ("rq", "6")]).await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap(), Some(5));
    consumers(&rabbit, 0).await;
    let next = arrives(&rabbit, "rq").await;
    assert_eq!(&*next.body, b"6", "it takes no more than one");
    assert_eq!(ready(&rabbit, "rq").await, 0);
    app.stop().await.unwrap();
}

async fn where_none_comes_the_time_ends_and_no_consumer_stays(place: &Place) {
    let (app, rabbit) = app(place).await;
    assert!(rabbit.receive("rq").timeout(SHORT).await.unwrap().is_none());
    consumers(&rabbit, 0).await;
    rabbit.convert_and_send("rq", "tea").await.unwrap();
    let received = rabbit.receive("rq").timeout(SHORT).await.unwrap();
    assert_eq!(received.map(|message| message.body).as_deref(), Some(&b"tea"[..]));
    app.stop().await.unwrap();
}

async fn a_call_that_says_nothing_waits_as_long_as_the_application_says(place: &Place) {
    let builder = place.builder().listeners(listeners![]).receive_timeout(LONG);
    let app = builder.declare(Queue::durable("rq")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let receiving = tokio::spawn({
        let rabbit = rabbit.clone();
        async move { rabbit.receive("rq").await }
    });
    consumers(&rabbit, 1).await;
    rabbit.convert_and_send("rq", "tea").await.unwrap();
    let received = receiving.await.unwrap().unwrap();
    assert_eq!(received.map(|message| message.body).as_deref(), Some(&b"tea"[..]));
    assert!(rabbit.receive("rq").timeout(SHORT).await.unwrap().is_none(), "it says so itself");
    app.stop().await.unwrap();
}

async fn whatever_comes_as_the_time_ends_is_not_lost(place: &Place) {
    const MESSAGES: u32 = 50;
    let (app, rabbit) = app(place).await;
    let sending = {
        let rabbit = rabbit.clone();
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                rabbit.convert_and_send("rq", &number).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    let mut received = Vec::new();
    while received.len() < MESSAGES as usize {
        received.extend(rabbit.receive_and_convert::<u32>("rq").timeout(SHORT).await.unwrap());
    }
    sending.await.unwrap();
    received.sort_unstable();
    assert_eq!(received, (0..MESSAGES).collect::<Vec<_>>());
    assert_eq!(ready(&rabbit, "rq").await, 0);
    app.stop().await.unwrap();
}

async fn a_call_that_is_dropped_gives_back_what_it_has(place: &Place) {
    let (app, rabbit) = app(place).await;
    let receiving = {
        let rabbit = rabbit.clone();
        tokio::spawn(async move { rabbit.receive("rq").timeout(LONG).await })
    };
    consumers(&rabbit, 1).await;
    receiving.abort();
    assert!(receiving.await.unwrap_err().is_cancelled());
    consumers(&rabbit, 0).await;
    rabbit.convert_and_send("rq", "tea").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "rq").await.body, b"tea");
    app.stop().await.unwrap();
}

async fn what_ends_a_call_that_waits_is_told(place: &Place) {
    let (app, rabbit) = app(place).await;
    let missing = rabbit.receive("missing").timeout(LONG).await;
    assert!(matches!(missing, Err(Error::Amqp(_))), "{missing:?}");
    let waiting = |rabbit: &RabbitTemplate| {
        let rabbit = rabbit.clone();
        tokio::spawn(async move { rabbit.receive("rq").timeout(LONG).await })
    };
    let receiving = waiting(&rabbit);
    consumers(&rabbit, 1).await;
    let deleted = rabbit.execute(|channel| async move {
        Ok(channel.queue_delete("rq", Default::default()).await?)
    });
    deleted.await.unwrap();
    let error = receiving.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Link(_)), "{error}");
    let declared = rabbit.execute(|channel| async move {
        channel.queue_declare("rq", Default::default()).await?;
        Ok(())
    });
    declared.await.unwrap();
    let receiving = waiting(&rabbit);
    consumers(&rabbit, 1).await;
    app.stop().await.unwrap();
    let error = receiving.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Stopped | Error::Link(_) | Error::Amqp(_)), "{error}");
}

async fn each_message_has_an_id_of_its_own(place: &Place) {
    let builder = place.builder().listeners(listeners![]).declare(Queue::durable("rq"));
    let app = builder.processor(MessageIds::new()).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all([("rq", "a"), ("rq", "b")]).await.unwrap();
    rabbit.convert_and_send("rq", "c").message_id("m-1").await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = arrives(&rabbit, "rq").await.properties.message_id.as_deref().map(str::to_owned);
        ids.push(id.unwrap());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 36, "{ids:?}");
    assert_eq!(ids[2], "m-1", "what has one keeps it");
    app.stop().await.unwrap();
}

async fn a_message_is_received_and_replied_to(place: &Place) {
    let (app, rabbit) = app(place).await;
    let next = |number: u32| async move { Ok(Some(number + 1)) };
    assert!(!rabbit.receive_and_reply("rq", next).await.unwrap(), "there is none");
    assert!(!rabbit.receive_and_reply("rq", next).timeout(SHORT).await.unwrap());
    let asking = {
        let rabbit = rabbit.clone();
        tokio::spawn(async move { rabbit.convert_send_and_receive::<u32>("rq", &5).await })
    };
    assert!(rabbit.receive_and_reply("rq", next).timeout(LONG).await.unwrap());
    assert_eq!(asking.await.unwrap().unwrap(), 6);

    app.declare(Queue::durable("rq.replies")).await.unwrap();
    let request = rabbit.convert_and_send("rq", &7).reply_to("rq.replies");
    request.correlation_id("seven").await.unwrap();
    // Whoever replies may receive others meanwhile.
    let with_another = |number: u32| {
        let rabbit = rabbit.clone();
        async move { Ok(rabbit.receive("rq").await?.is_none().then_some(number * 2)) }
    };
    assert!(rabbit.receive_and_reply("rq", with_another).await.unwrap());
    let reply = arrives(&rabbit, "rq.replies").await;
    let id = reply.properties.correlation_id.as_deref().map(str::to_owned);
    assert_eq!((&*reply.body, id.as_deref()), (&b"14"[..], Some("seven")));

    rabbit.convert_and_send("rq", &8).reply_to("rq.replies").await.unwrap();
    let none = |_: u32| async { Ok(None::<u32>) };
    assert!(rabbit.receive_and_reply("rq", none).await.unwrap());
    rabbit.convert_and_send("rq", &8).reply_to("rq.gone").await.unwrap();
    assert!(rabbit.receive_and_reply("rq", next).await.unwrap(), "nobody waits any more");
    app.stop().await.unwrap();
    assert_eq!((place.left("rq").await, place.left("rq.replies").await), (0, 0));
}

async fn a_reply_goes_where_the_call_says(place: &Place) {
    let (app, rabbit) = app(place).await;
    app.declare(Queue::durable("rq.prices")).await.unwrap();
    app.declare(Exchange::topic("rq.prices")).await.unwrap();
    app.declare(Binding::queue("rq.prices").to("rq.prices").with("tea")).await.unwrap();
    let next = |number: u32| async move { Ok(Some(number + 1)) };
    rabbit.convert_and_send_all([("rq", "5"), ("rq", "6")]).await.unwrap();
    assert!(rabbit.receive_and_reply("rq", next).to("rq.prices").await.unwrap());
    assert!(rabbit.receive_and_reply("rq", next).to(("rq.prices", "tea")).await.unwrap());
    for expected in ["6", "7"] {
        assert_eq!(&*arrives(&rabbit, "rq.prices").await.body, expected.as_bytes());
    }
    app.stop().await.unwrap();
    assert_eq!(place.left("rq").await, 0);
}

async fn what_is_not_replied_to_comes_back(place: &Place) {
    let (app, rabbit) = app(place).await;
    rabbit.convert_and_send("rq", &5).await.unwrap();
    let next = |number: u32| async move { Ok(Some(number + 1)) };
    let error = rabbit.receive_and_reply("rq", next).await.unwrap_err();
    assert!(matches!(error, Error::NoReplyTo { .. }), "{error}");
    let error = rabbit.receive_and_reply("rq", next).to("rq.gone").await.unwrap_err();
    assert!(matches!(error, Error::Unroutable(_)), "{error}");
    let fails = |_: u32| async { Err::<Option<u32>, _>(Error::Other("no van".into())) };
    let error = rabbit.receive_and_reply("rq", fails).await.unwrap_err();
    assert_eq!(error.to_string(), "no van");
    let (called, mut calls) = telling::<u32>();
    let cut_off = {
        let rabbit = rabbit.clone();
        tokio::spawn(async move {
            let never = |number: u32| {
                called.tell(number);
                pending::<springhare::Result<Option<u32>>>()
            };
            rabbit.receive_and_reply("rq", never).await
        })
    };
    assert_eq!(calls.next().await, 5);
    cut_off.abort();
    eventually("the message is back", async || (ready(&rabbit, "rq").await == 1).then_some(()))
        .await;

    let unread = |_: String| async { Ok(Some(1_u32)) };
    rabbit.receive("rq").await.unwrap().unwrap();
    rabbit.convert_and_send("rq", vec![0xff_u8]).await.unwrap();
    let error = rabbit.receive_and_reply("rq", unread).await.unwrap_err();
    assert!(matches!(error, Error::Conversion(_)), "{error}");
    assert_eq!(&*arrives(&rabbit, "rq.error").await.body, &[0xff]);
    app.stop().await.unwrap();
    assert_eq!(place.left("rq").await, 0);
}

async fn what_can_neither_be_read_nor_parked_comes_back(place: &Place) {
    let full = Queue::durable("rq.error").argument("x-max-length", 1);
    let full = full.argument("x-overflow", "reject-publish");
    let builder = place.builder().listeners(listeners![]).declare(Queue::durable("rq"));
    let app = builder.declare(full).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all([("rq.error", "full"), ("rq", "{")]).await.unwrap();
    let is_back = async || {
        eventually("it is back", async || (ready(&rabbit, "rq").await == 1).then_some(())).await;
    };
    let error = rabbit.receive_and_convert::<u32>("rq").await.unwrap_err();
    assert!(matches!(error, Error::NotConfirmed(_)), "{error}");
    is_back().await;
    let next = |number: u32| async move { Ok(Some(number)) };
    let error = rabbit.receive_and_reply("rq", next).await.unwrap_err();
    assert!(matches!(error, Error::NotConfirmed(_)), "{error}");
    is_back().await;
    arrives(&rabbit, "rq.error").await;
    let error = rabbit.receive_and_convert::<u32>("rq").await.unwrap_err();
    assert!(matches!(error, Error::Conversion(_)), "{error}");
    assert_eq!(&*arrives(&rabbit, "rq.error").await.body, b"{");
    app.stop().await.unwrap();
    assert_eq!(place.left("rq").await, 0);
}
