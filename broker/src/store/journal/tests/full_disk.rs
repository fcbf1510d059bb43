//! What a journal does where there is no room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use springhare_amqp::{Message, MessageProperties, ShortString};

use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;
use crate::store::disk::simulated::SimulatedDisk;
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
    let folder = Folder::open_on(Arc::new(disk.clone())).unwrap();
    Journal::open_folder(folder, settings()).unwrap()
}

/// Those in queues that come with `redelivered`, and those that do not.
fn redelivered(opened: &Opened) -> (usize, usize) {
    let (mut marked, mut others) = (0, 0);
    let count = |message: crate::store::RecoveredMessage| match message.redelivered {
        true => marked += 1,
        false => others += 1,
    };
    opened.restore_messages(|_| true, count).unwrap();
    (marked, others)
}

fn message(bytes: usize) -> PublishedMessage {
    let properties = MessageProperties::parse(&[0x10, 0, 2]).unwrap();
    let message = Message { properties, body: Bytes::from(vec![7; bytes]) };
    PublishedMessage::new(ShortString::EMPTY, ShortString::from_static("queue"), message)
}

/// Publishes a message to a queue.
fn append(journal: &Journal, message: &PublishedMessage) -> Result<Reference, Failure> {
    let append = |append: &mut Append<'_>| append.message(message, &[QUEUE], Duration::ZERO, &[]);
    journal.append(append).map(|(reference, _)| reference)
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
