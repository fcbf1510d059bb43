//! Listeners of what other listeners have given up.

use springhare::prelude::*;
use springhare_tests::{Tell, Told, telling};

use crate::place::Place;

application!(
    what_a_listener_gives_up_is_anothers_message,
    what_is_sent_back_is_handled_as_if_it_were_new,
);

#[rabbit_listener(queue = "f.orders", exchange = "f.shop", kind = "topic", key = "order.*")]
async fn order(
    number: Json<u32>,
    key: RoutingKey,
    count: DeliveryCount,
    seen: State<Tell<String>>,
) -> ListenerResult {
    seen.tell(format!("{} by {} after {}", number.0, &*key, count.value()));
    Err(ListenerError::fatal("no van"))
}

#[rabbit_listener(fault_of = "f.orders")]
async fn on_fault(
    fault: Fault<Json<u32>>,
    rabbit: RabbitTemplate,
    seen: State<Tell<String>>,
) -> ListenerResult {
    let payload = fault.payload.as_ref().map_or("nothing".to_owned(), |json| json.0.to_string());
    seen.tell(format!(
        "{payload}: {} in {}, {} by {}, {} failed",
        fault.reason(),
        fault.queue(),
        fault.exchange(),
        fault.routing_key(),
        fault.attempts(),
    ));
    if payload == "7" {
        fault.send_back(&rabbit).await?;
    }
    Ok(())
}

async fn start(place: &Place) -> (Springhare, Told<String>) {
    let (tell, seen) = telling::<String>();
    let builder = place.builder().listeners(listeners![order, on_fault]).manage(tell);
    (builder.start().await.unwrap(), seen)
}

async fn what_a_listener_gives_up_is_anothers_message(place: &Place) {
    let (app, mut seen) = start(place).await;
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("f.shop", "order.new"), &5).await.unwrap();
    assert_eq!(seen.next().await, "5 by order.new after 0");
    assert_eq!(seen.next().await, "5: fatal in f.orders, f.shop by order.new, 1 failed");
    rabbit.convert_and_send(("f.shop", "order.new"), "{").await.unwrap();
    assert_eq!(seen.next().await, "nothing: fatal in f.orders, f.shop by order.new, 1 failed");
    app.stop().await.unwrap();
    assert!(seen.is_silent());
    place.has_left("f.orders.error", 0).await;
}

async fn what_is_sent_back_is_handled_as_if_it_were_new(place: &Place) {
    let (app, mut seen) = start(place).await;
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("f.shop", "order.new"), &7).await.unwrap();
    for _ in 0..3 {
        assert_eq!(seen.next().await, "7 by order.new after 0");
        assert_eq!(seen.next().await, "7: fatal in f.orders, f.shop by order.new, 1 failed");
    }
    app.stop().await.unwrap();
}
