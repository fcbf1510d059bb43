//! What processors make of messages that no listener gets: a template receives them, or they are replies.

use std::time::Duration;

use springhare::middleware::{Flow, MessageProcessor};
use springhare::prelude::*;
use springhare::{CallError, Error, Publish};
use springhare_broker::{BasicPublishOptions, NoAck};
use springhare_tests::{eventually, header_text, ready};

use crate::place::Place;

application!(
    what_a_template_gets_is_as_the_processors_leave_it,
    what_is_discarded_is_passed_over_by_who_receives,
    a_call_does_not_pass_over_messages_without_end,
    what_is_refused_is_parked_and_the_call_says_why,
    a_processor_chooses_what_becomes_of_what_it_refuses,
    where_a_processor_panics_the_message_is_back_before_the_caller_hears_of_it,
    a_reply_is_as_the_processors_leave_it,
);

/// Longer than any test has.
const LONG: Duration = Duration::from_secs(600);

/// Seals what goes out, and opens what comes in; says of some what their bodies say.
struct Sealed;

impl MessageProcessor for Sealed {
    fn before_publish(&self, publish: &mut Publish) -> springhare::Result<()> {
        publish.message.body = [b"sealed ", &*publish.message.body].concat().into();
        Ok(())
    }

    fn after_receive(&self, message: &mut Message) -> Result<Flow, ListenerError> {
        let Some(body) = message.body.strip_prefix(b"sealed ") else {
            return Err(ListenerError::msg("it is not sealed"));
        };
        let body = body.to_vec();
        match &*body {
            b"spam" => return Ok(Flow::Discard),
            b"refused" => return Err(ListenerError::msg("refused")),
            b"rejected" => return Err(ListenerError::reject_and_dont_requeue("rejected")),
            b"requeued" => return Err(ListenerError::immediate_requeue("requeued")),
            b"acknowledged" => return Err(ListenerError::immediate_acknowledge("acknowledged")),
            b"panic" => panic!("a panic of the test"),
            _ => {}
        }
        message.body = body.into();
        Ok(Flow::Continue)
    }
}

async fn a_call_does_not_pass_over_messages_without_end(place: &Place) {
    let (app, rabbit) = app(place).await;
    rabbit.convert_and_send_all((0..1001).map(|_| ("pr", "spam"))).await.unwrap();
    assert!(rabbit.receive("pr").timeout(LONG).await.unwrap().is_none());
    assert_eq!(ready(&rabbit, "pr").await, 1);
    assert!(rabbit.receive("pr").await.unwrap().is_none());
    assert_eq!(ready(&rabbit, "pr").await, 0);
    app.stop().await.unwrap();
}

async fn app(place: &Place) -> (Springhare, RabbitTemplate) {
    let builder = place.builder().processor(Sealed).listeners(listeners![]);
    let builder = builder.declare(Queue::durable("pr").dead_letter_queue("pr.dead"));
    let app = builder.declare(Queue::durable("pr.dead")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    (app, rabbit)
}

/// The next message of a queue, as the broker has it.
async fn raw(place: &Place, queue: &str) -> Message {
    let channel = place.channel().await;
    let what = format!("a message is in '{queue}'");
    let got = eventually(&what, async || channel.basic_get(queue, NoAck::Yes).await.unwrap()).await;
    got.delivery.message.message.clone()
}

async fn what_a_template_gets_is_as_the_processors_leave_it(place: &Place) {
    let (app, rabbit) = app(place).await;
    rabbit.convert_and_send_all([("pr", "1"), ("pr", "2"), ("pr", "3")]).await.unwrap();
    assert_eq!(&*rabbit.receive("pr").await.unwrap().unwrap().body, b"1");
    assert_eq!(rabbit.receive_and_convert::<u32>("pr").await.unwrap(), Some(2));
    let next = |number: u32| async move { Ok(Some(number + 1)) };
    assert!(rabbit.receive_and_reply("pr", next).to("pr").await.unwrap());
    assert_eq!(&*raw(place, "pr").await.body, b"sealed 4");
    assert!(rabbit.receive("pr").await.unwrap().is_none());
    app.stop().await.unwrap();
}

async fn what_is_discarded_is_passed_over_by_who_receives(place: &Place) {
    let (app, rabbit) = app(place).await;
    let send = |bodies: [&'static str; 3]| {
        let rabbit = rabbit.clone();
        async move { rabbit.convert_and_send_all(bodies.map(|body| ("pr", body))).await.unwrap() }
    };
    send(["spam", "spam", "1"]).await;
    assert_eq!(&*rabbit.receive("pr").await.unwrap().unwrap().body, b"1");
    send(["spam", "spam", "2"]).await;
    assert_eq!(rabbit.receive_and_convert::<u32>("pr").timeout(LONG).await.unwrap(), Some(2));
    send(["spam", "spam", "3"]).await;
    let none = |_: u32| async { Ok(None::<u32>) };
    assert!(rabbit.receive_and_reply("pr", none).await.unwrap());
    send(["spam", "spam", "spam"]).await;
    assert!(rabbit.receive("pr").await.unwrap().is_none());
    let waits = rabbit.receive("pr").timeout(LONG);
    let (received, ()) = tokio::join!(waits, send(["spam", "spam", "4"]));
    assert_eq!(&*received.unwrap().unwrap().body, b"4");
    app.stop().await.unwrap();
    assert_eq!(place.left("pr").await, 0);
}

async fn what_is_refused_is_parked_and_the_call_says_why(place: &Place) {
    let (app, rabbit) = app(place).await;
    let options = BasicPublishOptions::default();
    let channel = place.channel().await;
    channel.basic_publish("", "pr", options, Message::new("open")).await.unwrap();
    rabbit.convert_and_send_all([("pr", "refused"), ("pr", "refused")]).await.unwrap();
    let none = |_: u32| async { Ok(None::<u32>) };
    let errors = [
        (rabbit.receive("pr").await.unwrap_err(), "it is not sealed", "open"),
        (rabbit.receive_and_convert::<u32>("pr").await.unwrap_err(), "refused", "sealed refused"),
        (rabbit.receive_and_reply("pr", none).await.unwrap_err(), "refused", "sealed refused"),
    ];
    for (error, text, body) in errors {
        assert!(matches!(error, Error::Other(_)), "{error}");
        assert_eq!(error.to_string(), text);
        let parked = raw(place, "pr.error").await;
        assert_eq!(&*parked.body, body.as_bytes(), "as the broker delivered it");
        assert_eq!(header_text(&parked, "x-exception-message"), text);
    }
    app.stop().await.unwrap();
    assert_eq!(place.left("pr").await, 0);
}

async fn a_processor_chooses_what_becomes_of_what_it_refuses(place: &Place) {
    let (app, rabbit) = app(place).await;
    let received = async |body: &'static str| {
        rabbit.convert_and_send("pr", body).await.unwrap();
        rabbit.receive("pr").await.unwrap_err().to_string()
    };
    assert_eq!(received("rejected").await, "rejected");
    assert_eq!(&*raw(place, "pr.dead").await.body, b"sealed rejected");
    assert_eq!(received("acknowledged").await, "acknowledged");
    assert_eq!(received("requeued").await, "requeued");
    assert_eq!(&*raw(place, "pr").await.body, b"sealed requeued");
    app.stop().await.unwrap();
    assert_eq!((place.left("pr").await, place.left("pr.dead").await), (0, 0));
}

async fn where_a_processor_panics_the_message_is_back_before_the_caller_hears_of_it(place: &Place) {
    let (app, rabbit) = app(place).await;
    rabbit.convert_and_send("pr", "panic").await.unwrap();
    let receiving = tokio::spawn({
        let rabbit = rabbit.clone();
        async move { rabbit.receive("pr").await }
    });
    assert!(receiving.await.unwrap_err().is_panic());
    assert_eq!(&*raw(place, "pr").await.body, b"sealed panic");
    rabbit.convert_and_send("pr", "tea").await.unwrap();
    assert!(rabbit.receive("pr").await.unwrap().is_some(), "others go on");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "pr.asked")]
async fn echo(Text(text): Text) -> ListenerResult<Text> {
    match text.strip_prefix("fail ") {
        Some(text) => Err(ListenerError::fatal(text.to_owned())),
        None => Ok(Text(text.trim_start_matches("say ").to_owned())),
    }
}

async fn a_reply_is_as_the_processors_leave_it(place: &Place) {
    let builder = place.builder().processor(Sealed).listeners(listeners![echo]);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    let ask = |body| rabbit.convert_send_and_receive::<String>("pr.asked", body).timeout(LONG);
    assert_eq!(ask("tea").await.unwrap(), "tea");
    let reply = rabbit.send_and_receive("pr.asked", Message::new("tea")).await.unwrap();
    assert_eq!(&*reply.body, b"tea");
    let failed = ask("fail no van").await.unwrap_err();
    assert!(matches!(&failed, CallError::Remote(error) if error.message == "no van"), "{failed}");
    let discarded = ask("say spam").await.unwrap_err();
    assert!(matches!(discarded, CallError::ReplyDiscarded), "{discarded}");
    let refused = ask("say refused").await.unwrap_err();
    assert!(matches!(refused, CallError::ReplyRefused(_)), "{refused}");
    assert!(refused.to_string().ends_with("the reply: refused"), "{refused}");
    app.stop().await.unwrap();
}
