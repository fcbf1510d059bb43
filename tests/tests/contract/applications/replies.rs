use futures_util::future::join_all;
use springhare::amqp::{BasicProperties, DeliveryMode, ShortString};
use springhare::prelude::*;
use springhare::{CallError, Payload, RemoteError, SpringhareBuilder};
use springhare_tests::{Tell, Told, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_returned_value_answers_the_request,
    an_answer_has_nothing_of_the_request_but_what_tells_it,
    where_the_request_names_no_queue_send_to_does,
    a_reply_may_choose_where_it_goes,
    an_answer_with_nowhere_to_go_is_dropped,
    an_answer_whose_queue_is_gone_is_dropped,
    a_request_whose_answer_cannot_be_sent_has_failed_for_good,
    a_caller_hears_that_its_answer_went_nowhere,
    a_caller_hears_of_a_refusal_whichever_way_it_was_said,
    a_value_that_cannot_be_encoded_is_parked,
    a_failure_is_the_answer_where_the_listener_says_so,
    a_failure_is_the_answer_where_the_caller_asks_for_it,
    a_failure_that_was_told_is_settled_by_hand_or_not,
    a_failure_that_nobody_hears_of_is_tried_again,
    what_is_parked_asks_for_no_answer_any_more,
    what_a_handler_returns_is_the_reply_to_a_call,
);

const ANSWERS: &str = "p.answers";

/// An application with a queue for answers.
async fn start(builder: SpringhareBuilder) -> (Springhare, RabbitTemplate) {
    let app = builder.declare(Queue::durable(ANSWERS)).start().await.unwrap();
    let rabbit = app.rabbit_template();
    (app, rabbit)
}

fn correlation_id(message: &Message) -> Option<&str> {
    message.properties.correlation_id.as_deref()
}

fn content_type(message: &Message) -> Option<&str> {
    message.properties.content_type.as_deref()
}

#[rabbit_listener(queue = "p.kinds")]
async fn kinds(Text(kind): Text) -> ListenerResult<Option<Message>> {
    Ok((kind != "nothing").then(|| Message::new(kind.into_bytes())))
}

#[rabbit_listener(queue = "p.json")]
async fn json(Text(word): Text) -> Json<String> {
    Json(word)
}

#[rabbit_listener(queue = "p.converted")]
async fn converted(Payload(words): Payload<Vec<String>>) -> Payload<usize> {
    Payload(words.len())
}

#[rabbit_listener(queue = "p.text")]
async fn text(Text(word): Text) -> ListenerResult<Text> {
    Ok(Text(word.to_uppercase()))
}

#[rabbit_listener(queue = "p.blocking", blocking)]
fn blocking(Text(word): Text) -> Result<String, std::num::ParseIntError> {
    Ok((word.parse::<u32>()? + 1).to_string())
}

/// Answers with a message that was the answer to something else.
#[rabbit_listener(queue = "p.relabelled")]
async fn relabelled(message: Message) -> Message {
    let correlation_id = Some(ShortString::from_static("of another call"));
    message.with_properties(BasicProperties { correlation_id, ..BasicProperties::default() })
}

#[rabbit_listener(queue = "p.manual", ack = "manual")]
async fn manual(body: Bytes, channel: Channel, tag: DeliveryTag) -> ListenerResult<Bytes> {
    channel.ack(tag).await?;
    Ok(body)
}

#[rabbit_listener(queue = "p.unsigned", ack = "none")]
async fn unsigned(body: Bytes) -> Vec<u8> {
    body.to_vec()
}

async fn a_returned_value_answers_the_request(place: &Place) {
    let all = listeners![kinds, json, converted, text, blocking, manual, unsigned, relabelled];
    let (app, rabbit) = start(place.builder().listeners(all)).await;
    let cases: [(&str, &str, &str, &str); 7] = [
        ("p.kinds", "raw", "raw", "application/octet-stream"),
        ("p.json", "four", "\"four\"", "application/json"),
        ("p.converted", r#"["a","b"]"#, "2", "application/json"),
        ("p.text", "tea", "TEA", "text/plain"),
        ("p.blocking", "41", "42", "text/plain"),
        ("p.manual", "by hand", "by hand", "application/octet-stream"),
        ("p.unsigned", "gone", "gone", "application/octet-stream"),
    ];
    for (queue, request, answer, kind) in cases {
        let request = Message::new(request.as_bytes().to_vec());
        let id = format!("to {queue}");
        rabbit.send(queue, request).reply_to(ANSWERS).correlation_id(&id).await.unwrap();
        let answered = arrives(&rabbit, ANSWERS).await;
        assert_eq!(&*answered.body, answer.as_bytes(), "{queue}");
        assert_eq!(content_type(&answered), Some(kind), "{queue}");
        assert_eq!(correlation_id(&answered), Some(&*id));
    }
    // A message that was an answer before has the id of this request, not its own.
    rabbit
        .convert_and_send("p.relabelled", "tea")
        .reply_to(ANSWERS)
        .correlation_id("mine")
        .await
        .unwrap();
    assert_eq!(correlation_id(&arrives(&rabbit, ANSWERS).await), Some("mine"));
    // None answers nothing: what comes next is the answer to the next request.
    for request in ["nothing", "last"] {
        rabbit.convert_and_send("p.kinds", request).reply_to(ANSWERS).await.unwrap();
    }
    assert_eq!(&*arrives(&rabbit, ANSWERS).await.body, b"last");
    app.stop().await.unwrap();
    for (queue, ..) in cases {
        place.has_left(queue, 0).await;
    }
}

async fn an_answer_has_nothing_of_the_request_but_what_tells_it(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![text])).await;
    let request = rabbit.convert_and_send("p.text", "tea").message_id("m1").priority(7);
    request.header("x-secret", "s").reply_to(ANSWERS).await.unwrap();
    let answered = arrives(&rabbit, ANSWERS).await;
    // Who makes no correlation ids knows its request by the message's id.
    assert_eq!(correlation_id(&answered), Some("m1"));
    assert_eq!(answered.properties.header("x-secret"), None);
    let properties = &answered.properties;
    assert_eq!((properties.priority, properties.reply_to.as_deref()), (None, None));
    assert_eq!(properties.delivery_mode, Some(DeliveryMode::Persistent), "as the request");
    let transient = rabbit.convert_and_send("p.text", "tea").persistent(false);
    transient.reply_to(ANSWERS).await.unwrap();
    let answered = arrives(&rabbit, ANSWERS).await;
    assert_eq!(answered.properties.delivery_mode, Some(DeliveryMode::Transient));
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "p.to_queue", send_to = "p.answers")]
async fn to_queue(Text(word): Text) -> Text {
    Text(format!("queue: {word}"))
}

#[rabbit_listener(queue = "p.to_key", send_to = "p.exchange/${answer:done}")]
async fn to_key(Text(word): Text) -> Text {
    Text(format!("key: {word}"))
}

#[rabbit_listener(queue = "p.to_slash_key", send_to = "/p.answers")]
async fn to_slash_key(Text(word): Text) -> Text {
    Text(format!("slash key: {word}"))
}

#[rabbit_listener(queue = "p.to_exchange", send_to = "p.fan/")]
async fn to_exchange(Text(word): Text) -> Text {
    Text(format!("exchange: {word}"))
}

async fn where_the_request_names_no_queue_send_to_does(place: &Place) {
    let exchange = Exchange::direct("p.exchange");
    let queue = Queue::durable(ANSWERS);
    let binding = Binding::queue(ANSWERS).to("p.exchange").with("done");
    let listeners = listeners![to_queue, to_key, to_slash_key, to_exchange];
    let builder = place.builder().listeners(listeners).declare(Exchange::fanout("p.fan"));
    let builder = builder.declare(Binding::queue(ANSWERS).to("p.fan"));
    let builder = builder.declare(queue).declare(exchange).declare(binding);
    let app = builder.declare(Queue::durable("p.own")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for (queue, answer) in [
        ("p.to_queue", "queue: tea"),
        ("p.to_key", "key: tea"),
        ("p.to_slash_key", "slash key: tea"),
        ("p.to_exchange", "exchange: tea"),
    ] {
        rabbit.convert_and_send(queue, "tea").await.unwrap();
        assert_eq!(&*arrives(&rabbit, ANSWERS).await.body, answer.as_bytes());
        rabbit.convert_and_send(queue, "tea").reply_to("p.own").await.unwrap();
        assert_eq!(&*arrives(&rabbit, "p.own").await.body, answer.as_bytes());
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "p.choosing")]
async fn choosing(Text(word): Text) -> Reply<Text> {
    let reply = Reply::new(Text(word)).header("x-rate", 5).content_type("text/x-tea");
    let reply = reply.persistent(false);
    reply.to(ANSWERS)
}

async fn a_reply_may_choose_where_it_goes(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![choosing])).await;
    rabbit.convert_and_send("p.choosing", "tea").reply_to("p.elsewhere").await.unwrap();
    let answered = arrives(&rabbit, ANSWERS).await;
    assert_eq!(&*answered.body, b"tea");
    assert_eq!(content_type(&answered), Some("text/x-tea"));
    assert_eq!(answered.properties.header("x-rate").and_then(|rate| rate.as_i64()), Some(5));
    assert_eq!(answered.properties.delivery_mode, Some(DeliveryMode::Transient));
    app.stop().await.unwrap();
}

/// Tells how often it was called before it answers.
#[rabbit_listener(queue = "p.telling")]
async fn tells(Text(word): Text, tell: State<Tell<String>>) -> Text {
    tell.tell(word.clone());
    Text(word)
}

async fn telling_app(builder: SpringhareBuilder) -> (Springhare, Told<String>) {
    let (tell, told) = telling();
    (builder.manage(tell).start().await.unwrap(), told)
}

async fn an_answer_with_nowhere_to_go_is_dropped(place: &Place) {
    let (app, mut told) = telling_app(place.builder().listeners(listeners![tells])).await;
    let rabbit = app.rabbit_template();
    for word in ["first", "second"] {
        rabbit.convert_and_send("p.telling", word).await.unwrap();
        assert_eq!(told.next().await, word);
    }
    app.stop().await.unwrap();
    assert!(told.is_silent());
    place.has_left("p.telling", 0).await;
}

async fn an_answer_whose_queue_is_gone_is_dropped(place: &Place) {
    let (app, mut told) = telling_app(place.builder().listeners(listeners![tells])).await;
    let rabbit = app.rabbit_template();
    let request = rabbit.convert_and_send("p.telling", "tea");
    request.reply_to("p.of_a_caller_that_left").await.unwrap();
    assert_eq!(told.next().await, "tea");
    app.stop().await.unwrap();
    assert!(told.is_silent(), "the caller is gone: nobody waits for another attempt");
    place.has_left("p.telling", 0).await;
}

#[rabbit_listener(queue = "p.unsendable", send_to = "p.missing")]
#[rabbit_listener(queue = "p.unsendable_to_exchange", send_to = "p.missing/tea")]
async fn unsendable(Text(word): Text, tell: State<Tell<String>>) -> Text {
    tell.tell(word.clone());
    Text(word)
}

async fn a_request_whose_answer_cannot_be_sent_has_failed_for_good(place: &Place) {
    let (app, mut told) = telling_app(place.builder().listeners(listeners![unsendable])).await;
    let rabbit = app.rabbit_template();
    for (queue, why) in
        [("p.unsendable", "p.missing"), ("p.unsendable_to_exchange", "does not exist")]
    {
        rabbit.convert_and_send(queue, "tea").await.unwrap();
        assert_eq!(told.next().await, "tea");
        let parked = arrives(&rabbit, &format!("{queue}.error")).await;
        assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
        let exception = header_text(&parked, "x-exception-message");
        assert!(exception.contains(why), "{exception}");
    }
    app.stop().await.unwrap();
    assert!(told.is_silent(), "nothing was done twice");
    place.has_left("p.unsendable", 0).await;
}

/// Answers to an exchange that is not there.
#[rabbit_listener(queue = "p.misdirected")]
async fn misdirected(Text(word): Text) -> Reply<Text> {
    Reply::new(Text(word)).to(("p.missing", "tea"))
}

async fn a_caller_hears_that_its_answer_went_nowhere(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![misdirected])).await;
    let asked = rabbit.convert_send_and_receive::<String>("p.misdirected", "tea").await;
    let Err(CallError::Remote(RemoteError { kind, message, .. })) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(kind, "fatal");
    assert!(message.contains("does not exist"), "{message}");
    assert_eq!(&*arrives(&rabbit, "p.misdirected.error").await.body, b"tea");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "p.refusing")]
async fn refusing(Text(word): Text) -> Outcome {
    match word.as_str() {
        "outcome" => Outcome::Reject,
        _ => Outcome::Failed(ListenerError::reject_and_dont_requeue("no such tea")),
    }
}

async fn a_caller_hears_of_a_refusal_whichever_way_it_was_said(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![refusing])).await;
    for (way, text) in [("outcome", "the handler rejected it"), ("error", "no such tea")] {
        let asked = rabbit.convert_send_and_receive::<String>("p.refusing", way).await;
        let Err(CallError::Remote(RemoteError { kind, message, .. })) = asked else {
            panic!("{asked:?}")
        };
        assert_eq!((kind.as_str(), message.as_str()), ("rejected", text));
    }
    app.stop().await.unwrap();
    place.has_left("p.refusing", 0).await;
}

/// Cannot be written as JSON: its keys are no texts.
#[rabbit_listener(queue = "p.unwritable")]
async fn unwritable() -> Json<std::collections::BTreeMap<Vec<u8>, u8>> {
    Json([(vec![1], 1)].into())
}

async fn a_value_that_cannot_be_encoded_is_parked(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![unwritable])).await;
    rabbit.convert_and_send("p.unwritable", "tea").reply_to(ANSWERS).await.unwrap();
    let parked = arrives(&rabbit, "p.unwritable.error").await;
    assert_eq!(&*parked.body, b"tea");
    app.stop().await.unwrap();
    place.has_left(ANSWERS, 0).await;
}

async fn fail(word: &str) -> ListenerResult<Text> {
    match word {
        "poor" => Err(ListenerError::msg("no money")),
        "wrong" => Err(ListenerError::fatal("no such account")),
        "broken" => panic!("a bug"),
        word => Ok(Text(word.to_owned())),
    }
}

#[rabbit_listener(queue = "p.returning", return_errors = true)]
async fn returning(Text(word): Text) -> ListenerResult<Text> {
    fail(&word).await
}

/// The body of a failure, and its header.
fn failure(message: &Message) -> (String, Option<String>) {
    let body = String::from_utf8(message.body.to_vec()).unwrap();
    let kind = message.properties.header("x-springhare-error");
    (body, kind.and_then(|kind| kind.as_str()).map(str::to_owned))
}

async fn a_failure_is_the_answer_where_the_listener_says_so(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![returning])).await;
    let cases = [
        ("poor", r#"{"kind":"failed","error":"no money"}"#, Some("failed")),
        ("wrong", r#"{"kind":"fatal","error":"no such account"}"#, Some("fatal")),
        ("broken", r#"{"kind":"panic","error":"the handler panicked: a bug"}"#, Some("panic")),
        ("fine", "fine", None),
    ];
    for (word, body, kind) in cases {
        let request = rabbit.convert_and_send("p.returning", word).correlation_id(word);
        request.reply_to(ANSWERS).await.unwrap();
        let answered = arrives(&rabbit, ANSWERS).await;
        assert_eq!(failure(&answered), (body.to_owned(), kind.map(str::to_owned)));
        assert_eq!(correlation_id(&answered), Some(word));
    }
    // What will never succeed is kept all the same.
    assert_eq!(&*arrives(&rabbit, "p.returning.error").await.body, b"wrong");
    app.stop().await.unwrap();
    place.has_left("p.returning", 0).await;
}

#[rabbit_listener(queue = "p.asked")]
async fn asked(Text(word): Text, again: Redelivered) -> ListenerResult<Text> {
    if again.is_redelivered() { Ok(Text("at last".to_owned())) } else { fail(&word).await }
}

#[rabbit_listener(queue = "p.reticent", return_errors = false)]
async fn reticent(Text(word): Text, again: Redelivered) -> ListenerResult<Text> {
    if again.is_redelivered() { Ok(Text("at last".to_owned())) } else { fail(&word).await }
}

async fn a_failure_is_the_answer_where_the_caller_asks_for_it(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![asked, reticent])).await;
    let request = || rabbit.convert_and_send("p.asked", "poor").reply_to(ANSWERS);
    request().header("x-springhare-errors", true).await.unwrap();
    let (_, kind) = failure(&arrives(&rabbit, ANSWERS).await);
    assert_eq!(kind.as_deref(), Some("failed"));
    // A listener may keep its failures to itself.
    let reticent = rabbit.convert_and_send("p.reticent", "poor").reply_to(ANSWERS);
    reticent.header("x-springhare-errors", true).await.unwrap();
    assert_eq!(&*arrives(&rabbit, ANSWERS).await.body, b"at last");
    // Who does not ask gets the answer of a later attempt.
    request().await.unwrap();
    assert_eq!(&*arrives(&rabbit, ANSWERS).await.body, b"at last");
    app.stop().await.unwrap();
    place.has_left("p.asked", 0).await;
}

#[rabbit_listener(queue = "p.by_hand", ack = "manual", prefetch = 1, return_errors = true)]
async fn by_hand(Text(word): Text, channel: Channel, tag: DeliveryTag) -> ListenerResult<Text> {
    let answer = fail(&word).await?;
    channel.ack(tag).await?;
    Ok(answer)
}

async fn a_failure_that_was_told_is_settled_by_hand_or_not(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![by_hand])).await;
    // With a prefetch of 1 the second would never come if the first were not settled.
    for word in ["poor", "poor", "fine"] {
        rabbit.convert_and_send("p.by_hand", word).reply_to(ANSWERS).await.unwrap();
        let kind = failure(&arrives(&rabbit, ANSWERS).await).1;
        assert_eq!(kind.as_deref(), (word == "poor").then_some("failed"));
    }
    app.stop().await.unwrap();
    place.has_left("p.by_hand", 0).await;
}

#[rabbit_listener(queue = "p.unheard", return_errors = true)]
async fn unheard(Text(word): Text, tell: State<Tell<String>>) -> ListenerResult<Text> {
    tell.tell(word.clone());
    fail(&word).await
}

async fn a_failure_that_nobody_hears_of_is_tried_again(place: &Place) {
    let (app, mut told) = telling_app(place.builder().listeners(listeners![unheard])).await;
    let rabbit = app.rabbit_template();
    let request = rabbit.convert_and_send("p.unheard", "poor");
    request.reply_to("p.of_a_caller_that_left").await.unwrap();
    for _ in 0..2 {
        assert_eq!(told.next().await, "poor");
    }
    app.stop().await.unwrap();
    place.has_left("p.unheard", 1).await;
}

async fn what_is_parked_asks_for_no_answer_any_more(place: &Place) {
    let (app, rabbit) = start(place.builder().listeners(listeners![asked])).await;
    let asked = rabbit.convert_send_and_receive::<String>("p.asked", "wrong").await;
    assert!(matches!(asked, Err(CallError::Remote(_))), "{asked:?}");
    let parked = arrives(&rabbit, "p.asked.error").await;
    assert_eq!(&*parked.body, b"wrong");
    assert_eq!(parked.properties.header("x-springhare-errors"), None);
    assert_eq!(parked.properties.reply_to.as_deref(), None);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "a.shouting", concurrency = 2)]
async fn shout(Json(words): Json<Vec<String>>) -> ListenerResult<Json<String>> {
    match words.concat().to_uppercase() {
        nothing if nothing.is_empty() => Err(ListenerError::msg("nothing to shout".repeat(50))),
        loud => Ok(Json(loud)),
    }
}

/// Both sides are ours.
async fn what_a_handler_returns_is_the_reply_to_a_call(place: &Place) {
    let app = place.builder().listeners(listeners![shout]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let ask = async |words: Vec<String>| {
        rabbit.convert_send_and_receive::<String>("a.shouting", &words).await
    };
    let calls = (0..64).map(|number| ask(vec!["tea ".to_owned(), number.to_string()]));
    let replies: Vec<String> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies, (0..64).map(|number| format!("TEA {number}")).collect::<Vec<_>>());
    // Who asks is told why not, to the last word, and nobody tries again.
    let told = "nothing to shout".repeat(50);
    let failed = ask(Vec::new()).await;
    assert!(
        matches!(&failed, Err(CallError::Remote(RemoteError { kind, message, .. }))
            if kind == "failed" && *message == told),
        "{failed:?}"
    );
    // What the handler can't read is its caller's error, and is kept.
    let unread = rabbit.convert_send_and_receive::<String>("a.shouting", &5).await;
    assert!(
        matches!(&unread, Err(CallError::Remote(RemoteError { kind, .. })) if kind == "fatal"),
        "{unread:?}"
    );
    assert_eq!(&*arrives(&rabbit, "a.shouting.error").await.body, b"5");
    app.stop().await.unwrap();
    place.has_left("a.shouting", 0).await;
}
