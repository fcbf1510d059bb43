//! Every fault of the testing kit at random, and listeners that are paused, stopped and started, under
//! load, for a bounded time. Then: nothing that was confirmed is lost, nothing is handled after a stop
//! or in a pause, of each key first deliveries are handled in order, what a handler that failed has put
//! into its outbox is seen by nobody, and the health is green again.
//!
//! The seed is printed; `SPRINGHARE_CHAOS_SEED` plays it once more.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

mod application;
mod dice;
mod failing;
mod faults;
mod keyed;
mod keys;
mod lane;
mod ledger;
mod manual;
mod outbox;
mod rest;
mod switches;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use springhare::prelude::*;
use springhare::test::Harness;
use springhare::{Result, SpringhareBuilder};
use springhare_broker::{Broker, Clock};
use springhare_tests::{RabbitMq, VirtualHost};
use tokio::task::JoinSet;

use application::{ask, listeners, send};
use dice::Dice;
use faults::{no_more_faults, one_fault};
use keyed::{firsts, send_in_order};
use lane::Lane;
use ledger::Ledger;
use outbox::SECOND;
use switches::Switches;

/// How long faults are made at most, in real time.
const TIME_MAX: Duration = Duration::from_secs(15);
/// How often time is let pass, at most, for all to be well again.
const TURNS_MAX: usize = 300;
/// What is sent on each lane in a round.
const MESSAGES: u64 = 12;
/// What is on its way when the application is stopped.
const LAST: Range<u64> = 1_000_000..1_000_060;

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
    let (url, course) = (host.url(), Course { rounds: 25, pause: Duration::from_millis(100) });
    chaos(async |ledger| Harness::start_at(&url, |app| build(app, ledger)).await, course).await;
    tokio::task::spawn_blocking(|| host.delete()).await.unwrap().unwrap();
}

fn build(app: SpringhareBuilder, ledger: Arc<Ledger>) -> SpringhareBuilder {
    app.listeners(listeners()).manage(ledger)
}

async fn chaos(start: impl AsyncFn(Arc<Ledger>) -> Result<Harness>, course: Course) {
    let mut dice = Dice::new();
    let current = std::thread::current();
    eprintln!("SPRINGHARE_CHAOS_SEED={} {}", dice.seed(), current.name().unwrap_or_default());
    let ledger = Arc::new(Ledger::default());
    let h = Arc::new(start(Arc::clone(&ledger)).await.unwrap());
    let (mut senders, mut switches) = (JoinSet::new(), Switches::new(&h, &ledger));

    let clock = Clock::system();
    // All is well at first: where the faults begin at once, nothing may get through at all.
    send_some(&h, 0..MESSAGES, &Lane::ALL, &ledger, &mut senders);
    is_well_again(&h, &mut senders, &mut switches, &ledger, course.pause).await;
    for round in 1..course.rounds {
        send_some(&h, round * MESSAGES..(round + 1) * MESSAGES, &Lane::ALL, &ledger, &mut senders);
        one_fault(&h, &mut switches, &mut dice).await;
        h.advance(dice.up_to(course.pause)).await;
        if clock.now() > TIME_MAX {
            break;
        }
    }
    no_more_faults(&h);

    is_well_again(&h, &mut senders, &mut switches, &ledger, course.pause).await;
    drop(switches);
    let h = Arc::into_inner(h).unwrap();
    nothing_is_handled_after_the_stop(h, ledger, course.pause).await;
}

/// Sends these numbers on each lane, and asks for their doubles.
fn send_some(
    h: &Harness,
    numbers: Range<u64>,
    lanes: &[Lane],
    ledger: &Arc<Ledger>,
    senders: &mut JoinSet<()>,
) {
    for lane in lanes {
        if *lane == Lane::Keyed {
            for first in firsts(numbers.clone()) {
                senders.spawn(send_in_order(h.rabbit(), first, Arc::clone(ledger)));
            }
            continue;
        }
        for number in numbers.clone() {
            senders.spawn(send(h.rabbit(), *lane, number, Arc::clone(ledger)));
        }
    }
    for number in numbers {
        senders.spawn(ask(h.rabbit(), number));
    }
}

/// Waits until all that was confirmed is handled, and all listeners consume.
async fn is_well_again(
    h: &Harness,
    senders: &mut JoinSet<()>,
    switches: &mut Switches,
    ledger: &Ledger,
    pause: Duration,
) {
    for _ in 0..TURNS_MAX {
        while let Some(sent) = senders.try_join_next() {
            sent.unwrap();
        }
        let is_quiet = switches.all_on() && senders.is_empty() && h.app().health().is_up();
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
        "it is not well again: {} senders wait, {} of {} are missing: {:?}, {}, {:?}, {:?}",
        senders.len(),
        ledger.missing().len(),
        ledger.confirmed(),
        ledger.missing().first(),
        h.app().health(),
        waiting(h, ledger).await,
        ledger.all_wrong()
    );
}

/// How many messages are ready where some are missing.
async fn waiting(h: &Harness, ledger: &Ledger) -> Vec<(&'static str, Option<u64>)> {
    let queues: BTreeSet<_> = ledger.missing().iter().map(|(lane, _)| lane.queue()).collect();
    let mut waiting = Vec::new();
    for queue in queues {
        waiting.push((queue, h.queue(queue).len().await.ok()));
    }
    waiting
}

/// Deliveries that were lost with their connections or handed back by a pause count as failed ones, so
/// that a message whose attempts are used up by them is parked the first time that it fails. That is
/// no loss.
async fn find_the_parked(h: &Harness, ledger: &Ledger) {
    for lane in Lane::ALL {
        // Where nothing was parked, there is no such queue.
        let parked = h.queue(format!("{}.error", lane.queue())).messages().await;
        for message in parked.unwrap_or_default() {
            ledger.found(lane, number_in(&message));
        }
    }
}

/// Stops it under load: each message was handled before, or is in its queue.
async fn nothing_is_handled_after_the_stop(h: Harness, ledger: Arc<Ledger>, pause: Duration) {
    let mut senders = JoinSet::new();
    send_some(&h, LAST, &Lane::AT_THE_STOP, &ledger, &mut senders);
    tokio::task::yield_now().await;
    let stopping = async {
        h.app().stop().await.unwrap();
        ledger.rest().app_is_stopped();
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
    for lane in Lane::AT_THE_STOP {
        find_the_left(&h, lane, lane.queue(), &ledger).await;
    }
    find_the_left(&h, Lane::Outbox, SECOND, &ledger).await;
    assert_eq!(ledger.missing(), [], "lost in the stop");
    assert_eq!(ledger.all_wrong(), Vec::<String>::new());
    h.stop().await.unwrap();
}

async fn find_the_left(h: &Harness, lane: Lane, queue: &str, ledger: &Ledger) {
    for message in h.queue(queue).messages().await.unwrap() {
        ledger.found(lane, number_in(&message));
    }
}

fn number_in(message: &Message) -> u64 {
    std::str::from_utf8(&message.body).unwrap().parse().unwrap()
}
