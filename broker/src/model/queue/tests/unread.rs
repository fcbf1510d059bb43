//! A disk that does not give messages now, and does later.

use super::paging::{PAGE_OUT, paged, put_kept};
use super::*;
use crate::model::arguments::DeadLetterStrategy;
use crate::model::pager::{NotReadNow, READ_AGAIN_AFTER};
use crate::model::queue::settings::LengthLimits;

fn get(queue: &mut Queue, now: Duration) -> Result<Option<u64>, NotReadNow> {
    let now = Now::at(now);
    queue.advance(&now, &mut Wakeups::new());
    let got = queue.get(SettlementMode::Automatic, &now);
    queue.pause_reading(&now);
    got.map(|message| message.map(|message| message.position))
}

#[test]
fn what_the_disk_does_not_give_waits_and_comes_in_order() {
    let (mut queue, disk) = paged();
    let references = put_kept(&mut queue, &disk, 20);
    queue.page_out(PAGE_OUT);
    let held = queue.held_bytes();
    disk.fail_from(Some(references[7]));
    let tray = Tray::with_room(100);
    queue.add_consumer(consumer(1, &tray));
    dispatch(&mut queue);
    queue.pause_reading(&start());
    let mut held_out = tray.take();
    let got: Vec<_> = held_out.iter().map(|message| message.position).collect();
    assert_eq!(got, (0..7).collect::<Vec<_>>(), "what is before it");
    assert_eq!((queue.ready_count(), queue.ready.cold().0), (13, 13));
    assert_eq!(queue.next_due(), Some(READ_AGAIN_AFTER));
    let reads = disk.reads();
    dispatch(&mut queue);
    put_kept(&mut queue, &disk, 1);
    dispatch(&mut queue);
    assert_eq!(disk.reads(), reads, "it is left alone for a while");
    let mut wakeups = Wakeups::new();
    queue.advance(&Now::at(READ_AGAIN_AFTER), &mut wakeups);
    assert_eq!(disk.reads(), reads + 1);
    queue.pause_reading(&Now::at(READ_AGAIN_AFTER));
    disk.fail_from(None);
    queue.advance(&Now::at(READ_AGAIN_AFTER * 2), &mut wakeups);
    held_out.extend(tray.take());
    let got: Vec<_> = held_out.iter().map(|message| message.position).collect();
    assert_eq!(got, (0..21).collect::<Vec<_>>());
    queue.acknowledge(Some(ConsumerId(1)), &held_out);
    assert_eq!((queue.next_due(), queue.held_bytes()), (None, 0));
    assert!(held > 0 && queue.take_changes().settled.len() == 21);
}

/// Whoever gets is told the truth; what stands before what can't be read is there.
#[test]
fn a_get_does_not_call_the_queue_empty() {
    let (mut queue, disk) = paged();
    let references = put_kept(&mut queue, &disk, 5);
    queue.page_out(PAGE_OUT);
    disk.fail_from(Some(references[1]));
    let first = queue.get(SettlementMode::Explicit, &start()).unwrap().unwrap();
    assert_eq!(get(&mut queue, Duration::ZERO), Err(NotReadNow));
    queue.put_back(None, [first], Returned::HandedBack, &start());
    assert_eq!(get(&mut queue, Duration::ZERO), Ok(Some(0)));
    assert_eq!(get(&mut queue, Duration::ZERO), Err(NotReadNow));
    disk.fail_from(None);
    assert_eq!(get(&mut queue, Duration::ZERO), Err(NotReadNow), "not yet");
    assert_eq!(get(&mut queue, READ_AGAIN_AFTER), Ok(Some(1)));
}

#[test]
fn a_purge_and_a_deletion_need_no_disk() {
    let (mut queue, disk) = paged();
    let references = put_kept(&mut queue, &disk, 20);
    queue.page_out(PAGE_OUT);
    disk.fail_from(Some(references[0]));
    assert_eq!(get(&mut queue, Duration::ZERO), Ok(Some(0)));
    assert_eq!(get(&mut queue, Duration::ZERO), Err(NotReadNow));
    assert_eq!((queue.purge(), queue.take_changes().settled.all()), (19, references[1..].to_vec()));
    assert_eq!(get(&mut queue, Duration::ZERO), Ok(None));
    let references = put_kept(&mut queue, &disk, 20);
    queue.page_out(PAGE_OUT);
    assert_eq!(get(&mut queue, READ_AGAIN_AFTER), Ok(Some(20)));
    assert_eq!(get(&mut queue, READ_AGAIN_AFTER), Err(NotReadNow));
    assert_eq!(queue.delete().1.all(), references[1..]);
}

#[test]
fn what_expires_and_is_too_much_dies_once_it_can_be_read() {
    let (mut queue, disk) = paged();
    let dead_to = |ttl, max| QueueSettings {
        message_ttl: ttl,
        limits: LengthLimits { messages: max, bytes: None },
        dead_letter: Some(DeadLetterTo {
            exchange: ShortString::from_static("dlx"),
            routing_key: None,
            strategy: DeadLetterStrategy::AtMostOnce,
        }),
        ..QueueSettings::default()
    };
    let second = Duration::from_secs(1);
    queue.apply(Arc::new(dead_to(Some(second / 2), None)), &start());
    let references = put_kept(&mut queue, &disk, 10);
    queue.page_out(PAGE_OUT);
    disk.fail_from(Some(references[0]));
    let mut wakeups = Wakeups::new();
    queue.advance(&Now::at(second / 2), &mut wakeups);
    queue.pause_reading(&Now::at(second / 2));
    let died = queue.take_dead().unwrap().dead;
    assert_eq!((died.len(), queue.ready_count()), (1, 9), "the one in memory");
    queue.dead_lettered(&died, Vec::new(), &start());
    assert_eq!(queue.next_due(), Some(second * 3 / 2), "not again and again until then");
    queue.apply(Arc::new(dead_to(None, Some(4))), &Now::at(second));
    assert_eq!((queue.ready_count(), queue.take_dead().is_none()), (9, true));
    disk.fail_from(None);
    queue.advance(&Now::at(second * 3 / 2), &mut wakeups);
    let died = queue.take_dead().unwrap().dead;
    let died: Vec<_> = died.iter().map(|dead| dead.message.position).collect();
    assert_eq!((died, queue.ready_count()), ((1..10).collect(), 0));
}

#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    PageOut,
    Get(usize),
    /// So many are got and handed back.
    Return(usize),
    /// The disk gives nothing from the message on that comes so much later than the first.
    Fail(usize),
    Works,
    Wait,
}

proptest! {
    /// Whatever the disk does not give meanwhile: all come, in order.
    #[test]
    fn nothing_is_lost_for_a_disk_that_fails(
        steps in prop::collection::vec(
            prop_oneof![
                (1..20usize).prop_map(Step::Publish),
                Just(Step::PageOut),
                (1..9usize).prop_map(Step::Get),
                (1..9usize).prop_map(Step::Return),
                (0..9usize).prop_map(Step::Fail),
                Just(Step::Works),
                Just(Step::Wait),
            ],
            1..60,
        ),
    ) {
        let (mut queue, disk) = paged();
        let (mut references, mut next, mut now) = (Vec::new(), 0, Duration::ZERO);
        for step in steps {
            match step {
                Step::Publish(count) => references.extend(put_kept(&mut queue, &disk, count)),
                Step::PageOut => queue.page_out(PAGE_OUT),
                Step::Get(count) => {
                    for _ in 0..count {
                        if let Ok(Some(position)) = get(&mut queue, now) {
                            prop_assert_eq!(position, next);
                            next += 1;
                        }
                    }
                }
                Step::Return(count) => {
                    let now = Now::at(now);
                    let got = std::iter::from_fn(|| {
                        queue.get(SettlementMode::Explicit, &now).unwrap_or_default()
                    });
                    let got: Vec<_> = got.take(count).collect();
                    queue.put_back(None, got, Returned::HandedBack, &now);
                    queue.pause_reading(&now);
                }
                Step::Fail(later) => {
                    let first = usize::try_from(next).unwrap() + later;
                    disk.fail_from(references.get(first).copied());
                }
                Step::Works => disk.fail_from(None),
                Step::Wait => now += READ_AGAIN_AFTER,
            }
            prop_assert_eq!(queue.ready_count() as u64, references.len() as u64 - next);
        }
        disk.fail_from(None);
        now += READ_AGAIN_AFTER;
        while let Some(position) = get(&mut queue, now).unwrap() {
            prop_assert_eq!(position, next);
            next += 1;
        }
        prop_assert_eq!((next, queue.held_bytes()), (references.len() as u64, 0));
    }
}
