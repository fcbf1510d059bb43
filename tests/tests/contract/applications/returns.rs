use std::fmt;

use springhare::SpringhareBuilder;
use springhare::prelude::*;
use springhare_tests::{Tell, Told, arrives, telling};

use crate::place::Place;

application!(
    nothing_is_an_ack,
    an_error_is_another_delivery_and_ok_an_ack,
    an_outcome_says_it_itself,
    a_result_of_an_outcome_is_one_or_the_other,
    what_is_rejected_without_a_dead_letter_exchange_is_gone,
    an_error_may_choose_what_becomes_of_the_message,
);

/// Tells each word that it gets and whether it was delivered before.
type Said = State<Tell<(String, bool)>>;

/// An error of the user's own.
#[derive(Debug)]
struct NoVan;

impl fmt::Display for NoVan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no van")
    }
}

impl std::error::Error for NoVan {}

/// An application with a queue for what is refused, on a broker that outlives it.
struct Scene<'p> {
    place: &'p Place,
    app: Springhare,
    rabbit: RabbitTemplate,
    told: Told<(String, bool)>,
}

impl<'p> Scene<'p> {
    async fn of(place: &'p Place, builder: SpringhareBuilder) -> Self {
        let (tell, told) = telling();
        let app = builder.declare(Queue::durable("r.dead")).manage(tell).start().await.unwrap();
        let rabbit = app.rabbit_template();
        Self { place, app, rabbit, told }
    }

    /// Sends the word, and expects the handler to get it this often.
    async fn is_delivered(&mut self, queue: &str, word: &str, times: usize) {
        self.rabbit.convert_and_send(queue, word).await.unwrap();
        for time in 0..times {
            assert_eq!(self.told.next().await, (word.to_owned(), time > 0));
        }
    }

    /// The next message that was refused.
    async fn dead(&self) -> Message {
        arrives(&self.rabbit, "r.dead").await
    }

    /// Stops the application, and expects that its queues hold nothing and no handler was called
    /// once more.
    async fn ends_empty(self, queues: &[&str]) {
        self.app.stop().await.unwrap();
        assert!(self.told.is_silent());
        for queue in queues {
            self.place.has_left(queue, 0).await;
        }
        for queue in queues.iter().filter(|queue| **queue != "r.dead") {
            let parked = self.place.consumers(&format!("{queue}.error")).await;
            assert!(parked.is_none(), "{queue} has parked something");
        }
    }
}

#[rabbit_listener(queue = "r.nothing")]
async fn nothing(word: Text, redelivered: Redelivered, said: Said) {
    said.tell((word.0, redelivered.is_redelivered()));
}

async fn nothing_is_an_ack(place: &Place) {
    let mut scene = Scene::of(place, place.builder().listeners(listeners![nothing])).await;
    scene.is_delivered("r.nothing", "tea", 1).await;
    scene.ends_empty(&["r.nothing", "r.dead"]).await;
}

#[rabbit_listener(queue = "r.own_error")]
async fn own_error(word: Text, redelivered: Redelivered, said: Said) -> Result<(), NoVan> {
    let again = redelivered.is_redelivered();
    said.tell((word.0.clone(), again));
    if word.0 == "bad" && !again { Err(NoVan) } else { Ok(()) }
}

#[rabbit_listener(queue = "r.any_error")]
async fn any_error(word: Text, redelivered: Redelivered, said: Said) -> ListenerResult {
    let again = redelivered.is_redelivered();
    said.tell((word.0.clone(), again));
    if !again {
        word.0.parse::<u32>()?;
    }
    Ok(())
}

async fn an_error_is_another_delivery_and_ok_an_ack(place: &Place) {
    let builder = place.builder().listeners(listeners![own_error, any_error]);
    let mut scene = Scene::of(place, builder).await;
    scene.is_delivered("r.own_error", "good", 1).await;
    scene.is_delivered("r.own_error", "bad", 2).await;
    scene.is_delivered("r.any_error", "5", 1).await;
    scene.is_delivered("r.any_error", "five", 2).await;
    scene.ends_empty(&["r.own_error", "r.any_error", "r.dead"]).await;
}

fn outcome(word: &str, again: bool) -> Outcome {
    match word {
        "reject" => Outcome::Reject,
        "requeue" if !again => Outcome::Requeue,
        "fail" if !again => Outcome::Failed(ListenerError::new(NoVan)),
        _ => Outcome::Ack,
    }
}

#[rabbit_listener(
    queue = "r.outcome",
    arguments("x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "r.dead")
)]
async fn by_outcome(word: Text, redelivered: Redelivered, said: Said) -> Outcome {
    let again = redelivered.is_redelivered();
    said.tell((word.0.clone(), again));
    outcome(&word, again)
}

#[rabbit_listener(
    queue = "r.result",
    arguments("x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "r.dead")
)]
async fn by_result(word: Text, redelivered: Redelivered, said: Said) -> ListenerResult<Outcome> {
    let again = redelivered.is_redelivered();
    said.tell((word.0.clone(), again));
    if word.0 == "error" && !again {
        Err(NoVan)?;
    }
    Ok(outcome(&word, again))
}

#[rabbit_listener(queue = "r.dropping")]
async fn without_dead_letters(word: Text, redelivered: Redelivered, said: Said) -> Outcome {
    let again = redelivered.is_redelivered();
    said.tell((word.0.clone(), again));
    outcome(&word, again)
}

async fn an_outcome_says_it_itself(place: &Place) {
    let mut scene = Scene::of(place, place.builder().listeners(listeners![by_outcome])).await;
    scene.is_delivered("r.outcome", "ack", 1).await;
    scene.is_delivered("r.outcome", "requeue", 2).await;
    scene.is_delivered("r.outcome", "fail", 2).await;
    scene.is_delivered("r.outcome", "reject", 1).await;
    let dead = scene.dead().await;
    assert_eq!(&*dead.body, b"reject");
    assert!(dead.properties.header("x-death").is_some());
    scene.ends_empty(&["r.outcome", "r.dead"]).await;
}

async fn a_result_of_an_outcome_is_one_or_the_other(place: &Place) {
    let mut scene = Scene::of(place, place.builder().listeners(listeners![by_result])).await;
    scene.is_delivered("r.result", "ack", 1).await;
    scene.is_delivered("r.result", "requeue", 2).await;
    scene.is_delivered("r.result", "error", 2).await;
    scene.is_delivered("r.result", "reject", 1).await;
    assert_eq!(&*scene.dead().await.body, b"reject");
    scene.ends_empty(&["r.result", "r.dead"]).await;
}

async fn what_is_rejected_without_a_dead_letter_exchange_is_gone(place: &Place) {
    let builder = place.builder().listeners(listeners![without_dead_letters]);
    let mut scene = Scene::of(place, builder).await;
    scene.is_delivered("r.dropping", "reject", 1).await;
    scene.ends_empty(&["r.dropping", "r.dead"]).await;
}

#[rabbit_listener(
    queue = "r.disposed",
    arguments("x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "r.dead")
)]
async fn by_disposition(word: Text, redelivered: Redelivered, said: Said) -> ListenerResult {
    let again = redelivered.is_redelivered();
    said.tell((word.0.clone(), again));
    match word.0.as_str() {
        "reject" => Err(ListenerError::reject_and_dont_requeue(NoVan)),
        "requeue" if !again => Err(ListenerError::immediate_requeue("once more")),
        "acknowledge" => Err(ListenerError::immediate_acknowledge("never mind")),
        "fatal" => Err(ListenerError::fatal(NoVan)),
        _ => Ok(()),
    }
}

async fn an_error_may_choose_what_becomes_of_the_message(place: &Place) {
    let mut scene = Scene::of(place, place.builder().listeners(listeners![by_disposition])).await;
    scene.is_delivered("r.disposed", "acknowledge", 1).await;
    scene.is_delivered("r.disposed", "requeue", 2).await;
    for word in ["reject", "fatal"] {
        scene.is_delivered("r.disposed", word, 1).await;
        let dead = scene.dead().await;
        assert_eq!(&*dead.body, word.as_bytes());
        assert!(dead.properties.header("x-death").is_some());
    }
    scene.ends_empty(&["r.disposed", "r.dead"]).await;
}
