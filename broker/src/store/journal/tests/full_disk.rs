//! What a journal does where there is no room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use springhare_amqp::{Message, MessageProperties, ShortString};

use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;
use crate::store::RecoveredMessage;
use crate::store::disk::simulated::{Dice, SimulatedDisk};
use crate::store::error::Failure;
use crate::store::folder::Folder;
use crate::store::journal::{Append, Journal, JournalSettings, Opened};

const QUEUE: QueueId = QueueId(1);

const SEGMENT_BYTES: u32 = 32 << 10;

fn settings() -> JournalSettings {
    JournalSettings {
        disk_free_limit: 0,
        disk_free_hard_limit: 0,
        backlog_max_bytes: 8 << 10,
        segment_bytes: SEGMENT_BYTES,
        seed: Some(1),
        ..JournalSettings::default()
    }
}

/// A journal without threads: each step is taken by hand.
fn open(disk: &SimulatedDisk) -> Opened {
    open_with(disk, settings())
}

fn open_with(disk: &SimulatedDisk, settings: JournalSettings) -> Opened {
    let folder = Folder::open_on(Arc::new(disk.clone())).unwrap();
    Journal::open_folder(folder, settings).unwrap()
}

/// Those in queues that come with `redelivered`, and those that do not.
fn redelivered(opened: &Opened) -> (usize, usize) {
    let (mut marked, mut others) = (0, 0);
    let count = |message: RecoveredMessage| match message.redelivered {
        true => marked += 1,
        false => others += 1,
    };
    opened.restore_all(count).unwrap();
    (marked, others)
}

fn message(bytes: usize) -> PublishedMessage {
    let properties = MessageProperties::parse(&[0x10, 0, 2]).unwrap();
    let message = Message { properties, body: Bytes::from(vec![7; bytes]) };
    PublishedMessage::new(ShortString::EMPTY, ShortString::from_static("queue"), message)
}

/// Publishes a message to a queue.
fn append(journal: &Journal, message: &PublishedMessage) -> Result<Reference, Failure> {
    let bytes = Journal::message_bound(message, 1);
    let append = |append: &mut Append<'_>| append.message(message, &[QUEUE], Duration::ZERO, &[]);
    journal.append(bytes, append).map(|(reference, _)| reference)
}

/// Takes steps until all that was appended is on the disk.
fn flush(journal: &Journal) -> bool {
    journal.core.maintain().is_ok() && {
        let end = journal.core.lock().end();
        journal.core.flush(end).is_ok()
    }
}

fn backlog(journal: &Journal) -> u64 {
    journal.core.lock().backlog()
}

#[test]
fn a_start_without_room_takes_back_that_nothing_was_delivered() {
    let disk = SimulatedDisk::new(1);
    let opened = open(&disk);
    append(&opened.journal, &message(100)).unwrap();
    opened.journal.close();

    disk.set_free_space(0);
    let opened = open(&disk);
    assert_eq!(redelivered(&opened), (0, 1));
    // It delivers, and ends without a word.
    let disk = disk.kill();

    let opened = open(&disk);
    assert_eq!(redelivered(&opened), (1, 0));
    disk.set_free_space(u64::MAX);
    opened.journal.close();
    assert_eq!(redelivered(&open(&disk)), (1, 0));
}

#[test]
fn a_message_that_has_no_room_is_refused_before_anything_waits_behind_it() {
    let disk = SimulatedDisk::new(1);
    let Opened { journal, .. } = open(&disk);
    disk.set_free_space(2 * u64::from(SEGMENT_BYTES));
    journal.core.look_at_free_space();
    let small = append(&journal, &message(100)).unwrap();
    let large = message(2 * SEGMENT_BYTES as usize);
    assert_eq!(append(&journal, &large), Err(Failure::Full));
    let bytes = Journal::message_bound(&large, 1);
    let together = journal
        .append_together(bytes, |append| append.message(&large, &[QUEUE], Duration::ZERO, &[]));
    assert_eq!(together.map(drop), Err(Failure::Full));
    journal.settle(&[small]);
    append(&journal, &message(100)).unwrap();
    assert!(flush(&journal), "nothing waits");

    disk.set_free_space(5 * u64::from(SEGMENT_BYTES));
    journal.core.look_at_free_space();
    append(&journal, &large).unwrap();
    assert!(flush(&journal));
}

/// However fast they come, and however seldom it is looked how much is free.
#[test]
fn no_more_messages_are_taken_than_there_is_room_for() {
    let disk = SimulatedDisk::new(1);
    // What is left is for acknowledgements.
    let disk_free_hard_limit = u64::from(SEGMENT_BYTES);
    let backlog_max_bytes = 1 << 20;
    let settings = JournalSettings { disk_free_hard_limit, backlog_max_bytes, ..settings() };
    let Opened { journal, .. } = open_with(&disk, settings);
    disk.set_free_space(5 * u64::from(SEGMENT_BYTES));
    journal.core.look_at_free_space();
    let mut taken = Vec::new();
    while let Ok(reference) = append(&journal, &message(1000)) {
        taken.push(reference);
    }
    assert!(taken.len() > 100, "{}", taken.len());
    assert!(flush(&journal), "all that was taken has a place");
    journal.settle(&taken);
    assert!(flush(&journal), "and what is acknowledged then");
    while flush(&journal) && disk.names().iter().any(|name| name == "00000001.log") {}
    append(&journal, &message(1000)).unwrap();
}

#[test]
fn what_is_settled_and_returned_takes_no_memory_without_end() {
    let disk = SimulatedDisk::new(1);
    let Opened { journal, .. } = open(&disk);
    let references: Vec<_> = (0..3000)
        .map(|_| {
            let reference = append(&journal, &message(0)).unwrap();
            assert!(flush(&journal));
            reference
        })
        .collect();
    disk.set_free_space(0);
    let (returned, settled) = references.split_at(1000);
    let mut most = 0;
    for count in 1..=10 {
        for reference in returned {
            journal.append_returned(|append| append.returned(*reference, count, None));
            let _ = journal.core.write_pending();
            most = most.max(backlog(&journal));
        }
    }
    for reference in settled {
        journal.settle(&[*reference]);
        let _ = journal.core.write_pending();
        most = most.max(backlog(&journal));
    }
    assert!(most < 3 * (8 << 10), "{most} bytes wait");
    for _ in 0..5 {
        assert!(!flush(&journal));
    }
    assert!(backlog(&journal) <= most, "and no round of maintenance adds to it");

    disk.set_free_space(u64::MAX);
    while !flush(&journal) || backlog(&journal) > 0 {}
    let disk = disk.kill();
    let opened = open(&disk);
    let mut found = Vec::new();
    opened.restore_all(|message| found.push(message)).unwrap();
    assert!(found.iter().map(|message| message.reference).eq(returned.iter().copied()));
    assert!(found.iter().all(|message| message.delivery_count == 10));
}

#[test]
fn what_comes_late_takes_no_place_of_what_belongs_together() {
    let disk = SimulatedDisk::new(1);
    let Opened { journal, .. } = open(&disk);
    let references: Vec<_> = (0..3000)
        .map(|_| {
            let reference = append(&journal, &message(0)).unwrap();
            assert!(flush(&journal));
            reference
        })
        .collect();
    disk.set_free_space(0);
    for reference in &references {
        journal.append_returned(|append| append.returned(*reference, 1, None));
    }
    assert!(!journal.core.lock().late.is_empty());
    journal.append_always(Some(200), |append| append.definition(b"definition")).unwrap();
    assert!(journal.core.lock().late.is_empty(), "it was said before");
    disk.set_free_space(u64::MAX);
    let written = journal.core.written();
    let end = journal.core.lock().end();
    assert!(end.0 - written > u64::from(SEGMENT_BYTES), "it is more than a segment");
    journal.core.try_stalled_again();
    journal.core.write_pending().unwrap();
    for name in disk.names().iter().filter(|name| name.ends_with(".log")) {
        let bytes = disk.content(name).unwrap().len();
        assert!(bytes <= SEGMENT_BYTES as usize, "'{name}' has {bytes} bytes");
    }
}

#[test]
fn what_comes_late_is_kept_by_an_orderly_stop() {
    let disk = SimulatedDisk::new(1);
    let Opened { journal, .. } = open(&disk);
    let references: Vec<_> = (0..1000)
        .map(|_| {
            let reference = append(&journal, &message(0)).unwrap();
            assert!(flush(&journal));
            reference
        })
        .collect();
    disk.set_free_space(0);
    for reference in &references {
        journal.settle(&[*reference]);
    }
    assert!(!journal.core.lock().late.is_empty());
    disk.set_free_space(u64::MAX);
    journal.close();
    assert_eq!(redelivered(&open(&disk)), (0, 0));
}

/// The disk is full now and then, and what is said of messages is written when it can be.
#[test]
fn whatever_comes_late_is_there_in_the_end() {
    let mut late = 0;
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let disk = SimulatedDisk::new(seed);
        let few = JournalSettings { backlog_max_bytes: 256, ..settings() };
        let Opened { journal, .. } = open_with(&disk, few);
        let mut alive: BTreeMap<Reference, u32> = BTreeMap::new();
        let mut was_late = false;
        for _ in 0..1500 {
            let known = alive.len();
            let some = alive.iter().nth(dice.below(known.max(1))).map(|(reference, _)| *reference);
            match (dice.below(100), some) {
                (0..50, _) => {
                    if let Ok(reference) = append(&journal, &message(dice.below(200))) {
                        alive.insert(reference, 0);
                    }
                }
                (50..70, Some(reference)) => {
                    journal.settle(&[reference]);
                    alive.remove(&reference);
                }
                (70..90, Some(reference)) => {
                    let count = alive.get_mut(&reference).unwrap();
                    *count += 1;
                    journal.append_returned(|append| append.returned(reference, *count, None));
                }
                (90..95, _) => drop(journal.core.write_pending()),
                (95..97, _) => {
                    flush(&journal);
                }
                (97, _) if dice.one_in(8) => disk.set_free_space(u64::MAX),
                (98, _) => disk.set_free_space(dice.below(3 * SEGMENT_BYTES as usize) as u64),
                _ => {}
            }
            was_late |= !journal.core.lock().late.is_empty();
        }
        disk.set_free_space(u64::MAX);
        while !flush(&journal) || backlog(&journal) > 0 {}
        let opened = open(&disk.kill());
        let mut found = BTreeMap::new();
        let take = |it: RecoveredMessage| {
            found.insert(it.reference, it.delivery_count);
        };
        opened.restore_all(take).unwrap();
        assert_eq!(found, alive, "seed {seed}");
        late += u32::from(was_late);
    }
    assert!(late > 10, "{late} had any");
}
