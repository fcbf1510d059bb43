//! What one listener, or one program, does not do to the others.

use std::future::poll_fn;

use springhare::amqp::ShortString;
use springhare::connection::{Confirmation, Link, PublishCall};
use springhare::prelude::*;
use springhare_broker::Publish;
use springhare_tests::{Gate, amqp_link, eventually, within_limit};

use crate::support::{Tell, channel_of, consumers, served, telling};

/// More than its connection keeps for a listener before it reads no more.
const MESSAGES: usize = 45_000;

/// So many that a message is sent while they are declared.
const OTHER_QUEUES: usize = 200;

#[rabbit_listener(id = "held", queue = "held", ack = "none")]
async fn held(_text: Text, gate: State<Gate>) {
    gate.pass().await;
}

#[rabbit_listener(id = "quick", queue = "quick")]
async fn quick(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

#[rabbit_listener(id = "late", queue = "late", auto_startup = false)]
async fn late(_text: Text) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_listener_that_stops_leaves_the_others_alone() {
    let (broker, address) = served();
    let (gate, (seen, mut told)) = (Gate::closed(), telling::<String>());
    let builder = Springhare::builder().link(amqp_link(address)).manage(seen).manage(gate.clone());
    let app = builder.listeners(listeners![held, quick, late]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let all = (0..MESSAGES).map(|_| ("held", "x"));
    within_limit("the batch", async { rabbit.convert_and_send_all(all).await }).await.unwrap();
    rabbit.convert_and_send("quick", "while it is full").await.unwrap();
    let (stopped, ()) = within_limit("the stop", async {
        tokio::join!(app.stop_listener("held"), async {
            app.start_listener("late").await.unwrap();
            rabbit.convert_and_send("quick", "while it stops").await.unwrap();
            assert_eq!(told.next().await, "while it is full");
            assert_eq!(told.next().await, "while it stops");
            gate.let_through(MESSAGES);
        })
    })
    .await;
    stopped.unwrap();
    eventually("the third listener consumes", async || {
        (consumers(&broker, "late").await == Some(1)).then_some(())
    })
    .await;
    rabbit.convert_and_send("quick", "after").await.unwrap();
    assert_eq!(told.next().await, "after");
    app.stop().await.unwrap();
}

/// It has declared the same queue, consumes nothing yet, and got a message that was confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_takes_no_message_of_another_program_away() {
    let (broker, address) = served();
    let onlooker = channel_of(&broker);
    onlooker.exchange_declare("conflict", "topic", Default::default()).await.unwrap();
    let publishing = amqp_link(address).connect("another program").await.unwrap();
    let publisher = publishing.publisher().await.unwrap();
    let confirmed = eventually("a message comes between", async || {
        let builder = Springhare::builder().link(amqp_link(address)).listeners(listeners![]);
        let builder = builder.declare(Exchange::fanout("conflict"));
        // It is declared first, and taken back once the others are declared too: a first message
        // that comes at that very moment is confirmed and gone with its queue, as on RabbitMQ.
        let builder = (0..OTHER_QUEUES)
            .map(|number| Queue::durable(format!("shared.{number}")))
            .fold(builder.declare(Queue::durable("shared")), |builder, queue| {
                builder.declare(queue)
            });
        let starting = tokio::spawn(builder.start());
        let mut confirmed = 0;
        while !starting.is_finished() {
            let mut call = PublishCall::new(message(), Confirmation::Awaited);
            let publishing = poll_fn(|cx| publisher.poll_publish(cx, &mut call));
            confirmed += u64::from(publishing.await.is_ok());
        }
        starting.await.unwrap().unwrap_err();
        (confirmed > 0).then_some(confirmed)
    })
    .await;
    let left = onlooker.queue_declare_passive("shared").await.unwrap();
    assert_eq!(left.message_count, confirmed);
}

fn message() -> Publish {
    Publish {
        exchange: ShortString::EMPTY,
        routing_key: ShortString::from_static("shared"),
        mandatory: true,
        message: Message::new("confirmed"),
    }
}
