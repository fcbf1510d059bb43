//! What is to be done for a message after its handler, where the broker refuses that for a while: nothing
//! is lost for it that would go well a moment later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use springhare::middleware::{Flow, MessageProcessor};
use springhare::prelude::*;
use springhare::test::{Call, Harness};
use springhare_broker::BasicPublishOptions;

use crate::place::{Place, time_passes_until};

cases!(what_a_handler_in_lanes_came_to_and_could_not_be_sent_is_no_failure_of_its,);

/// Publishes past the faults, which are the application's own.
async fn publish(h: &Harness, queue: &str, text: &str) {
    let (queue, message) = (queue.to_owned(), Message::new(text.to_owned()));
    let rabbit = h.rabbit();
    let publishing = rabbit.execute(|channel| async move {
        let options = BasicPublishOptions::default();
        Ok(channel.basic_publish("", &queue, options, message).await?)
    });
    publishing.await.unwrap();
}

#[rabbit_listener(
    id = "k.invoices",
    queue = "k.invoices",
    partition_by = "routing_key",
    retry(max_attempts = 2, backoff = "100ms")
)]
async fn invoice(text: Text, outbox: Outbox<'_>) -> ListenerResult {
    outbox.convert_and_send("k.sent", &text.0)?;
    Ok(())
}

#[rabbit_listener(
    id = "k.answers",
    queue = "k.answers",
    partition_by = "routing_key",
    retry(max_attempts = 1),
    send_to = "k.sent"
)]
async fn answer(text: Text) -> Text {
    text
}

/// Counts what it looks at.
struct Looks(Arc<AtomicUsize>);

impl MessageProcessor for Looks {
    fn after_receive(&self, _message: &mut Message) -> Result<Flow, ListenerError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Flow::Continue)
    }
}

async fn what_a_handler_in_lanes_came_to_and_could_not_be_sent_is_no_failure_of_its(place: &Place) {
    for queue in ["k.invoices", "k.answers"] {
        let looks = Arc::new(AtomicUsize::new(0));
        let processor = Looks(Arc::clone(&looks));
        let h = place
            .start(|app| {
                let app = app.listeners(listeners![invoice, answer]).processor(processor);
                app.declare(Queue::durable("k.sent"))
            })
            .await;
        h.faults().refuse_publishes(3);
        publish(&h, queue, "tea").await;
        let sent = async || h.queue("k.sent").len().await.is_ok_and(|length| length == 1);
        time_passes_until(&h, "it is sent", sent).await;
        let deliveries: Vec<u32> = h.listener(queue).calls().iter().map(Call::attempt).collect();
        assert_eq!(deliveries, [1, 2, 3, 4], "each counts as one of its deliveries");
        assert_eq!(looks.load(Ordering::Relaxed), 1, "it came once");
        assert!(h.queue(format!("{queue}.error")).len().await.is_err(), "none was given up");
        assert_eq!(
            h.rabbit().receive_and_convert::<String>("k.sent").await.unwrap().unwrap(),
            "tea"
        );
        h.stop().await.unwrap();
    }
}
