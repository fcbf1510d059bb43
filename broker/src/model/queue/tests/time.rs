//! What time does to a queue, in a time that the tests tell.

use super::*;
use crate::model::arguments::{ActiveConsumers, DeadLetterStrategy, Delayed, DelayedRetry};
use crate::model::queue::settings::LengthLimits;

fn at(milliseconds: u64) -> Now<'static> {
    Now::at(Duration::from_millis(milliseconds))
}

fn milliseconds(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

fn dead_lettering() -> QueueSettings {
    let dead_letter = Some(DeadLetterTo {
        exchange: ShortString::from_static("dlx"),
        routing_key: None,
        strategy: DeadLetterStrategy::AtLeastOnce,
    });
    QueueSettings { dead_letter, ..QueueSettings::default() }
}

fn queue(settings: QueueSettings) -> Queue {
    Queue::new(Arc::new(settings), &at(0))
}

fn put_at(queue: &mut Queue, now: u64, expiration: Option<u64>) {
    let mut message = (*published()).clone();
    message.message.properties.expiration =
        expiration.map(|ttl| ShortString::new(ttl.to_string()).unwrap());
    queue.advance(&at(now), &mut Wakeups::new());
    let mut wakeups = Wakeups::new();
    assert_eq!(queue.enqueue(Arc::new(message), 1, None, &at(now), &mut wakeups), Enqueued::Taken);
    queue.dispatch(&mut wakeups);
}

fn dead(queue: &mut Queue) -> Vec<u64> {
    let Some(DeadBatch { dead, .. }) = queue.take_dead() else { return Vec::new() };
    queue.dead_lettered(&dead, Vec::new(), &start());
    dead.iter().map(|dead| dead.message.position).collect()
}

#[test]
fn the_lower_time_to_live_holds_and_one_behind_a_live_head_waits() {
    let mut queue = queue(QueueSettings { message_ttl: milliseconds(100), ..dead_lettering() });
    put_at(&mut queue, 0, None);
    put_at(&mut queue, 0, Some(50));
    put_at(&mut queue, 0, Some(60_000));
    assert_eq!(queue.next_due(), milliseconds(100));
    queue.advance(&at(99), &mut Wakeups::new());
    assert_eq!((dead(&mut queue), queue.ready_count()), (vec![], 3));
    queue.advance(&at(100), &mut Wakeups::new());
    assert_eq!((dead(&mut queue), queue.ready_count()), (vec![0, 1, 2], 0));
    assert_eq!((queue.next_due(), queue.held_bytes()), (None, 0));
}

#[test]
fn the_expired_behind_a_head_go_with_it_and_are_never_delivered() {
    let mut queue = queue(dead_lettering());
    put_at(&mut queue, 0, None);
    put_at(&mut queue, 0, Some(5));
    put_at(&mut queue, 0, None);
    queue.advance(&at(10), &mut Wakeups::new());
    assert_eq!(queue.ready_count(), 3);
    let first = queue.get(SettlementMode::Explicit, &at(10)).unwrap().unwrap();
    assert_eq!((dead(&mut queue), queue.ready_count()), (vec![1], 1));
    queue.put_back(None, [first], Returned::Failed, &at(10));
    let tray = Tray::with_room(9);
    queue.add_consumer(consumer(1, &tray));
    dispatch(&mut queue);
    assert_eq!(tray.take_bodies(), [0, 2]);
}

#[test]
fn one_that_lives_no_time_reaches_who_waits_for_it() {
    let mut queue = queue(dead_lettering());
    let tray = Tray::with_room(9);
    queue.add_consumer(QueueConsumer { prefetch: Some(1), ..consumer(1, &tray) });
    put_at(&mut queue, 3, Some(0));
    put_at(&mut queue, 3, Some(0));
    let mut held = tray.take();
    assert_eq!((held.len(), dead(&mut queue)), (1, vec![1]));
    queue.put_back(Some(ConsumerId(1)), held.pop(), Returned::HandedBack, &at(3));
    assert_eq!((dead(&mut queue), queue.ready_count()), (vec![0], 0));
}

#[test]
fn a_queue_expires_without_use_and_consumers_keep_it() {
    let mut queue = queue(QueueSettings { expires: milliseconds(100), ..dead_lettering() });
    assert_eq!(queue.next_due(), milliseconds(100));
    queue.get(SettlementMode::Explicit, &at(30)).unwrap();
    assert_eq!(queue.expires_at(), milliseconds(130));
    put_at(&mut queue, 50, None);
    assert_eq!(queue.expires_at(), milliseconds(130), "a publish is no use");
    queue.add_consumer(consumer(1, &Tray::with_room(0)));
    assert_eq!(queue.expires_at(), None);
    queue.remove_consumer(ConsumerId(1), &at(200));
    assert_eq!(queue.expires_at(), milliseconds(300));
    queue.touch(&at(250));
    assert_eq!(queue.next_due(), milliseconds(350));
}

#[test]
fn retries_wait_longer_each_time_and_end_at_the_limit() {
    let retry = DelayedRetry {
        which: Delayed::Failed,
        min: Duration::from_millis(10),
        max: Duration::from_millis(25),
    };
    let settings =
        QueueSettings { delayed_retry: Some(retry), delivery_limit: Some(3), ..dead_lettering() };
    let mut queue = queue(settings);
    put_at(&mut queue, 0, None);
    let mut now = 0;
    for delay in [10, 20, 25] {
        queue.advance(&at(now), &mut Wakeups::new());
        let message = queue.get(SettlementMode::Explicit, &at(now)).unwrap().unwrap();
        queue.put_back(None, [message], Returned::Failed, &at(now));
        assert_eq!(queue.next_due(), milliseconds(now + delay));
        now += delay;
        queue.advance(&at(now - 1), &mut Wakeups::new());
        assert_eq!(queue.ready_count(), 0);
    }
    queue.advance(&at(now), &mut Wakeups::new());
    let message = queue.get(SettlementMode::Explicit, &at(now)).unwrap().unwrap();
    queue.put_back(None, [message], Returned::HandedBack, &at(now));
    let message =
        queue.get(SettlementMode::Explicit, &at(now)).unwrap().expect("handed back is no failure");
    queue.put_back(None, [message], Returned::Failed, &at(now));
    assert_eq!((dead(&mut queue), queue.next_due()), (vec![0], None));
}

#[test]
fn the_dead_that_no_queue_takes_are_kept_and_tried_again() {
    let mut queue = queue(dead_lettering());
    put_at(&mut queue, 0, Some(5));
    queue.advance(&at(5), &mut Wakeups::new());
    let DeadBatch { dead: first, .. } = queue.take_dead().unwrap();
    queue.dead_lettered(&[], first, &at(5));
    assert_eq!((queue.next_due(), queue.held_bytes()), (milliseconds(1_005), 1));
    queue.advance(&at(1_004), &mut Wakeups::new());
    assert!(queue.take_dead().is_none());
    queue.advance(&at(1_005), &mut Wakeups::new());
    assert_eq!((dead(&mut queue), queue.held_bytes()), (vec![0], 0));
}

#[test]
fn a_single_active_consumer_gets_all_and_the_next_takes_over() {
    let single = QueueSettings { active_consumers: ActiveConsumers::Single, ..dead_lettering() };
    let mut queue = queue(single);
    let trays: Vec<_> = (0..3).map(|_| Tray::with_room(9)).collect();
    for (id, tray) in (1..).zip(&trays) {
        let prefetch = Some(2);
        queue.add_consumer(QueueConsumer {
            prefetch,
            priority: i32::try_from(id).unwrap(),
            ..consumer(id, tray)
        });
    }
    enqueue(&mut queue, 5);
    assert_eq!(queue.ready_count(), 3, "nobody else gets what the active one can't take");
    let held = trays[0].take();
    queue.remove_consumer(ConsumerId(1), &start());
    dispatch(&mut queue);
    assert_eq!(trays[2].take_bodies(), [2, 3], "the next is the one with the highest priority");
    queue.put_back(None, held, Returned::Failed, &start());
    queue.remove_consumer(ConsumerId(3), &start());
    dispatch(&mut queue);
    assert_eq!((trays[1].take_bodies(), queue.ready_count()), (vec![0, 1], 1));
}

#[test]
fn a_policy_that_shortens_a_queue_takes_effect_at_once() {
    let mut queue = queue(dead_lettering());
    enqueue(&mut queue, 5);
    let limits = LengthLimits { messages: Some(2), bytes: None };
    queue.apply(Arc::new(QueueSettings { limits, ..dead_lettering() }), &at(7));
    assert_eq!((dead(&mut queue), queue.ready_count()), (vec![0, 1, 2], 2));
}
