use std::sync::{Arc, OnceLock};

use springhare::prelude::*;
use springhare::{Error, ListenerHandle, ListenerStatus, STOP_DEADLINE};
use springhare_broker::Clock;
use springhare_tests::{Gate, Tell, Told, pausing, telling, within_limit};

use crate::place::Place;

application!(
    a_paused_listener_finishes_what_it_has_in_hand_and_hands_back_the_rest,
    what_a_pause_hands_back_counts_as_what_a_lost_consumer_held,
    a_paused_group_goes_on_when_it_is_resumed,
    the_number_of_consumers_may_be_changed,
    a_listener_of_a_higher_phase_stops_first,
    a_paused_listener_handles_what_the_broker_has_forgotten,
    a_listener_that_is_resumed_twice_runs,
    one_consumer_at_a_time_gets_messages_where_the_queue_says_so,
    a_pause_waits_for_its_handler_as_long_as_that_takes,
    who_resumes_waits_for_the_handler_that_a_pause_has_left_at_work,
    a_handler_may_change_the_number_of_its_consumers_while_it_stops,
    what_another_runtime_has_started_outlives_it,
);

type Said = State<Tell<String>>;

#[rabbit_listener(id = "c.held", queue = "c.held")]
async fn held(text: Text, gate: State<Gate>, said: Said) {
    said.tell(text.0);
    gate.pass().await;
}

#[rabbit_listener(id = "c.counted", queue = "c.counted", arguments(queue_type = "quorum"))]
async fn counted(text: Text, count: DeliveryCount, gate: State<Gate>, said: Said) {
    said.tell(format!("{} {}", text.0, count.value()));
    gate.pass().await;
}

/// An application with five messages prefetched from `queue`, and its handler at the gate with the
/// first.
async fn at_the_gate(
    place: &Place,
    builder: springhare::SpringhareBuilder,
    queue: &'static str,
) -> (Arc<Springhare>, Gate, Told<String>) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let app = builder.manage(gate.clone()).manage(said).start().await.unwrap();
    let numbers = (0..5_u32).map(|n| (queue, n.to_string()));
    app.rabbit_template().convert_and_send_all(numbers).await.unwrap();
    assert!(told.next().await.starts_with('0'));
    place.has_left(queue, 0).await;
    (Arc::new(app), gate, told)
}

async fn a_paused_listener_finishes_what_it_has_in_hand_and_hands_back_the_rest(place: &Place) {
    let builder = place.builder().listeners(listeners![held]);
    let (app, gate, mut told) = at_the_gate(place, builder, "c.held").await;
    let listener = app.listener("c.held").unwrap();
    let pausing = pausing(&listener).await;
    assert!(!pausing.is_finished(), "its handler is at the gate");
    gate.let_through(1);
    within_limit("the pause", pausing).await.unwrap().unwrap();
    assert_eq!(place.left("c.held").await, 4, "the one in hand is acknowledged");
    assert_eq!(place.consumers("c.held").await, Some(0));
    assert!(told.is_silent());
    assert!(app.health().is_up());
    assert_eq!(app.health().listeners()[0].to_string(), "listener `c.held` is paused");
    gate.let_through(10);
    listener.resume().await.unwrap();
    for expected in ["1", "2", "3", "4"] {
        assert_eq!(told.next().await, expected);
    }
    assert_eq!(listener.status(), ListenerStatus::Consuming);
    listener.resume().await.unwrap();
    app.stop().await.unwrap();
    listener.pause().await.unwrap();
    assert_eq!(listener.status(), ListenerStatus::Stopped, "who does not run is not paused");
    let unknown = app.listener("nobody").unwrap_err();
    assert!(matches!(unknown, Error::UnknownListener { .. }), "{unknown}");
}

async fn what_a_pause_hands_back_counts_as_what_a_lost_consumer_held(place: &Place) {
    let builder = place.builder().listeners(listeners![counted]);
    let (app, gate, mut told) = at_the_gate(place, builder, "c.counted").await;
    let listener = app.listener("c.counted").unwrap();
    let pausing = pausing(&listener).await;
    gate.let_through(10);
    within_limit("the pause", pausing).await.unwrap().unwrap();
    listener.resume().await.unwrap();
    for expected in ["1 1", "2 1", "3 1", "4 1"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "c.forgotten", queue = "c.forgotten", ack = "none")]
async fn forgotten(text: Text, gate: State<Gate>, said: Said) {
    said.tell(text.0);
    gate.pass().await;
}

async fn a_paused_listener_handles_what_the_broker_has_forgotten(place: &Place) {
    let builder = place.builder().listeners(listeners![forgotten]);
    let (app, gate, mut told) = at_the_gate(place, builder, "c.forgotten").await;
    let listener = app.listener("c.forgotten").unwrap();
    let pausing = pausing(&listener).await;
    gate.let_through(10);
    within_limit("the pause", pausing).await.unwrap().unwrap();
    for expected in ["1", "2", "3", "4"] {
        assert_eq!(told.next().await, expected);
    }
    app.stop().await.unwrap();
}

async fn a_listener_that_is_resumed_twice_runs(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![one]).manage(said);
    let app = builder.start().await.unwrap();
    let listener = app.listener("c.one").unwrap();
    listener.pause().await.unwrap();
    let resumed = async { tokio::join!(listener.resume(), listener.resume()) };
    let (first, second) = within_limit("two at a time", resumed).await;
    first.unwrap();
    second.unwrap();
    assert_eq!(listener.status(), ListenerStatus::Consuming);
    app.rabbit_template().convert_and_send("c.one", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "c.one", queue = "c.one", group = "c.both")]
async fn one(text: Text, said: Said) {
    said.tell(text.0);
}

#[rabbit_listener(id = "c.other", queue = "c.other", group = "c.both")]
async fn other(text: Text, said: Said) {
    said.tell(text.0);
}

async fn a_paused_group_goes_on_when_it_is_resumed(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![one, other]).manage(said);
    let app = builder.start().await.unwrap();
    app.pause_group("c.both").await.unwrap();
    app.listener("c.other").unwrap().stop().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("c.one", "one").await.unwrap();
    rabbit.convert_and_send("c.other", "other").await.unwrap();
    assert_eq!((place.left("c.one").await, place.left("c.other").await), (1, 1));
    app.resume_group("c.both").await.unwrap();
    assert_eq!(told.next().await, "one");
    assert_eq!(place.left("c.other").await, 1, "it was stopped, and is paused no more");
    app.listener("c.other").unwrap().start().await.unwrap();
    assert_eq!(told.next().await, "other");
    for unknown in [app.pause_group("none").await, app.resume_group("none").await] {
        assert!(matches!(unknown, Err(Error::UnknownGroup { .. })), "{unknown:?}");
    }
    app.stop().await.unwrap();
}

async fn the_number_of_consumers_may_be_changed(place: &Place) {
    let builder = place.builder().listeners(listeners![held]);
    let (app, gate, mut told) = at_the_gate(place, builder, "c.held").await;
    let listener = app.listener("c.held").unwrap();
    listener.set_concurrency(3).await.unwrap();
    place.has_consumers("c.held", Some(3)).await;
    assert!(app.health().is_up());
    listener.set_concurrency(1..=2).await.unwrap();
    place.has_consumers("c.held", Some(2)).await;
    listener.set_concurrency(2).await.unwrap();
    gate.let_through(100);
    for expected in ["1", "2", "3", "4"] {
        assert_eq!(told.next().await, expected);
    }
    listener.stop().await.unwrap();
    assert_eq!(place.consumers("c.held").await, Some(0));
    listener.start().await.unwrap();
    assert_eq!(place.consumers("c.held").await, Some(2), "it is kept");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "c.early")]
async fn early(text: Text, said: Said) {
    said.tell(text.0);
}

#[rabbit_listener(queue = "c.late", phase = 10)]
async fn late(text: Text, gate: State<Gate>, said: Said, rabbit: RabbitTemplate) -> ListenerResult {
    said.tell(text.0);
    gate.pass().await;
    rabbit.convert_and_send("c.early", "from the later one").await?;
    Ok(())
}

async fn a_listener_of_a_higher_phase_stops_first(place: &Place) {
    let (said, mut told) = telling::<String>();
    let gate = Gate::closed();
    let builder = place.builder().listeners(listeners![early, late]);
    let app = builder.manage(gate.clone()).manage(said).start().await.unwrap();
    app.rabbit_template().convert_and_send("c.late", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    let app = Arc::new(app);
    let stopping = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.stop().await }
    });
    place.has_consumers("c.late", Some(0)).await;
    assert_eq!(place.consumers("c.early").await, Some(1), "it waits for its turn");
    gate.let_through(1);
    within_limit("the stop", stopping).await.unwrap().unwrap();
    assert_eq!(told.next().await, "from the later one");
    assert_eq!(place.left("c.early").await, 0);
}

#[rabbit_listener(
    id = "c.active",
    queue = "c.single",
    prefetch = 1,
    arguments(single_active_consumer)
)]
async fn active(text: Text, said: Said) {
    said.tell(format!("active {}", text.0));
}

#[rabbit_listener(
    id = "c.standby",
    queue = "c.single",
    auto_startup = false,
    arguments(single_active_consumer)
)]
async fn standby(text: Text, said: Said) {
    said.tell(format!("standby {}", text.0));
}

async fn one_consumer_at_a_time_gets_messages_where_the_queue_says_so(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![active, standby]).manage(said);
    let app = builder.start().await.unwrap();
    app.start_listener("c.standby").await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..4_u32).map(|n| ("c.single", n.to_string()))).await.unwrap();
    for n in 0..4 {
        assert_eq!(told.next().await, format!("active {n}"));
    }
    app.listener("c.active").unwrap().pause().await.unwrap();
    rabbit.convert_and_send("c.single", "4").await.unwrap();
    assert_eq!(told.next().await, "standby 4");
    app.stop().await.unwrap();
}

/// Whoever waited for the time does what it came for.
async fn others_go_on() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn a_pause_waits_for_its_handler_as_long_as_that_takes(place: &Place) {
    let (clock, hand) = Clock::manual();
    let builder = place.builder_on(&clock).listeners(listeners![held]);
    let (app, gate, told) = at_the_gate(place, builder, "c.held").await;
    let listener = app.listener("c.held").unwrap();
    let pausing = pausing(&listener).await;
    hand.advance(10 * STOP_DEADLINE);
    others_go_on().await;
    assert!(!pausing.is_finished(), "its handler is at the gate");
    gate.let_through(1);
    within_limit("the pause", pausing).await.unwrap().unwrap();
    assert_eq!(place.left("c.held").await, 4, "the one in hand is acknowledged");
    assert!(told.is_silent());
    app.stop().await.unwrap();
}

async fn who_resumes_waits_for_the_handler_that_a_pause_has_left_at_work(place: &Place) {
    let (clock, hand) = Clock::manual();
    let builder = place.builder_on(&clock).listeners(listeners![held]);
    let (app, gate, mut told) = at_the_gate(place, builder, "c.held").await;
    let listener = app.listener("c.held").unwrap();
    for round in 0..2 {
        // Nobody waits for the pause.
        let pausing = pausing(&listener).await;
        pausing.abort();
        assert!(pausing.await.unwrap_err().is_cancelled());
        let resuming = tokio::spawn({
            let listener = listener.clone();
            async move { if round == 0 { listener.resume().await } else { listener.start().await } }
        });
        place.has_consumers("c.held", Some(0)).await;
        hand.advance(10 * STOP_DEADLINE);
        others_go_on().await;
        // Others are not held up by it.
        app.listener("c.held").unwrap().set_concurrency(1).await.unwrap();
        gate.let_through(1);
        within_limit("the listener runs", resuming).await.unwrap().unwrap();
        assert_eq!(told.next().await, (round + 1).to_string(), "the one in hand was acknowledged");
    }
    gate.let_through(100);
    app.stop().await.unwrap();
}

type Itself = Arc<OnceLock<ListenerHandle>>;

#[rabbit_listener(id = "c.scales", queue = "c.scales")]
async fn scales_itself(
    text: Text,
    gate: State<Gate>,
    itself: State<Itself>,
    said: Said,
) -> ListenerResult {
    said.tell(text.0);
    gate.pass().await;
    if let Some(listener) = itself.get() {
        listener.set_concurrency(3).await?;
    }
    Ok(())
}

async fn a_handler_may_change_the_number_of_its_consumers_while_it_stops(place: &Place) {
    let (clock, _hand) = Clock::manual();
    let itself = Itself::default();
    let builder = place.builder_on(&clock).listeners(listeners![scales_itself]);
    let (app, gate, _told) =
        at_the_gate(place, builder.manage(Arc::clone(&itself)), "c.scales").await;
    let listener = app.listener("c.scales").unwrap();
    itself.set(listener.clone()).unwrap();
    let stopping = tokio::spawn({
        let listener = listener.clone();
        async move { listener.stop().await }
    });
    place.has_consumers("c.scales", Some(0)).await;
    gate.let_through(100);
    within_limit("the stop", stopping).await.unwrap().unwrap();
    assert_eq!(place.left("c.scales").await, 0);
    listener.start().await.unwrap();
    assert_eq!(place.consumers("c.scales").await, Some(3), "it is kept");
    app.stop().await.unwrap();
}

/// Awaits this on a runtime that is gone afterwards.
async fn on_another_runtime<F>(
    what: impl FnOnce(ListenerHandle) -> F + Send + 'static,
    on: &ListenerHandle,
) where
    F: Future<Output = springhare::Result<()>>,
{
    let listener = on.clone();
    let done = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(what(listener))
    });
    within_limit("what the other runtime does", done).await.unwrap().unwrap();
}

async fn what_another_runtime_has_started_outlives_it(place: &Place) {
    let (said, mut told) = telling::<String>();
    let builder = place.builder().listeners(listeners![one]).manage(said);
    let app = builder.start().await.unwrap();
    let (rabbit, listener) = (app.rabbit_template(), app.listener("c.one").unwrap());
    listener.stop().await.unwrap();
    on_another_runtime(|listener| async move { listener.start().await }, &listener).await;
    rabbit.convert_and_send("c.one", "tea").await.unwrap();
    assert_eq!(told.next().await, "tea");
    listener.pause().await.unwrap();
    on_another_runtime(|listener| async move { listener.resume().await }, &listener).await;
    rabbit.convert_and_send("c.one", "milk").await.unwrap();
    assert_eq!(told.next().await, "milk");
    on_another_runtime(|listener| async move { listener.set_concurrency(2).await }, &listener)
        .await;
    place.has_consumers("c.one", Some(2)).await;
    app.stop().await.unwrap();
}
