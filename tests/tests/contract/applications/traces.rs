use springhare::prelude::*;
use springhare_tests::{Tell, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_handler_gets_the_trace_that_its_message_was_sent_with,
    a_trace_goes_from_a_message_to_what_its_handler_publishes,
    a_trace_goes_on_in_a_reply_and_in_a_blocking_handler,
);

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-00";

#[rabbit_listener(queue = "t.read")]
async fn read(#[header("traceparent")] parent: String, said: State<Tell<String>>) {
    said.tell(parent);
}

async fn a_handler_gets_the_trace_that_its_message_was_sent_with(place: &Place) {
    let (said, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![read]).manage(said).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for parent in [PARENT, OTHER] {
        rabbit.convert_and_send("t.read", "tea").header("traceparent", parent).await.unwrap();
        assert_eq!(told.next().await, parent);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "t.orders")]
async fn fulfil(rabbit: RabbitTemplate, outbox: Outbox<'_>) -> ListenerResult {
    outbox.convert_and_send("t.invoices", "tea")?;
    tokio::task::yield_now().await;
    rabbit.convert_and_send("t.parcels", "tea").await?;
    rabbit.convert_and_send("t.others", "tea").header("traceparent", OTHER).await?;
    Ok(())
}

async fn a_trace_goes_from_a_message_to_what_its_handler_publishes(place: &Place) {
    let queues = ["t.invoices", "t.parcels", "t.others"];
    let builder = queues
        .into_iter()
        .fold(place.builder(), |builder, queue| builder.declare(Queue::durable(queue)));
    let app = builder.listeners(listeners![fulfil]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let traced = rabbit.convert_and_send("t.orders", "tea").header("traceparent", PARENT);
    traced.header("tracestate", "shop=1").await.unwrap();
    for queue in ["t.invoices", "t.parcels"] {
        let message = arrives(&rabbit, queue).await;
        assert_eq!(header_text(&message, "traceparent"), PARENT, "{queue}");
        assert_eq!(header_text(&message, "tracestate"), "shop=1", "{queue}");
    }
    let other = arrives(&rabbit, "t.others").await;
    assert_eq!(header_text(&other, "traceparent"), OTHER, "a message of another trace stays so");
    assert_eq!(header_text(&other, "tracestate"), "");
    rabbit.convert_and_send("t.orders", "tea").await.unwrap();
    let message = arrives(&rabbit, "t.parcels").await;
    assert_eq!(header_text(&message, "traceparent"), "", "the next message has none");
    app.stop().await.unwrap();
}

#[expect(clippy::needless_pass_by_value, reason = "that is how a listener takes it")]
#[rabbit_listener(queue = "t.asked", blocking)]
fn answer(rabbit: RabbitTemplate) -> Text {
    let handle = tokio::runtime::Handle::current();
    handle.block_on(async { rabbit.convert_and_send("t.parcels", "tea").await }).unwrap();
    Text::from("done")
}

async fn a_trace_goes_on_in_a_reply_and_in_a_blocking_handler(place: &Place) {
    let builder = place.builder().declare(Queue::durable("t.parcels"));
    let app = builder.listeners(listeners![answer]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let mut request = Message::new("tea");
    let name = springhare::amqp::ShortString::from_static("traceparent");
    request.properties.set_header(name, PARENT.into());
    let reply = rabbit.send_and_receive("t.asked", request).await.unwrap();
    assert_eq!(header_text(&reply, "traceparent"), PARENT);
    let parcel = arrives(&rabbit, "t.parcels").await;
    assert_eq!(header_text(&parcel, "traceparent"), PARENT);
    app.stop().await.unwrap();
}
