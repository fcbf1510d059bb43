use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer};
use springhare::amqp::{BasicProperties, FieldValue, Message};
use springhare::broker::{NoAck, QueueDeclareOptions};
use springhare::prelude::*;
use springhare::{Error, RabbitTemplate, SendAllError};
use springhare_tests::{arrives, header_text, ready};

use crate::place::Place;

application!(
    one_callers_fault_is_that_callers_alone,
    options_hang_off_the_call,
    a_call_that_says_nothing_does_what_the_settings_say,
    many_are_sent_in_order_and_the_first_fault_is_named,
    what_does_not_convert_is_parked_not_lost,
    nobody_uses_the_channel_before_what_came_on_it_is_acknowledged,
    a_raw_channel_does_what_amqp_does,
);

async fn app(place: &Place) -> (Springhare, RabbitTemplate) {
    let app = place
        .builder()
        .listeners(listeners![])
        .declare(Queue::durable("q"))
        .declare(Exchange::fanout("logs"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    (app, rabbit)
}

async fn one_callers_fault_is_that_callers_alone(place: &Place) {
    let (app, rabbit) = app(place).await;
    let missing = rabbit.convert_and_send(("missing", "key"), "tea").await.unwrap_err();
    assert!(matches!(missing, Error::NoExchange(_)), "{missing}");
    let unroutable = rabbit.convert_and_send("missing", "tea").await.unwrap_err();
    assert!(matches!(unroutable, Error::Unroutable(_)), "{unroutable}");
    rabbit.convert_and_send(("logs", "key"), "tea").await.unwrap();
    let mandatory = rabbit.convert_and_send(("logs", "key"), "tea").mandatory().await.unwrap_err();
    assert!(matches!(mandatory, Error::Unroutable(_)), "{mandatory}");
    let too_long = rabbit.convert_and_send("q".repeat(256), "tea").await.unwrap_err();
    assert!(too_long.to_string().contains("255 bytes"), "{too_long}");
    rabbit.convert_and_send("q", "tea").await.unwrap();
    app.stop().await.unwrap();
}

async fn a_call_that_says_nothing_does_what_the_settings_say(place: &Place) {
    let start = async |settings: &[(&'static str, &'static str)]| {
        let builder = place.builder().listeners(listeners![]);
        let builder = builder.environment(settings.iter().copied());
        let builder = builder.declare(Exchange::topic("t.shop")).declare(Queue::durable("t.new"));
        let app = builder.declare(Binding::queue("t.new").to("t.shop").with("order.new"));
        let app = app.start().await.unwrap();
        let rabbit = app.rabbit_template();
        (app, rabbit)
    };
    let (app, rabbit) = start(&[
        ("SPRING_RABBITMQ_TEMPLATE_EXCHANGE", "t.shop"),
        ("SPRINGHARE_RABBITMQ_TEMPLATE_ROUTINGKEY", "order.new"),
        ("SPRINGHARE_RABBITMQ_TEMPLATE_MANDATORY", "true"),
    ])
    .await;
    rabbit.convert_and_send((), "tea").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "t.new").await.body, b"tea");
    let unroutable = rabbit.convert_and_send("order.old", "tea").await.unwrap_err();
    assert!(matches!(unroutable, Error::Unroutable(_)), "{unroutable}");
    app.stop().await.unwrap();
    let (app, rabbit) = start(&[("SPRING_RABBITMQ_PUBLISHER_RETURNS", "true")]).await;
    let unroutable = rabbit.convert_and_send(("t.shop", "order.old"), "tea").await.unwrap_err();
    assert!(matches!(unroutable, Error::Unroutable(_)), "{unroutable}");
    app.stop().await.unwrap();
    let (app, rabbit) = start(&[]).await;
    rabbit.convert_and_send(("t.shop", "order.old"), "tea").await.unwrap();
    app.stop().await.unwrap();
}

async fn options_hang_off_the_call(place: &Place) {
    let (app, rabbit) = app(place).await;
    rabbit
        .convert_and_send("q", "tea")
        .persistent(false)
        .expiration(Duration::from_secs(60))
        .priority(5)
        .header("x-number", 7)
        .header("x-list", vec!["a", "b"])
        .correlation_id("c1")
        .message_id("m1")
        .app_id("shop")
        .kind("order")
        .content_type("text/x-tea")
        .timestamp(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .reply_to("answers")
        .unconfirmed()
        .await
        .unwrap();
    let properties = BasicProperties::from(arrives(&rabbit, "q").await.properties);
    assert_eq!(properties.app_id.as_deref(), Some("shop"));
    assert_eq!(properties.kind.as_deref(), Some("order"));
    assert_eq!(properties.content_type.as_deref(), Some("text/x-tea"));
    assert_eq!(properties.timestamp, Some(1_700_000_000));
    let BasicProperties { expiration, priority, correlation_id, message_id, reply_to, .. } =
        properties;
    assert_eq!(expiration.as_deref(), Some("60000"));
    assert_eq!(priority, Some(5));
    assert_eq!(correlation_id.as_deref(), Some("c1"));
    assert_eq!(message_id.as_deref(), Some("m1"));
    assert_eq!(reply_to.as_deref(), Some("answers"));
    let delay = Duration::from_secs(60);
    rabbit.send("q", Message::new("raw")).header("x-flag", true).delay(delay).await.unwrap();
    let raw = arrives(&rabbit, "q").await;
    assert_eq!(raw.properties.header("x-flag"), Some(&FieldValue::Boolean(true)));
    assert_eq!(raw.properties.header("x-delay"), Some(&FieldValue::I64(60_000)));
    assert!(raw.properties.is_persistent());
    let error = rabbit.convert_and_send("q", "tea").delay(Duration::MAX).await.unwrap_err();
    assert!(matches!(error, Error::DelayTooLong { .. }), "{error}");
    let error = rabbit.convert_and_send("q", "tea").header("k".repeat(256), 1).await.unwrap_err();
    assert!(error.to_string().contains("255 bytes"), "{error}");
    app.stop().await.unwrap();
}

async fn many_are_sent_in_order_and_the_first_fault_is_named(place: &Place) {
    let (app, rabbit) = app(place).await;
    rabbit.convert_and_send_all((0..1000).map(|n| ("q", n.to_string()))).await.unwrap();
    assert_eq!(ready(&rabbit, "q").await, 1000);
    for n in 0..1000 {
        assert_eq!(rabbit.receive_and_convert::<u32>("q").await.unwrap(), Some(n));
    }
    let calls = (0..1000).map(|n| match n {
        300 => rabbit.convert_and_send(("missing", ""), "tea"),
        n => rabbit.convert_and_send("q", &n).priority(1),
    });
    let SendAllError { index, confirmed_after, error } =
        rabbit.convert_and_send_all(calls).await.unwrap_err();
    assert_eq!(index, 300);
    assert!(matches!(error, Error::NoExchange(_)), "{error}");
    assert_eq!(ready(&rabbit, "q").await, 300 + confirmed_after as u64);
    assert!(confirmed_after < 128);
    let calls = [("q", "a".to_owned()), ("q", "b".to_owned())].into_iter();
    let with_a_bad_route = calls
        .map(|(route, body)| (route.to_owned(), body))
        .chain([("q".repeat(256), "c".to_owned()), ("q".to_owned(), "d".to_owned())]);
    let refused = rabbit.convert_and_send_all(with_a_bad_route).await.unwrap_err();
    assert_eq!((refused.index, refused.confirmed_after), (2, 0));
    rabbit.convert_and_send_all(Vec::<(&str, String)>::new()).await.unwrap();
    app.stop().await.unwrap();
}

async fn what_does_not_convert_is_parked_not_lost(place: &Place) {
    let (app, rabbit) = app(place).await;
    assert_eq!(rabbit.receive_and_convert::<u32>("q").await.unwrap(), None);
    rabbit.convert_and_send("q", "no number").await.unwrap();
    rabbit.convert_and_send("q", &5).await.unwrap();
    let error = rabbit.receive_and_convert::<u32>("q").await.unwrap_err();
    assert!(matches!(error, Error::Conversion(_)), "{error}");
    assert_eq!(rabbit.receive_and_convert::<u32>("q").await.unwrap(), Some(5));
    let parked = arrives(&rabbit, "q.error").await;
    assert_eq!(&*parked.body, b"no number");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert!(matches!(rabbit.receive("missing").await, Err(Error::Amqp(_))));
    assert!(rabbit.receive("q").await.unwrap().is_none(), "the channel was opened again");
    app.stop().await.unwrap();
}

tokio::task_local! {
    /// The template that [`Meddled`] meddles with.
    static MEDDLED_WITH: RabbitTemplate;
}

/// A number; while it is converted, somebody else begins to receive from a missing queue.
struct Meddled(u32);

impl<'de> Deserialize<'de> for Meddled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        MEDDLED_WITH.with(|rabbit| {
            let missing = pin!(rabbit.receive("missing").into_future());
            let begun = missing.poll(&mut Context::from_waker(Waker::noop()));
            assert!(begun.is_pending(), "it waits until the number is acknowledged");
        });
        u32::deserialize(deserializer).map(Self)
    }
}

async fn nobody_uses_the_channel_before_what_came_on_it_is_acknowledged(place: &Place) {
    let (app, rabbit) = app(place).await;
    rabbit.convert_and_send("q", &5).await.unwrap();
    let receiving = rabbit.receive_and_convert::<Meddled>("q").into_future();
    let number = MEDDLED_WITH.scope(rabbit.clone(), receiving).await.unwrap();
    assert_eq!(number.map(|number| number.0), Some(5));
    assert!(matches!(rabbit.receive("missing").await, Err(Error::Amqp(_))));
    assert!(rabbit.receive("q").await.unwrap().is_none());
    app.stop().await.unwrap();
}

async fn a_raw_channel_does_what_amqp_does(place: &Place) {
    let (app, rabbit) = app(place).await;
    let answer = rabbit
        .execute(|channel| async move {
            let queue = channel.queue_declare("", QueueDeclareOptions::default()).await?.queue;
            let options = Default::default();
            channel.basic_publish("", &queue, options, Message::new("hello")).await?;
            let got = channel.basic_get(&queue, NoAck::No).await?;
            let Some(got) = got else { return Ok(None) };
            channel.basic_ack(got.delivery.delivery_tag, Default::default()).await?;
            let mut consumer = channel.basic_consume(&queue, "mine", Default::default()).await?;
            channel.basic_publish("", &queue, options, Message::new("again")).await?;
            let delivery = consumer.recv().await;
            Ok(delivery.map(|delivery| delivery.message.message.body.clone()))
        })
        .await
        .unwrap();
    assert_eq!(answer.as_deref(), Some(&b"again"[..]));
    let error = rabbit
        .execute(|channel| async move { Ok(channel.queue_declare_passive("missing").await?) })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("404 NOT_FOUND"), "{error}");
    app.stop().await.unwrap();
}
