//! Every fault of the testing kit at random, under load, for a bounded time. Then: nothing that was
//! confirmed is lost, nothing is handled after the stop, and the health is green again.
//!
//! The seed is printed; `SPRINGHARE_CHAOS_SEED` plays it once more.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

mod application;
mod dice;
mod ledger;

use std::sync::Arc;
use std::time::Duration;

use springhare::test::Harness;
use springhare::{Result, SpringhareBuilder};
use springhare_broker::{Broker, Clock};
use springhare_tests::{RabbitMq, VirtualHost};
use tokio::task::JoinSet;

use application::{Lane, ask, listeners, send};
use dice::Dice;
use ledger::Ledger;

/// How long faults are made at most, in real time.
const TIME_MAX: Duration = Duration::from_secs(15);
/// How often time is let pass, at most, for all to be well again.
const TURNS_MAX: usize = 300;
/// What is sent on each lane in a round.
const MESSAGES: u64 = 12;
/// What is on its way when the application is stopped.
const LAST: u64 = 200;

/// How long, and how hard.
struct Course {
    rounds: u64,
    /// The longest time that passes in a round, and in a turn of the recovery.
    pause: Duration,
}

#[tokio::test]
async fn nothing_is_lost_on_a_broker_in_this_process() {
    let course = Course { rounds: 60, pause: Duration::from_secs(2) };
    let build = |ledger| move |app| build(app, ledger);
    chaos(async |ledger| Harness::start(build(ledger)).await, course).await;
}

#[tokio::test]
async fn nothing_is_lost_on_our_server() {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let url = format!("amqp://guest:guest@{}", broker.local_addrs()[0]);
    let course = Course { rounds: 25, pause: Duration::from_millis(100) };
    chaos(async |ledger| Harness::start_at(&url, |app| build(app, ledger)).await, course).await;
}

#[tokio::test]
async fn nothing_is_lost_on_rabbitmq() {
    let Some(node) = RabbitMq::shared() else { return };
    let added = tokio::task::spawn_blocking(|| VirtualHost::add(node)).await;
    let host = added.unwrap().unwrap();
    let (url, course) = (host.url(), Course { rounds: 12, pause: Duration::from_millis(100) });
    chaos(async |ledger| Harness::start_at(&url, |app| build(app, ledger)).await, course).await;
    tokio::task::spawn_blocking(|| host.delete()).await.unwrap().unwrap();
}

fn build(app: SpringhareBuilder, ledger: Arc<Ledger>) -> SpringhareBuilder {
    app.listeners(listeners()).manage(ledger)
}

async fn chaos(start: impl AsyncFn(Arc<Ledger>) -> Result<Harness>, course: Course) {
    let mut dice = Dice::new();
    eprintln!("SPRINGHARE_CHAOS_SEED={}", dice.seed());
    let ledger = Arc::new(Ledger::default());
    let h = start(Arc::clone(&ledger)).await.unwrap();
    let mut senders = JoinSet::new();

    let clock = Clock::system();
    for round in 0..course.rounds {
        for number in round * MESSAGES..(round + 1) * MESSAGES {
            for lane in Lane::ALL {
                senders.spawn(send(h.rabbit(), lane, number, Arc::clone(&ledger)));
            }
            senders.spawn(ask(h.rabbit(), number));
        }
        one_fault(&h, &mut dice).await;
        h.advance(dice.up_to(course.pause)).await;
        if clock.now() > TIME_MAX {
            break;
        }
    }
    h.faults().unblock();
    h.faults().restore();
    h.faults().refuse_publishes(0);

    is_well_again(&h, &mut senders, &ledger, course.pause).await;
    nothing_is_handled_after_the_stop(h, ledger, course.pause).await;
}

/// Makes one fault, or ends one.
async fn one_fault(h: &Harness, dice: &mut Dice) {
    let faults = h.faults();
    match dice.roll(9) {
        0 => drop(faults.kill_connections().await),
        1 | 2 => {
            let lane = Lane::ALL.get(dice.roll(Lane::ALL.len())).unwrap();
            faults.cancel_consumers(lane.queue());
        }
        3 => faults.refuse_publishes(dice.roll(20)),
        4 => faults.block(),
        5 => faults.cut_off().await,
        // What is blocked or cut off is so for some rounds.
        6 => faults.unblock(),
        7 => faults.restore(),
        _ => {}
    }
}

/// Waits until all that was confirmed is handled, and all listeners consume.
async fn is_well_again(h: &Harness, senders: &mut JoinSet<()>, ledger: &Ledger, pause: Duration) {
    for _ in 0..TURNS_MAX {
        while let Some(sent) = senders.try_join_next() {
            sent.unwrap();
        }
        let is_quiet = senders.is_empty() && h.app().health().is_up();
        if is_quiet && !ledger.missing().is_empty() {
            find_the_parked(h, ledger).await;
        }
        if is_quiet && ledger.missing().is_empty() {
            assert!(ledger.confirmed() > 0, "no message got through: that shows nothing");
            return;
        }
        h.advance(pause).await;
    }
    panic!(
        "it is not well again: {} senders wait, {} of {} are missing: {:?}, {}",
        senders.len(),
        ledger.missing().len(),
        ledger.confirmed(),
        ledger.missing().first(),
        h.app().health()
    );
}

/// Deliveries that were lost with their connections count as failed ones, so that a message whose
/// delays are used up by them is parked the first time that it fails. That is no loss.
async fn find_the_parked(h: &Harness, ledger: &Ledger) {
    // Where nothing was parked, there is no such queue.
    let parked = h.queue("c.delayed.error").messages().await.unwrap_or_default();
    for message in parked {
        ledger.found(Lane::Delayed, std::str::from_utf8(&message.body).unwrap().parse().unwrap());
    }
}

/// Stops it under load: each message was handled before, or is in its queue.
async fn nothing_is_handled_after_the_stop(h: Harness, ledger: Arc<Ledger>, pause: Duration) {
    let mut senders = JoinSet::new();
    for number in u64::MAX - LAST..u64::MAX {
        senders.spawn(send(h.rabbit(), Lane::Work, number, Arc::clone(&ledger)));
    }
    tokio::task::yield_now().await;
    let stopping = async {
        h.app().stop().await.unwrap();
        ledger.app_is_stopped();
    };
    let time_passes = async {
        for _ in 0..10 {
            h.advance(pause).await;
        }
    };
    tokio::join!(stopping, time_passes);
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    h.advance(pause).await;
    assert_eq!(ledger.late(), 0, "handled after the stop");
    let left = h.queue(Lane::Work.queue()).messages().await.unwrap();
    for message in left {
        let text = std::str::from_utf8(&message.body).unwrap().to_owned();
        ledger.found(Lane::Work, text.parse().unwrap());
    }
    assert_eq!(ledger.missing(), [], "lost in the stop");
    h.stop().await.unwrap();
}
