use springhare::{Error, SpringhareBuilder};
use springhare_broker::{Broker, Clock, ManualClock};
use springhare_tests::eventually;
pub(crate) use springhare_tests::{
    Gate, Tell, Told, arrives, header_number, header_text, ready, telling,
};

/// A broker whose clock stands still until its hand moves it.
pub(crate) fn broker() -> (Broker, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Broker::builder().clock(clock).start().unwrap(), hand)
}

/// Waits until somebody sleeps on the manual clock.
pub(crate) async fn someone_sleeps(hand: &ManualClock) {
    eventually("somebody sleeps on the clock", async || (hand.sleepers() > 0).then_some(())).await;
}

/// What a start says that finds faults.
pub(crate) async fn refused(builder: SpringhareBuilder) -> String {
    match builder.start().await {
        Err(error @ Error::Start(_)) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it started"),
    }
}
