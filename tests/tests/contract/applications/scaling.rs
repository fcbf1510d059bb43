//! A listener of `concurrency = "1-3"` has as many consumers as it has work for.

use std::cell::Cell;
use std::time::Duration;

use springhare::prelude::*;
use springhare_broker::{Clock, ManualClock};
use springhare_tests::{Gate, Tell, eventually, telling};

use crate::place::Place;

application!(a_listener_has_more_consumers_while_all_are_busy_and_less_while_one_is_idle);

#[rabbit_listener(id = "s.range", queue = "s.range", concurrency = "1-3", prefetch = 1)]
async fn range(_text: Text, gate: State<Gate>, seen: State<Tell<()>>) {
    seen.tell(());
    gate.pass().await;
}

/// Moves the clock on second by second until there are so many consumers; how many seconds it took.
async fn seconds_until(expected: u64, place: &Place, hand: &ManualClock) -> u64 {
    let seconds = Cell::new(0);
    eventually(&format!("there are {expected} consumers"), async || {
        if place.consumers("s.range").await == Some(expected) {
            return Some(());
        }
        if hand.sleepers() > 0 {
            hand.advance(Duration::from_secs(1));
            seconds.set(seconds.get() + 1);
        }
        None
    })
    .await;
    seconds.get()
}

async fn a_listener_has_more_consumers_while_all_are_busy_and_less_while_one_is_idle(
    place: &Place,
) {
    let (clock, hand) = Clock::manual();
    let (seen, mut handled) = telling::<()>();
    let gate = Gate::closed();
    let app = place
        .builder_on(&clock)
        .listeners(listeners![range])
        .manage(gate.clone())
        .manage(seen)
        .start()
        .await
        .unwrap();
    assert_eq!(place.consumers("s.range").await, Some(1));
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send_all((0..10).map(|n| ("s.range", n.to_string()))).await.unwrap();
    handled.next().await;
    assert!(seconds_until(2, place, &hand).await >= 10);
    handled.next().await;
    assert!(seconds_until(3, place, &hand).await >= 9);
    handled.next().await;
    assert!(app.health().is_up());
    gate.let_through(10);
    for _ in 3..10 {
        handled.next().await;
    }
    place.has_left("s.range", 0).await;
    assert!(seconds_until(1, place, &hand).await >= 100, "one a minute");
    assert!(app.health().is_up());
    app.stop().await.unwrap();
    assert_eq!(place.consumers("s.range").await, Some(0));
}
