use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use springhare::middleware::Next;
use springhare::prelude::*;
use springhare::{DeliveryContext, Invocation};
use springhare_tests::{Tell, arrives, header_text, ready, telling};

use crate::place::Place;

application!(
    what_is_in_an_outbox_goes_out_when_the_handler_has_succeeded,
    what_a_failed_handler_put_into_its_outbox_is_dropped,
    a_call_in_memory_begins_with_an_empty_outbox,
    what_a_failed_call_put_into_its_outbox_does_not_go_out_whatever_a_layer_makes_of_that,
    an_outbox_that_can_never_be_sent_is_fatal_and_what_went_out_is_there_once,
    what_is_in_an_outbox_is_there_before_the_reply,
);

#[rabbit_listener(queue = "o.orders", requeue_rejected = false)]
async fn fulfil(Text(order): Text, outbox: Outbox<'_>, rabbit: RabbitTemplate) -> ListenerResult {
    outbox.convert_and_send("o.invoices", &order)?;
    outbox.put(rabbit.convert_and_send("o.parcels", &order).header("x-weight", 5))?;
    if order == "broken" { Err(ListenerError::msg("broken order")) } else { Ok(()) }
}

fn receiving(place: &Place) -> springhare::SpringhareBuilder {
    let builder = place.builder().declare(Queue::durable("o.invoices"));
    builder.declare(Queue::durable("o.parcels"))
}

async fn what_is_in_an_outbox_goes_out_when_the_handler_has_succeeded(place: &Place) {
    let app = receiving(place).listeners(listeners![fulfil]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.orders", "tea").await.unwrap();
    let parcel = arrives(&rabbit, "o.parcels").await;
    assert_eq!(parcel.properties.header("x-weight").and_then(|weight| weight.as_i64()), Some(5));
    let invoice = rabbit.receive_and_convert::<String>("o.invoices").await.unwrap();
    assert_eq!(invoice.as_deref(), Some("tea"), "in their order");
    app.stop().await.unwrap();
}

async fn what_a_failed_handler_put_into_its_outbox_is_dropped(place: &Place) {
    let app = receiving(place).listeners(listeners![fulfil]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.orders", "broken").await.unwrap();
    rabbit.convert_and_send("o.orders", "tea").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "o.parcels").await.body, b"tea");
    assert_eq!(&*arrives(&rabbit, "o.invoices").await.body, b"tea");
    assert_eq!(ready(&rabbit, "o.parcels").await + ready(&rabbit, "o.invoices").await, 0);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "o.retried", retry(max_attempts = 3, backoff = "1ms..1ms"))]
async fn fulfil_at_last(outbox: Outbox<'_>, calls: State<AtomicU32>) -> ListenerResult {
    let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
    outbox.convert_and_send("o.parcels", &call)?;
    if call < 3 { Err(ListenerError::msg("not yet")) } else { Ok(()) }
}

async fn a_call_in_memory_begins_with_an_empty_outbox(place: &Place) {
    let app = receiving(place)
        .listeners(listeners![fulfil_at_last])
        .manage(AtomicU32::new(0))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.retried", "tea").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "o.parcels").await.body, b"3");
    assert_eq!(ready(&rabbit, "o.parcels").await, 0);
    app.stop().await.unwrap();
}

/// Calls a second time what fails, says of some failures that all is well, and is impatient.
fn forgiving<'d>(cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d> {
    Box::pin(async move {
        match &**cx.body() {
            b"twice" => {
                let _ = next.run(cx).await;
                next.run(cx).await
            }
            b"slow" => {
                let mut call = next.run(cx);
                let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
                assert!(polled.is_pending());
                drop(call);
                Outcome::Ack
            }
            _ => match next.run(cx).await {
                Outcome::Failed(_) => Outcome::Ack,
                outcome => outcome,
            },
        }
    })
}

#[rabbit_listener(queue = "o.layered")]
async fn layered(
    Text(word): Text,
    outbox: Outbox<'_>,
    calls: State<AtomicU32>,
    seen: State<Tell<String>>,
) -> ListenerResult {
    outbox.convert_and_send("o.parcels", &word)?;
    seen.tell(word.clone());
    match word.as_str() {
        "twice" if calls.fetch_add(1, Ordering::Relaxed) == 1 => Ok(()),
        "slow" => std::future::pending().await,
        "fine" => Ok(()),
        _ => Err(ListenerError::msg("not yet")),
    }
}

async fn what_a_failed_call_put_into_its_outbox_does_not_go_out_whatever_a_layer_makes_of_that(
    place: &Place,
) {
    let (tell, mut seen) = telling::<String>();
    let builder = receiving(place).layer(forgiving).listeners(listeners![layered]);
    let app = builder.manage(tell).manage(AtomicU32::new(0)).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for word in ["bad", "slow"] {
        rabbit.convert_and_send("o.layered", word).await.unwrap();
        assert_eq!(seen.next().await, word);
    }
    rabbit.convert_and_send("o.layered", "twice").await.unwrap();
    assert_eq!([seen.next().await, seen.next().await], ["twice", "twice"]);
    rabbit.convert_and_send("o.layered", "fine").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "o.parcels").await.body, b"twice", "of the second call");
    assert_eq!(&*arrives(&rabbit, "o.parcels").await.body, b"fine");
    app.stop().await.unwrap();
    place.has_left("o.parcels", 0).await;
    place.has_left("o.layered", 0).await;
}

#[rabbit_listener(queue = "o.nowhere")]
async fn fulfil_nowhere(
    order: Text,
    outbox: Outbox<'_>,
    seen: State<Tell<String>>,
) -> ListenerResult {
    seen.tell(order.0);
    outbox.convert_and_send("o.parcels", "tea")?;
    outbox.convert_and_send("o.late", "tea")?;
    Ok(())
}

async fn an_outbox_that_can_never_be_sent_is_fatal_and_what_went_out_is_there_once(place: &Place) {
    let (tell, mut seen) = telling::<String>();
    let builder = receiving(place).listeners(listeners![fulfil_nowhere]);
    let app = builder.manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("o.nowhere", "order").await.unwrap();
    assert_eq!(seen.next().await, "order");
    let parked = arrives(&rabbit, "o.nowhere.error").await;
    assert_eq!(&*parked.body, b"order");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert!(header_text(&parked, "x-exception-message").contains("o.late"));
    assert!(seen.is_silent());
    assert_eq!(ready(&rabbit, "o.parcels").await, 1);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "o.asked")]
async fn answer(outbox: Outbox<'_>) -> ListenerResult<Text> {
    outbox.convert_and_send("o.invoices", "tea")?;
    Ok(Text::from("done"))
}

async fn what_is_in_an_outbox_is_there_before_the_reply(place: &Place) {
    let app = receiving(place).listeners(listeners![answer]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let done: String = rabbit.convert_send_and_receive("o.asked", "tea").await.unwrap();
    assert_eq!(done, "done");
    assert_eq!(ready(&rabbit, "o.invoices").await, 1);
    app.stop().await.unwrap();
}
