//! An application with a second broker, in this process, beside the link's.

use springhare::prelude::*;
use springhare_broker::Broker;
use springhare_tests::{Tell, arrives, telling};

use crate::place::Place;

application!(
    each_broker_has_its_own_queues_replies_and_failures,
    what_comes_from_one_broker_goes_to_another,
);

#[rabbit_listener(id = "br.orders", queue = "br.work")]
async fn orders(text: Text, seen: State<Tell<String>>) -> ListenerResult<String> {
    match text.0.as_str() {
        "bad" => Err(ListenerError::fatal("no such order")),
        other => {
            seen.tell(format!("link: {other}"));
            Ok("packed".to_owned())
        }
    }
}

#[rabbit_listener(id = "br.invoices", queue = "br.work", broker = "billing")]
async fn invoices(text: Text, seen: State<Tell<String>>) -> ListenerResult<String> {
    match text.0.as_str() {
        "bad" => Err(ListenerError::fatal("no such account")),
        other => {
            seen.tell(format!("billing: {other}"));
            Ok("paid".to_owned())
        }
    }
}

async fn each_broker_has_its_own_queues_replies_and_failures(place: &Place) {
    let billing = Broker::builder().start().unwrap();
    let (seen, mut told) = telling::<String>();
    let app = place
        .builder()
        .named_broker("billing", |it| it.broker(billing))
        .listeners(listeners![orders, invoices])
        .manage(seen)
        .start()
        .await
        .unwrap();
    for (name, who, answer) in [("rabbitmq", "link", "packed"), ("billing", "billing", "paid")] {
        let broker = app.broker(name).unwrap();
        let rabbit = broker.rabbit_template();
        let answered: String = rabbit.convert_send_and_receive("br.work", "tea").await.unwrap();
        assert_eq!(answered, answer);
        assert_eq!(told.next().await, format!("{who}: tea"));
        rabbit.convert_and_send("br.work", "bad").await.unwrap();
        arrives(&rabbit, "br.work.error").await;
        let work = broker.admin().queue_info("br.work").await.unwrap().unwrap();
        assert_eq!((work.messages, work.consumers), (0, 1), "on {name}");
        let parked = broker.admin().queue_info("br.work.error").await.unwrap().unwrap();
        assert_eq!(parked.messages, 0, "on {name}");
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "br.bridge", queue = "br.from", broker = "billing")]
async fn bridge(text: Text, rabbit: RabbitTemplate) -> ListenerResult {
    let main = rabbit.on_broker("rabbitmq")?;
    Ok(main.convert_and_send("br.to", text.0).await?)
}

async fn what_comes_from_one_broker_goes_to_another(place: &Place) {
    let billing = Broker::builder().start().unwrap();
    let app = place
        .builder()
        .named_broker("billing", |it| it.broker(billing))
        .listeners(listeners![bridge])
        .declare(Queue::durable("br.to"))
        .start()
        .await
        .unwrap();
    let from = app.broker("billing").unwrap().rabbit_template();
    from.convert_and_send("br.from", "tea").await.unwrap();
    let arrived = arrives(&app.rabbit_template(), "br.to").await;
    assert_eq!(arrived.body, "tea");
    let unknown = from.on_broker("biling").unwrap_err().to_string();
    assert!(unknown.contains("there is no broker `biling`"), "{unknown}");
    app.stop().await.unwrap();
}
