use serde::{Deserialize, Serialize};
use springhare::amqp::{BasicProperties, ShortString};
use springhare::prelude::*;
use springhare_tests::{Tell, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_message_goes_to_the_handler_of_its_type,
    a_type_that_no_handler_takes_is_parked_without_a_default,
    a_handler_of_a_type_may_settle_and_may_answer,
);

#[derive(Debug, Serialize, Deserialize)]
struct OrderCreated {
    id: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct OrderShipped {
    id: u32,
    to: String,
}

#[derive(Debug)]
struct Orders(Tell<String>);

#[rabbit_listener(queue = "t.orders")]
impl Orders {
    const WORD: &'static str = "created";

    #[rabbit_handler]
    async fn created(&self, Json(order): Json<OrderCreated>) -> ListenerResult {
        self.say(format!("{} {}", Self::WORD, order.id));
        Ok(())
    }

    /// Without an attribute it is a method like any other.
    fn say(&self, what: String) {
        self.0.tell(what);
    }

    #[rabbit_handler]
    async fn shipped(&self, #[payload] order: OrderShipped, queue: QueueName) {
        self.say(format!("shipped {} to {} by {queue}", order.id, order.to));
    }

    #[rabbit_handler(type = "order.cancelled")]
    async fn cancelled(&self, id: Text) {
        self.say(format!("cancelled {}", id.0));
    }

    #[rabbit_handler(default)]
    async fn other(&self, message: Message) {
        self.say(format!("other {}", String::from_utf8_lossy(&message.body)));
    }
}

/// A body with a type, by the property.
fn typed(type_name: &str, body: &str) -> Message {
    Message::new(body.to_owned()).with_properties(BasicProperties {
        content_type: Some(ShortString::from_static("application/json")),
        kind: Some(ShortString::truncated(type_name)),
        ..BasicProperties::default()
    })
}

async fn a_message_goes_to_the_handler_of_its_type(place: &Place) {
    let (tell, mut told) = telling::<String>();
    let app = place.builder().listeners(listeners![Orders]).manage(Orders(tell));
    let app = app.start().await.unwrap();
    let ids: Vec<String> = app.listener_ids().collect();
    assert!(matches!(&*ids, [id] if id.ends_with("::types::Orders")), "{ids:?}");
    let rabbit = app.rabbit_template();
    for (type_name, body, said) in [
        ("OrderCreated", r#"{"id":1}"#, "created 1"),
        ("com.shop.OrderShipped", r#"{"id":2,"to":"Ulm"}"#, "shipped 2 to Ulm by t.orders"),
        ("order.cancelled", "3", "cancelled 3"),
        ("OrderLost", "4", "other 4"),
    ] {
        rabbit.send("t.orders", typed(type_name, body)).await.unwrap();
        assert_eq!(told.next().await, said);
    }
    // As Spring's converters write it.
    let spring = rabbit.convert_and_send("t.orders", &OrderCreated { id: 5 });
    spring.header("__TypeId__", "com.shop.Events$OrderCreated").await.unwrap();
    assert_eq!(told.next().await, "created 5");
    rabbit.convert_and_send("t.orders", "6").await.unwrap();
    assert_eq!(told.next().await, "other 6");
    app.stop().await.unwrap();
}

#[derive(Debug)]
struct Strict;

#[rabbit_listener(queue = "t.strict", ack = "manual", prefetch = 1)]
impl Strict {
    #[rabbit_handler]
    async fn created(
        &self,
        Json(order): Json<OrderCreated>,
        channel: Channel,
        tag: DeliveryTag,
        said: State<Tell<u32>>,
    ) -> ListenerResult {
        said.tell(order.id);
        Ok(channel.ack(tag).await?)
    }

    #[rabbit_handler]
    async fn shipped(&self, _order: Json<OrderShipped>, tag: DeliveryTag) -> Outcome {
        drop(tag);
        Outcome::Reject
    }
}

async fn a_type_that_no_handler_takes_is_parked_without_a_default(place: &Place) {
    let (tell, mut told) = telling::<u32>();
    let app = place.builder().listeners(listeners![Strict]).manage(Strict).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.send("t.strict", typed("OrderLost", "{}")).await.unwrap();
    rabbit.convert_and_send("t.strict", "untyped").await.unwrap();
    rabbit.send("t.strict", typed("OrderCreated", r#"{"id":7}"#)).await.unwrap();
    assert_eq!(told.next().await, 7);
    for words in ["'OrderLost'; there are handlers of OrderCreated, OrderShipped", "`__TypeId__`"] {
        let parked = arrives(&rabbit, "t.strict.error").await;
        assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
        let exception = header_text(&parked, "x-exception-message");
        assert!(exception.contains(words), "{exception}");
    }
    app.stop().await.unwrap();
    place.has_left("t.strict", 0).await;
}

#[derive(Debug)]
struct Prices;

#[rabbit_listener(queue = "t.prices", exchange = "t.shop", kind = "topic", key = "price.{kind}")]
impl Prices {
    #[rabbit_handler]
    async fn created(&self, Path(kind): Path<String>, order: Json<OrderCreated>) -> Json<String> {
        Json(format!("{kind} {}", order.id))
    }
}

async fn a_handler_of_a_type_may_settle_and_may_answer(place: &Place) {
    let app = place.builder().listeners(listeners![Prices]).manage(Prices);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    let request = typed("OrderCreated", r#"{"id":7}"#);
    let reply = rabbit.send_and_receive(("t.shop", "price.tea"), request).await.unwrap();
    assert_eq!(&*reply.body, b"\"tea 7\"");
    let request =
        rabbit.convert_send_and_receive(("t.shop", "price.salt"), &OrderCreated { id: 8 });
    let price: String = request.kind("OrderCreated").app_id("shop").await.unwrap();
    assert_eq!(price, "salt 8");
    app.stop().await.unwrap();
}
