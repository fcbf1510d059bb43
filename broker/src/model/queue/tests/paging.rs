//! What is in memory, and what is on the disk alone.

use super::*;
use crate::model::arguments::{Delayed, DelayedRetry};
use crate::model::pager::Disk;
use crate::model::queue::run::{ColdMessage, Run};
use crate::model::stored::{Place, Reference};

/// A queue with a disk that has written all.
pub(super) fn paged() -> (Queue, Arc<Disk>) {
    let disk = Arc::<Disk>::default();
    let pager: Arc<dyn Pager> = Arc::<Disk>::clone(&disk);
    (Queue::default().with_pager(Some(pager)), disk)
}

pub(super) const PAGE_OUT: PageOut = PageOut { warm_bytes: 0, least_bytes: 0, shelved_bytes: 0 };

pub(super) fn put_kept(queue: &mut Queue, disk: &Disk, count: usize) -> Vec<Reference> {
    let mut references = Vec::new();
    for _ in 0..count {
        let message = Arc::new((*published()).clone());
        let reference = disk.append(&message);
        references.push(reference);
        let charge = u32::try_from(message.charge()).unwrap();
        let mut wakeups = Wakeups::new();
        let taken = queue.enqueue(message, charge, Some(reference), &start(), &mut wakeups);
        assert_eq!(taken, Enqueued::Taken);
    }
    disk.write();
    references
}

fn get(queue: &mut Queue) -> Option<u64> {
    queue.get(SettlementMode::Automatic, &start()).unwrap().map(|message| message.position)
}

#[test]
fn the_middle_of_a_queue_is_on_the_disk_alone() {
    let (mut queue, disk) = paged();
    put_kept(&mut queue, &disk, 100);
    let before = queue.held_bytes();
    queue.page_out(PAGE_OUT);
    assert_eq!((queue.ready_count(), queue.ready.cold().0), (100, 99));
    assert!(queue.held_bytes() < before / 10, "{} of {before}", queue.held_bytes());
    put_kept(&mut queue, &disk, 10);
    assert_eq!((get(&mut queue), disk.reads()), (Some(0), 0), "the first is at hand");
    let rest: Vec<_> = std::iter::from_fn(|| get(&mut queue)).collect();
    assert_eq!(rest, (1..110).collect::<Vec<_>>());
    assert_eq!((queue.held_bytes(), queue.ready.cold().0), (0, 0));
    assert!(disk.reads() <= 21, "many are read at a time, of one segment: {}", disk.reads());
}

#[test]
fn what_is_not_written_yet_stays() {
    let (mut queue, disk) = paged();
    put_kept(&mut queue, &disk, 10);
    for _ in 0..10 {
        let message = Arc::new((*published()).clone());
        let reference = Some(disk.append(&message));
        let _ = queue.enqueue(message, 500, reference, &start(), &mut Wakeups::new());
    }
    queue.page_out(PAGE_OUT);
    assert_eq!(queue.ready.cold().0, 9);
    queue.page_out(PAGE_OUT);
    assert_eq!(queue.ready.cold().0, 9);
    disk.write();
    queue.page_out(PAGE_OUT);
    assert_eq!(queue.ready.cold().0, 19);
}

#[test]
fn what_can_not_be_read_is_passed_over_and_not_settled() {
    let (mut queue, disk) = paged();
    let references = put_kept(&mut queue, &disk, 20);
    queue.page_out(PAGE_OUT);
    for damaged in [1, 5, 6, 7, 19] {
        disk.damage(references[damaged]);
    }
    let tray = Tray::with_room(100);
    queue.add_consumer(consumer(1, &tray));
    dispatch(&mut queue);
    let held = tray.take();
    let got: Vec<_> = held.iter().map(|message| message.position).collect();
    let readable = (0..20).filter(|position| ![1, 5, 6, 7, 19].contains(position));
    assert_eq!(got, readable.collect::<Vec<_>>());
    assert_eq!((queue.ready_count(), queue.ready.body_bytes()), (0, 0));
    queue.acknowledge(Some(ConsumerId(1)), &held);
    assert_eq!((queue.held_bytes(), queue.take_changes().settled.len()), (0, 15));
}

#[test]
fn a_purge_and_a_deletion_settle_what_was_never_read() {
    let (mut queue, disk) = paged();
    let references = put_kept(&mut queue, &disk, 50);
    queue.page_out(PAGE_OUT);
    assert_eq!(queue.purge(), 50);
    let mut pieces = Vec::new();
    queue.take_changes().settled.in_pieces(7, |piece| pieces.push(piece.to_vec()));
    assert!(pieces.iter().all(|piece| piece.len() <= 7));
    assert_eq!(pieces.concat(), references);
    assert_eq!((queue.held_bytes(), queue.ready_count(), disk.reads()), (0, 0, 0));
    let references = put_kept(&mut queue, &disk, 50);
    queue.page_out(PAGE_OUT);
    let out = queue.get(SettlementMode::Explicit, &start()).unwrap().unwrap();
    let (_, settled) = queue.delete();
    assert_eq!(out.reference, references.first().copied());
    let mut settled = settled.all();
    settled.sort_unstable();
    assert_eq!(settled, references[1..], "what is out comes back by itself");
}

#[test]
fn what_came_back_is_on_the_disk_alone_and_keeps_its_place() {
    let (mut queue, disk) = paged();
    put_kept(&mut queue, &disk, 100);
    let mut out: Vec<_> =
        std::iter::from_fn(|| queue.get(SettlementMode::Explicit, &start()).unwrap()).collect();
    // The last one stays out.
    let last = out.pop();
    out.rotate_left(40);
    put_kept(&mut queue, &disk, 5);
    let before = queue.held_bytes();
    queue.put_back(None, out, Returned::HandedBack, &start());
    queue.page_out(PAGE_OUT);
    assert!(queue.held_bytes() < before / 5, "{} of {before}", queue.held_bytes());
    assert_eq!((queue.ready_count(), queue.ready.cold().0), (104, 98 + 4));
    assert_eq!((get(&mut queue), disk.reads()), (Some(0), 0), "the first is at hand");
    queue.put_back(None, last, Returned::HandedBack, &start());
    let rest: Vec<_> = std::iter::from_fn(|| get(&mut queue)).collect();
    assert_eq!(rest, (1..105).collect::<Vec<_>>());
    assert_eq!((queue.held_bytes(), queue.ready.cold().0), (0, 0));
    assert!(disk.reads() <= 25, "many are read at a time: {}", disk.reads());
}

#[test]
fn what_waits_for_another_try_is_on_the_disk_alone() {
    let (mut queue, disk) = paged();
    let second = Duration::from_secs(1);
    let delayed_retry = Some(DelayedRetry { which: Delayed::All, min: second, max: second });
    queue.apply(Arc::new(QueueSettings { delayed_retry, ..QueueSettings::default() }), &start());
    put_kept(&mut queue, &disk, 100);
    let out: Vec<_> =
        std::iter::from_fn(|| queue.get(SettlementMode::Explicit, &start()).unwrap()).collect();
    let before = queue.held_bytes();
    queue.put_back(None, out, Returned::HandedBack, &start());
    queue.page_out(PAGE_OUT);
    assert!(queue.held_bytes() < before / 5, "{} of {before}", queue.held_bytes());
    assert_eq!((queue.ready_count(), queue.next_due()), (0, Some(second)));
    queue.advance(&Now::at(second), &mut Wakeups::new());
    assert_eq!((queue.ready_count(), disk.reads()), (100, 0));
    let all: Vec<_> = std::iter::from_fn(|| get(&mut queue)).collect();
    assert_eq!((all, queue.held_bytes()), ((0..100).collect(), 0));
}

/// What the journal does not have stays, and is not looked at again and again.
#[test]
fn what_came_back_and_is_not_kept_stays() {
    let (mut queue, disk) = paged();
    let references = put_kept(&mut queue, &disk, 3);
    for _ in 0..20 {
        put(&mut queue, published());
    }
    let out: Vec<_> =
        std::iter::from_fn(|| queue.get(SettlementMode::Explicit, &start()).unwrap()).collect();
    queue.put_back(None, out, Returned::HandedBack, &start());
    queue.page_out(PAGE_OUT);
    assert_eq!(queue.ready.cold().0, 0, "{references:?}");
    assert_eq!(std::iter::from_fn(|| get(&mut queue)).count(), 23);
}

#[test]
fn what_waits_is_restored_without_being_read() {
    let disk = Arc::<Disk>::default();
    let messages: Vec<_> = (0..20).map(|_| (*published()).clone()).collect();
    let references: Vec<_> = messages.iter().map(|message| disk.append(message)).collect();
    let pager: Arc<dyn Pager> = Arc::<Disk>::clone(&disk);
    let mut queue = Queue::default().with_pager(Some(pager));
    let second = Duration::from_secs(1);
    for (message, reference) in messages.iter().zip(&references) {
        let place = message.stored().unwrap().place;
        let message = RestoredMessage { reference: *reference, place, ..restored(1, 0) };
        queue.restore_delayed(&RestoredMessage { body_len: 1, ..message }, start().get(), second);
    }
    queue.restored();
    assert!(queue.held_bytes() < 20 * 100, "{}", queue.held_bytes());
    queue.advance(&Now::at(second), &mut Wakeups::new());
    assert_eq!((queue.ready_count(), disk.reads()), (20, 0));
    let all = std::iter::from_fn(|| queue.get(SettlementMode::Automatic, &start()).unwrap());
    assert_eq!(all.map(|message| message.reference.unwrap()).collect::<Vec<_>>(), references);
    assert_eq!((queue.held_bytes(), queue.ready.body_bytes()), (0, 0));
}

fn restored(number: u64, segment: u32) -> RestoredMessage {
    RestoredMessage {
        reference: Reference::new(number).unwrap(),
        place: Place { segment, offset: u32::try_from(number).unwrap(), length: 1_100 },
        body_len: 1_024,
        published_at: Duration::ZERO,
        expiration: None,
        priority: 0,
        delivery_count: 0,
        redelivered: true,
    }
}

#[test]
fn a_million_messages_on_the_disk_take_eight_bytes_each() {
    let (mut queue, _) = paged();
    for number in 0..1_000_000 {
        queue
            .restore(&restored(number + 1, u32::try_from(number / 15_000).unwrap()), start().get());
    }
    queue.restored();
    let (cold, bytes) = queue.ready.cold();
    assert_eq!((cold, queue.ready_count()), (1_000_000, 1_000_000));
    assert!(bytes < 8_100_000, "{bytes} bytes");
    // Beside 99 other queues, and in a queue whose positions are its own.
    let (mut queue, _) = paged();
    for number in 0..1_000_000 {
        let segment = u32::try_from(number / 150).unwrap();
        queue.restore(&restored(100 * number + 1, segment), start().get());
    }
    queue.restored();
    let (_, bytes) = queue.ready.cold();
    assert!(bytes < 9_500_000, "{bytes} bytes");
    let expiration = Some(Duration::from_secs(100));
    let (mut queue, _) = paged();
    for number in 0..1_000_000 {
        let message = restored(number + 1, u32::try_from(number / 15_000).unwrap());
        queue.restore(&RestoredMessage { expiration, ..message }, start().get());
    }
    queue.restored();
    assert!(queue.ready.cold().1 < 16_100_000);
}

/// Ten thousand queues, each with a message in each of a hundred segments, would be as many.
#[test]
fn a_run_of_one_message_takes_little_and_is_counted() {
    let (mut queue, _) = paged();
    for segment in 0..1_000 {
        queue.restore(&restored(u64::from(segment) * 100_000 + 1, segment), start().get());
    }
    queue.restored();
    let (_, bytes) = queue.ready.cold();
    assert!(bytes <= 1_000 * 90, "{bytes} bytes");
    assert!(queue.held_bytes() >= bytes as u64, "{} of {bytes}", queue.held_bytes());
}

/// The parts of a queue that come back, in any order, stand by reference.
#[test]
fn what_was_moved_comes_back_to_its_place() {
    let disk = Arc::<Disk>::default();
    let messages: Vec<_> = (0..60).map(|_| (*published()).clone()).collect();
    let references: Vec<_> = messages.iter().map(|message| disk.append(message)).collect();
    let place = |at: usize| messages[at].stored().unwrap().place;
    let pager: Arc<dyn Pager> = disk;
    let mut queue = Queue::default().with_pager(Some(pager));
    let order = (20..40).chain(0..5).chain(40..50).chain(8..20).chain(5..8).chain(50..60);
    for at in order {
        let (reference, place) = (references[at], place(at));
        queue.restore(&RestoredMessage { reference, place, ..restored(1, 0) }, start().get());
    }
    queue.restored();
    let got: Vec<_> = std::iter::from_fn(|| queue.get(SettlementMode::Explicit, &start()).unwrap())
        .map(|message| message.reference.unwrap())
        .collect();
    assert_eq!(got, references);
    put_back_and_go_on(&mut queue);
}

fn put_back_and_go_on(queue: &mut Queue) {
    put(queue, published());
    let last = queue.get(SettlementMode::Explicit, &start()).unwrap().unwrap();
    assert!(last.position > 60, "a new one comes behind all that were there: {}", last.position);
}

proptest! {
    /// Whatever messages a run is made of, it gives them as they were.
    #[test]
    fn a_run_is_a_list(
        messages in prop::collection::vec(
            (1u64..3, prop_oneof![4 => Just(1i64), 1 => -3i64..9], any::<u32>(), 0u64..3, 0u64..9),
            1..80,
        ),
    ) {
        let (mut position, mut reference) = (10, 1_000i64);
        let mut runs: Vec<Run> = Vec::new();
        let mut naive = Vec::new();
        for (step, reference_step, offset, expires, body_len) in messages {
            position += step;
            reference += reference_step;
            let message = ColdMessage {
                position,
                reference: Reference::new(reference.unsigned_abs()).unwrap(),
                segment: 1,
                offset,
                expires: if expires == 0 {
                    Expires::NEVER
                } else {
                    Expires::at(Duration::from_secs(expires))
                },
                delivery_count: 0,
                redelivered: false,
                priority: 0,
                body_len,
            };
            naive.push(message);
            if !runs.last_mut().is_some_and(|run| run.push(&message)) {
                runs.push(Run::starting_with(&message));
            }
        }
        prop_assert_eq!(runs.len(), 1);
        let run = &mut runs[0];
        let mut left = naive.iter().map(|message| message.body_len).sum::<u64>();
        while !run.is_empty() {
            prop_assert_eq!(run.body_bytes(), left);
            let known: Vec<_> = run.messages().map(|it| ColdMessage { body_len: 0, ..it }).collect();
            let expected = naive.iter().map(|it| ColdMessage { body_len: 0, ..*it });
            prop_assert_eq!(known, expected.collect::<Vec<_>>());
            prop_assert_eq!(run.first_position(), naive.first().map(|it| it.position));
            let first = naive.remove(0);
            let mortal = usize::from(first.expires != Expires::NEVER);
            prop_assert_eq!(run.first_expires(), first.expires);
            prop_assert_eq!(run.take(1, first.body_len).mortal, mortal);
            left -= first.body_len;
        }
        prop_assert_eq!((run.body_bytes(), run.mortal()), (0, 0));
    }
}
