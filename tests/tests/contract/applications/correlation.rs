//! Requests whose callers choose what finds the reply.

use springhare::CallError;
use springhare::amqp::Message;

use super::calls::{Responder, app};
use crate::place::Place;

application!(a_caller_may_choose_its_correlation_id);

async fn a_caller_may_choose_its_correlation_id(place: &Place) {
    let (app, rabbit) = app(place).await;
    let mut responder = Responder::of(place, "q").await;
    let call = |id| rabbit.send_and_receive("q", Message::new("tea")).correlation_id(id);
    let (mut first, mut second) = (call("first").into_future(), call("second").into_future());
    let of_first = responder.next_while(&mut first).await;
    let of_second = responder.next_while(&mut second).await;
    let id = |message: &Message| message.properties.correlation_id.as_deref().map(str::to_owned);
    assert_eq!(id(&of_first).as_deref(), Some("first"));
    assert_eq!(id(&of_second).as_deref(), Some("second"));
    for taken in ["first", "7"] {
        let refused = call(taken).await.unwrap_err();
        assert!(matches!(refused, CallError::CorrelationId { .. }), "{refused}");
    }
    responder.answer(&of_second, "2").await;
    responder.answer(&of_first, "1").await;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((&*first.body, &*second.body), (&b"1"[..], &b"2"[..]));
    assert_eq!(id(&first).as_deref(), Some("first"), "the reply has it, too");
    let returned =
        rabbit.send_and_receive("none", Message::new("tea")).correlation_id("lost").await;
    assert!(matches!(returned, Err(CallError::Unroutable(_))), "{returned:?}");
    let mut again = call("first").into_future();
    let request = responder.next_while(&mut again).await;
    responder.answer(&request, "3").await;
    assert_eq!(&*again.await.unwrap().body, b"3", "an id is free once its call is over");
    assert_eq!(rabbit.late_replies(), 0);
    app.stop().await.unwrap();
}
