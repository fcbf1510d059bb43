//! Requests and their replies. Who is asked is a channel of somebody else's, as any AMQP client.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use springhare::amqp::{BasicProperties, FieldTable, FieldValue, Message, ShortString};
use springhare::broker::{BasicConsumeOptions, Clock, Delivery};
use springhare::connection::{LinkChannel, LinkConsumer};
use springhare::prelude::*;
use springhare::{CallError, Error, RemoteError, SpringhareBuilder};
use springhare_tests::{eventually, within_limit};

use crate::place::Place;

application!(
    a_request_is_answered,
    whole_messages_are_asked_and_answered,
    the_options_of_a_request_arrive,
    replies_in_another_order_find_their_calls,
    calls_that_come_and_go_leave_the_others_alone,
    a_request_that_reaches_no_queue_comes_back,
    a_missing_exchange_is_its_callers_error_alone,
    an_exchange_that_goes_is_missing_from_then_on,
    many_exchanges_share_few_channels,
    a_refused_request_is_its_callers_error_alone,
    a_call_that_gets_no_reply_in_time_ends,
    the_application_says_how_long_calls_wait,
    a_late_reply_is_counted_and_harms_nobody,
    replies_that_answer_nothing_are_counted,
    who_was_asked_may_have_failed,
    a_reply_of_another_type_is_an_error,
    a_request_that_can_not_be_made_is_an_error,
    a_stop_ends_the_calls_that_wait,
);

/// Who answers what comes into a queue, by hand.
pub(super) struct Responder {
    channel: Arc<dyn LinkChannel>,
    requests: Box<dyn LinkConsumer>,
    received: VecDeque<Delivery>,
}

impl Responder {
    pub(super) async fn of(place: &Place, queue: &str) -> Self {
        let channel = place.channel().await;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let requests = channel.basic_consume(queue, "", options).await.unwrap();
        Self { channel, requests, received: VecDeque::new() }
    }

    async fn next(&mut self) -> Message {
        if self.received.is_empty() {
            let received = poll_fn(|cx| self.requests.poll_recv_many(cx, &mut self.received, 1));
            within_limit("a request", received).await;
        }
        self.received.pop_front().unwrap().message.message.clone()
    }

    /// The next, which this call sends; the call is not polled after that.
    pub(super) async fn next_while<C: Future<Output: Debug> + Unpin>(
        &mut self,
        call: &mut C,
    ) -> Message {
        match select(call, pin!(self.next())).await {
            Either::Left((ended, _)) => panic!("{ended:?}"),
            Either::Right((request, _)) => request,
        }
    }

    pub(super) async fn answer(&mut self, request: &Message, body: impl Into<Bytes>) {
        self.answer_with(request, FieldTable::default(), body).await;
    }

    async fn answer_with(
        &mut self,
        request: &Message,
        headers: FieldTable,
        body: impl Into<Bytes>,
    ) {
        let BasicProperties { correlation_id, reply_to, .. } = request.properties.clone().into();
        let content_type = Some(ShortString::from_static("application/json"));
        let headers = Some(headers);
        let properties =
            BasicProperties { content_type, correlation_id, headers, ..Default::default() };
        let reply = Message::new(body).with_properties(properties);
        let address = reply_to.unwrap();
        self.channel.basic_publish("", &address, Default::default(), reply).await.unwrap();
    }

    /// Sends every request's body back, as long as anybody asks.
    async fn echo(mut self) {
        loop {
            let received = &mut self.received;
            if poll_fn(|cx| self.requests.poll_recv_many(cx, received, 100)).await == 0 {
                return;
            }
            while let Some(request) = self.received.pop_front() {
                let request = &request.message.message;
                self.answer(request, request.body.clone()).await;
            }
        }
    }
}

pub(super) async fn app(place: &Place) -> (Springhare, RabbitTemplate) {
    app_of(place.builder()).await
}

async fn app_of(builder: SpringhareBuilder) -> (Springhare, RabbitTemplate) {
    let app = builder
        .listeners(listeners![])
        .declare(Queue::durable("q"))
        .declare(Exchange::direct("shop"))
        .declare(Binding::queue("q").to("shop").with("prices"))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    (app, rabbit)
}

/// What a call fails with.
async fn failure(calling: impl IntoFuture<Output = Result<u64, CallError>>) -> CallError {
    within_limit("the end of a call", calling.into_future()).await.unwrap_err()
}

async fn a_request_is_answered(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let answering = async {
        let request = responder.next().await;
        assert_eq!(&*request.body, b"[1,2,3]");
        responder.answer(&request, "6").await;
    };
    let order = vec![1, 2, 3];
    let calling = rabbit.convert_send_and_receive::<u64>("q", &order).into_future();
    let (total, ()) = tokio::join!(calling, answering);
    assert_eq!(total.unwrap(), 6);
    tokio::spawn(responder.echo());
    for number in 0..10_u64 {
        let same: u64 = rabbit.convert_send_and_receive(("shop", "prices"), &number).await.unwrap();
        assert_eq!(same, number);
    }
    assert_eq!(rabbit.late_replies(), 0);
    app.stop().await.unwrap();
}

async fn whole_messages_are_asked_and_answered(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let headers = FieldTable::from_iter([(ShortString::from_static("x-unit"), "EUR".into())]);
    let answering = async {
        let request = responder.next().await;
        assert_eq!(request.properties.message_id.as_deref(), Some("m1"));
        responder.answer_with(&request, headers, "6").await;
    };
    let message_id = Some(ShortString::from_static("m1"));
    let properties = BasicProperties { message_id, ..Default::default() };
    let request = Message::new("tea").with_properties(properties);
    let calling = rabbit.send_and_receive("q", request).into_future();
    let (reply, ()) = tokio::join!(calling, answering);
    let reply = reply.unwrap();
    assert_eq!(&*reply.body, b"6");
    assert_eq!(reply.properties.header("x-unit").and_then(FieldValue::as_str), Some("EUR"));
    app.stop().await.unwrap();
}

async fn the_options_of_a_request_arrive(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let answering = async {
        let plain = responder.next().await;
        responder.answer(&plain, "1").await;
        let request = responder.next().await;
        responder.answer(&request, "2").await;
        (plain, request)
    };
    let calls = async {
        let _: u64 = rabbit.convert_send_and_receive("q", "tea").await?;
        let request = rabbit.convert_send_and_receive::<u64>("q", "tea").priority(5);
        let request = request.header("x-number", 7).message_id("m1").persistent(true);
        request.expiration(Duration::from_secs(60)).await
    };
    let (called, (plain, request)) = tokio::join!(calls, answering);
    called.unwrap();
    assert!(!plain.properties.is_persistent(), "the request need not outlive its caller");
    assert_eq!(plain.properties.header("x-springhare-errors").unwrap().as_i64(), Some(1));
    assert!(request.properties.is_persistent());
    assert_eq!(request.properties.header("x-number").unwrap().as_i64(), Some(7));
    let BasicProperties { expiration, priority, message_id, .. } = request.properties.into();
    assert_eq!(expiration.as_deref(), Some("60000"));
    assert_eq!((priority, message_id.as_deref()), (Some(5), Some("m1")));
    app.stop().await.unwrap();
}

async fn replies_in_another_order_find_their_calls(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let answering = async {
        let mut requests = Vec::new();
        for _ in 0..64 {
            requests.push(responder.next().await);
        }
        // One consumer is there for all.
        let addresses = requests.iter().map(|request| request.properties.reply_to.clone());
        assert_eq!(addresses.collect::<BTreeSet<_>>().len(), 1);
        let (odd, even): (Vec<_>, Vec<_>) = requests
            .iter()
            .rev()
            .partition(|request| request.body.last().is_some_and(|digit| digit % 2 == 1));
        for request in odd.into_iter().chain(even) {
            responder.answer(request, request.body.clone()).await;
        }
    };
    let calls = (0..64_u64).map(|number| {
        let rabbit = rabbit.clone();
        async move { rabbit.convert_send_and_receive::<u64>("q", &number).await.unwrap() }
    });
    let (replies, ()) = tokio::join!(join_all(calls), answering);
    assert_eq!(replies, (0..64).collect::<Vec<_>>());
    assert_eq!(rabbit.late_replies(), 0);
    app.stop().await.unwrap();
}

/// A call that is alone reads its own reply: whoever it is, given up or not polled any more, the
/// others get theirs.
async fn calls_that_come_and_go_leave_the_others_alone(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let call = |number: u64| {
        let rabbit = rabbit.clone();
        Box::pin(async move { rabbit.convert_send_and_receive::<u64>("q", &number).await })
    };
    let mut left_alone = call(1);
    let first = responder.next_while(&mut left_alone).await;
    let second = tokio::spawn(call(2));
    let request = responder.next().await;
    responder.answer(&first, "1").await;
    responder.answer(&request, "2").await;
    assert_eq!(within_limit("the second", second).await.unwrap().unwrap(), 2);
    assert_eq!(within_limit("the first", left_alone).await.unwrap(), 1);
    let mut given_up = call(3);
    let third = responder.next_while(&mut given_up).await;
    drop(given_up);
    responder.answer(&third, "3").await;
    // Nobody calls, and it is read all the same.
    eventually("the reply is dropped", async || (rabbit.late_replies() == 1).then_some(())).await;
    let fourth = tokio::spawn(call(4));
    let request = responder.next().await;
    responder.answer(&request, "4").await;
    assert_eq!(within_limit("the fourth", fourth).await.unwrap().unwrap(), 4);
    app.stop().await.unwrap();
}

async fn a_request_that_reaches_no_queue_comes_back(place: &Place) {
    let (app, rabbit) = app(place).await;
    tokio::spawn(Responder::of(place, "q").await.echo());
    for route in [("", "missing"), ("shop", "nobody")] {
        let error = failure(rabbit.convert_send_and_receive(route, &1)).await;
        let CallError::Unroutable(returned) = &error else { panic!("{error}") };
        assert_eq!((&*returned.exchange, &*returned.routing_key), route);
        let error = Error::from(error);
        assert!(matches!(error, Error::Unroutable(_)), "{error}");
        let queue = if route.0.is_empty() { "q" } else { "prices" };
        let route = (route.0, queue);
        assert_eq!(rabbit.convert_send_and_receive::<u64>(route, &2).await.unwrap(), 2);
    }
    app.stop().await.unwrap();
}

async fn a_missing_exchange_is_its_callers_error_alone(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let calls = [("", "q"), ("shop", "prices")].map(|route| {
        let rabbit = rabbit.clone();
        tokio::spawn(async move { rabbit.convert_send_and_receive::<u64>(route, &7).await })
    });
    let requests = [responder.next().await, responder.next().await];
    for _ in 0..2 {
        let missing = |number| rabbit.convert_send_and_receive::<u64>(("missing", ""), &number);
        let (one, other) = tokio::join!(failure(missing(1)), failure(missing(2)));
        for error in [one, other] {
            assert!(matches!(error, CallError::NoExchange(_)), "{error}");
            assert!(matches!(Error::from(error), Error::NoExchange(_)));
        }
    }
    for request in requests {
        responder.answer(&request, "7").await;
    }
    for call in calls {
        assert_eq!(within_limit("the others", call).await.unwrap().unwrap(), 7);
    }
    app.stop().await.unwrap();
}

async fn an_exchange_that_goes_is_missing_from_then_on(place: &Place) {
    let (app, rabbit) = app(place).await;
    tokio::spawn(Responder::of(place, "q").await.echo());
    let call = || rabbit.convert_send_and_receive::<u64>(("shop", "prices"), &1);
    assert_eq!(call().await.unwrap(), 1);
    let channel = place.channel().await;
    channel.exchange_delete("shop", Default::default()).await.unwrap();
    for _ in 0..2 {
        let error = failure(call()).await;
        assert!(matches!(error, CallError::NoExchange(_)), "{error}");
    }
    channel.exchange_declare("shop", "direct", Default::default()).await.unwrap();
    channel.queue_bind("q", "shop", "prices", FieldTable::default()).await.unwrap();
    assert_eq!(call().await.unwrap(), 1);
    app.stop().await.unwrap();
}

async fn many_exchanges_share_few_channels(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let exchanges: Vec<String> = (0..20).map(|number| format!("shop.{number}")).collect();
    for exchange in &exchanges {
        let channel = &responder.channel;
        channel.exchange_declare(exchange, "fanout", Default::default()).await.unwrap();
        channel.queue_bind("q", exchange, "", FieldTable::default()).await.unwrap();
    }
    let calls = exchanges.iter().cloned().map(|exchange| {
        let rabbit = rabbit.clone();
        async move { rabbit.convert_send_and_receive::<u64>((exchange, ""), &7).await.unwrap() }
    });
    let calls = tokio::spawn(join_all(calls));
    let mut requests = Vec::new();
    for _ in 0..16 {
        requests.push(responder.next().await);
    }
    // What comes after them has come, and none of the others before it.
    let marker = Message::new("marker");
    let channel = &responder.channel;
    channel.basic_publish("", "q", Default::default(), marker).await.unwrap();
    assert_eq!(&*responder.next().await.body, b"marker", "the others wait for a channel");
    for request in requests {
        responder.answer(&request, "7").await;
    }
    tokio::spawn(responder.echo());
    assert_eq!(within_limit("all replies", calls).await.unwrap(), [7; 20]);
    app.stop().await.unwrap();
}

async fn a_refused_request_is_its_callers_error_alone(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let waiting = tokio::spawn({
        let rabbit = rabbit.clone();
        async move { rabbit.convert_send_and_receive::<u64>("q", &7).await }
    });
    let request = responder.next().await;
    let expiration = Some(ShortString::from_static("soon"));
    let properties = BasicProperties { expiration, ..Default::default() };
    let wrong = Message::new("tea").with_properties(properties);
    let call = rabbit.send_and_receive("q", wrong).into_future();
    let error = within_limit("the refusal", call).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error}");
    responder.answer(&request, "7").await;
    assert_eq!(within_limit("the other", waiting).await.unwrap().unwrap(), 7);
    app.stop().await.unwrap();
}

async fn a_call_that_gets_no_reply_in_time_ends(place: &Place) {
    let (app, rabbit) = app(place).await;
    let after = Duration::from_millis(20);
    let error = failure(rabbit.convert_send_and_receive("q", &1).timeout(after)).await;
    assert!(matches!(error, CallError::Timeout { after: said } if said == after), "{error}");
    let error = Error::from(error);
    assert_eq!(error.to_string(), "no reply came within 20ms");
    app.stop().await.unwrap();
}

async fn the_application_says_how_long_calls_wait(place: &Place) {
    let after = Duration::from_millis(20);
    let queue = Queue::durable("q");
    let builder = place.builder().listeners(listeners![]).declare(queue).reply_timeout(after);
    let app = builder.start().await.unwrap();
    let error = failure(app.rabbit_template().convert_send_and_receive("q", &1)).await;
    assert!(matches!(error, CallError::Timeout { after: said } if said == after), "{error}");
    app.stop().await.unwrap();
}

async fn a_late_reply_is_counted_and_harms_nobody(place: &Place) {
    let (clock, hand) = Clock::manual();
    let (app, rabbit) = app_of(place.builder_on(&clock)).await;
    let mut responder = Responder::of(place, "q").await;
    let limit = Duration::from_millis(20);
    let mut hurried = rabbit.convert_send_and_receive("q", &1).timeout(limit).into_future();
    let late = responder.next_while(&mut hurried).await;
    hand.advance(limit);
    assert!(matches!(failure(hurried).await, CallError::Timeout { .. }));
    let next = tokio::spawn({
        let rabbit = rabbit.clone();
        async move { rabbit.convert_send_and_receive::<u64>("q", &2).await }
    });
    let request = responder.next().await;
    responder.answer(&late, "1").await;
    responder.answer(&request, "2").await;
    assert_eq!(within_limit("the next", next).await.unwrap().unwrap(), 2);
    assert_eq!(rabbit.late_replies(), 1);
    app.stop().await.unwrap();
}

async fn replies_that_answer_nothing_are_counted(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let answering = async {
        let request = responder.next().await;
        for correlation_id in [None, Some("no number"), Some("4711")] {
            let mut other = request.clone();
            other.properties.correlation_id =
                correlation_id.map(|id| ShortString::new(id).unwrap());
            responder.answer(&other, "8").await;
        }
        responder.answer(&request, "7").await;
        responder.answer(&request, "7").await;
    };
    let calling = rabbit.convert_send_and_receive::<u64>("q", &7).into_future();
    let (reply, ()) = tokio::join!(calling, answering);
    assert_eq!(reply.unwrap(), 7);
    eventually("all are counted", async || (rabbit.late_replies() == 4).then_some(())).await;
    app.stop().await.unwrap();
}

async fn who_was_asked_may_have_failed(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let headers = FieldTable::from_iter([
        (ShortString::from_static("x-springhare-error"), "failed".into()),
        (ShortString::from_static("x-exception-message"), "there is no tea".into()),
    ]);
    let answering = async {
        let request = responder.next().await;
        let body = r#"{"kind": "failed", "error": "there is no tea"}"#;
        responder.answer_with(&request, headers, body).await;
    };
    let calling = rabbit.convert_send_and_receive::<u64>("q", &1).into_future();
    let (reply, ()) = tokio::join!(calling, answering);
    let error = reply.unwrap_err();
    let CallError::Remote(RemoteError { kind, message, .. }) = &error else { panic!("{error}") };
    assert_eq!((kind.as_str(), message.as_str()), ("failed", "there is no tea"));
    assert!(matches!(Error::from(error), Error::Call(_)));
    app.stop().await.unwrap();
}

async fn a_reply_of_another_type_is_an_error(place: &Place) {
    let (app, rabbit) = app(place).await;
    tokio::spawn(Responder::of(place, "q").await.echo());
    let error = failure(rabbit.convert_send_and_receive("q", &["tea"])).await;
    assert!(matches!(error, CallError::Conversion(_)), "{error}");
    assert!(error.to_string().contains("can't be read as `u64`"), "{error}");
    app.stop().await.unwrap();
}

async fn a_request_that_can_not_be_made_is_an_error(place: &Place) {
    let (app, rabbit) = app(place).await;
    let too_long = rabbit.convert_send_and_receive("q", &1).header("k".repeat(256), 1);
    let error = failure(too_long).await;
    assert!(matches!(error, CallError::Request(_)), "{error}");
    assert!(matches!(Error::from(error), Error::TooLong(_)));
    app.stop().await.unwrap();
}

async fn a_stop_ends_the_calls_that_wait(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let call = async |rabbit: RabbitTemplate| {
        rabbit.convert_send_and_receive::<u64>("q", &1).await.unwrap_err()
    };
    let waiting = tokio::spawn({
        let rabbit = rabbit.clone();
        async move { call(rabbit).await }
    });
    responder.next().await;
    app.stop().await.unwrap();
    let error = within_limit("the call", waiting).await.unwrap();
    assert!(matches!(error, CallError::Stopped), "{error}");
    let error = call(rabbit).await;
    assert!(matches!(error, CallError::Stopped), "{error}");
    assert!(matches!(Error::from(error), Error::Stopped));
}
