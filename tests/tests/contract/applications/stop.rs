use std::sync::Arc;

use futures_util::FutureExt;
use springhare::Error;
use springhare::prelude::*;
use springhare_tests::{Gate, Tell, Told, eventually, ready, telling, within_limit};

use crate::place::Place;

application!(
    a_stop_finishes_what_was_prefetched_and_takes_nothing_new,
    a_forced_stop_requeues_at_once,
    a_dropped_application_requeues_too,
    a_listener_stops_and_starts_by_its_id,
    the_template_of_an_application_that_is_gone_refuses,
    a_stop_gets_done_without_who_asked_for_it,
);

#[rabbit_listener(queue = "slow")]
async fn slow(number: Json<u32>, gate: State<Gate>, seen: State<Tell<u32>>) {
    seen.tell(number.0);
    gate.pass().await;
}

/// An application with five messages prefetched and its handler at the gate with the first.
struct Scene {
    app: Arc<Springhare>,
    rabbit: RabbitTemplate,
    gate: Gate,
    numbers: Told<u32>,
}

impl Scene {
    async fn at_the_gate(place: &Place) -> Self {
        let (seen, mut numbers) = telling::<u32>();
        let gate = Gate::closed();
        let app = place
            .builder()
            .listeners(listeners![slow])
            .manage(gate.clone())
            .manage(seen)
            .start()
            .await
            .unwrap();
        let rabbit = app.rabbit_template();
        rabbit.convert_and_send_all((0..5_u32).map(|n| ("slow", n.to_string()))).await.unwrap();
        assert_eq!(numbers.next().await, 0);
        // All are prefetched.
        place.has_left("slow", 0).await;
        Self { app: Arc::new(app), rabbit, gate, numbers }
    }
}

async fn a_stop_finishes_what_was_prefetched_and_takes_nothing_new(place: &Place) {
    let Scene { app, rabbit, gate, mut numbers } = Scene::at_the_gate(place).await;
    let stopping = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.stop().await }
    });
    eventually("the consumer is cancelled", async || {
        rabbit.convert_and_send("slow", "9").await.unwrap();
        (ready(&rabbit, "slow").await > 0).then_some(())
    })
    .await;
    gate.let_through(1000);
    within_limit("the stop", stopping).await.unwrap().unwrap();
    let mut handled = Vec::new();
    while !numbers.is_silent() {
        handled.push(numbers.next().await);
    }
    assert_eq!(handled.get(..4), Some(&[1, 2, 3, 4][..]));
    assert!(place.left("slow").await > 0, "what came later is left");
    let stopped = rabbit.convert_and_send("slow", "9").await.unwrap_err();
    assert!(matches!(stopped, Error::Stopped), "{stopped}");
    app.stop().await.unwrap();
}

async fn a_forced_stop_requeues_at_once(place: &Place) {
    let Scene { app, numbers, .. } = Scene::at_the_gate(place).await;
    within_limit("the stop", app.force_stop()).await.unwrap();
    place.has_left("slow", 5).await;
    assert!(numbers.is_silent());
}

async fn a_dropped_application_requeues_too(place: &Place) {
    let Scene { app, rabbit, numbers, .. } = Scene::at_the_gate(place).await;
    drop(app);
    let refused = rabbit.convert_and_send("slow", "9").await.unwrap_err();
    assert!(matches!(refused, Error::Stopped), "{refused}");
    drop(rabbit);
    place.has_left("slow", 5).await;
    assert!(numbers.is_silent());
}

async fn a_listener_stops_and_starts_by_its_id(place: &Place) {
    let Scene { app, rabbit, gate, mut numbers } = Scene::at_the_gate(place).await;
    gate.let_through(1000);
    for expected in 1..5 {
        assert_eq!(numbers.next().await, expected);
    }
    let id = app.listener_ids().next().unwrap();
    app.stop_listener(&id).await.unwrap();
    rabbit.convert_and_send("slow", "7").await.unwrap();
    assert_eq!(place.left("slow").await, 1);
    app.start_listener(&id).await.unwrap();
    assert_eq!(numbers.next().await, 7);
    let unknown = app.stop_listener("nobody").await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownListener { .. }), "{unknown}");
    for unknown in [app.start_group("none").await, app.stop_group("none").await] {
        assert!(matches!(unknown, Err(Error::UnknownGroup { .. })), "{unknown:?}");
    }
    app.stop().await.unwrap();
}

async fn the_template_of_an_application_that_is_gone_refuses(place: &Place) {
    let left = Queue::durable("left");
    let app = place.builder().listeners(listeners![]).declare(left).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("left", "tea").await.unwrap();
    drop(app);
    let refused = rabbit.convert_and_send("left", "tea").await.unwrap_err();
    assert!(matches!(refused, Error::Stopped), "{refused}");
}

async fn a_stop_gets_done_without_who_asked_for_it(place: &Place) {
    let Scene { app, gate, .. } = Scene::at_the_gate(place).await;
    assert!(app.stop().now_or_never().is_none(), "the handler is at the gate");
    let late = app.start_listener("nobody").await.unwrap_err();
    assert!(matches!(late, Error::Stopped), "{late}");
    gate.let_through(1000);
    within_limit("the run", app.run()).await.unwrap();
    assert_eq!(place.left("slow").await, 0, "the handlers were waited for");
}
