//! What is said of listeners from outside of their attributes, and what keeps them from starting.

use springhare::prelude::*;
use springhare::{Error, SpringhareBuilder};
use springhare_tests::{Gate, Tell, telling};

use crate::place::Place;

application!(
    a_profile_is_a_set_of_settings_with_a_name,
    what_is_said_of_a_listener_by_its_id_is_its_own,
    an_id_that_two_listeners_have_is_a_fault_of_the_start,
    a_listener_that_is_expected_and_not_there_is_a_fault_of_the_start,
);

#[rabbit_listener(queue = "n.bulk", profile = "n.bulk")]
async fn bulk(gate: State<Gate>, seen: State<Tell<()>>) {
    seen.tell(());
    gate.pass().await;
}

async fn a_profile_is_a_set_of_settings_with_a_name(place: &Place) {
    let (seen, mut told) = telling::<()>();
    let gate = Gate::closed();
    let app = place
        .builder()
        .profile("n.bulk", |bulk| bulk.concurrency(3).prefetch(1))
        .listeners(listeners![bulk])
        .manage(gate.clone())
        .manage(seen)
        .start()
        .await
        .unwrap();
    assert_eq!(place.consumers("n.bulk").await, Some(3));
    let messages = (0..5).map(|n| ("n.bulk", n.to_string()));
    app.rabbit_template().convert_and_send_all(messages).await.unwrap();
    for _ in 0..3 {
        told.next().await;
    }
    place.has_left("n.bulk", 2).await;
    gate.let_through(5);
    app.stop().await.unwrap();
}

#[rabbit_listener(id = "n.one", queue = "n.one", concurrency = 4)]
async fn one(_text: Text) {}

#[rabbit_listener(id = "n.two", queue = "n.two")]
async fn two(_text: Text) {}

#[rabbit_listener(id = "n.three", queue = "n.three")]
async fn three(_text: Text) {}

async fn what_is_said_of_a_listener_by_its_id_is_its_own(place: &Place) {
    let app = place
        .builder()
        .environment([("SPRINGHARE_LISTENER_N_TWO_CONCURRENCY", "3")])
        .listener("n.one", |one| one.concurrency(2))
        .listeners(listeners![one, two, three])
        .start()
        .await
        .unwrap();
    for (queue, consumers) in [("n.one", 2), ("n.two", 3), ("n.three", 1)] {
        assert_eq!(place.consumers(queue).await, Some(consumers), "{queue}");
    }
    app.stop().await.unwrap();
}

/// What keeps the application from starting; nothing is declared by then.
async fn refused(place: &Place, builder: SpringhareBuilder) -> String {
    let Err(Error::Start(error)) = builder.start().await else { panic!("it started") };
    for queue in ["n.one", "n.two", "n.three"] {
        assert_eq!(place.consumers(queue).await, None, "{queue} is declared");
    }
    error.to_string()
}

#[rabbit_listener(id = "n.one", queue = "n.three")]
async fn one_too(_text: Text) {}

async fn an_id_that_two_listeners_have_is_a_fault_of_the_start(place: &Place) {
    let text = refused(place, place.builder().listeners(listeners![one, one_too])).await;
    assert!(text.contains("two listeners have the id `n.one`"), "{text}");
    assert_eq!(text.matches("settings.rs:").count(), 2, "both places: {text}");
}

async fn a_listener_that_is_expected_and_not_there_is_a_fault_of_the_start(place: &Place) {
    let builder = || place.builder().listeners(listeners![one, two]);
    let text = refused(place, builder().expect_listeners(["n.one", "n.too", "n.three"])).await;
    for words in [
        "listener `n.too` is expected, and there is none; did you mean `n.two`?",
        "listener `n.three` is expected and linked, but it is not among those",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let app = builder().expect_listeners(["n.one", "n.two"]).start().await.unwrap();
    app.stop().await.unwrap();
}
