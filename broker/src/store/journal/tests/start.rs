//! What a start finds, and what it does about it.

use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::{Message, ShortString};

use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::store::disk::simulated::SimulatedDisk;
use crate::store::error::StoreError;
use crate::store::folder::Folder;
use crate::store::format::header::HEADER_BYTES;
use crate::store::journal::{Append, Journal, JournalSettings, Opened};
use crate::store::names;

fn open(disk: &SimulatedDisk) -> Result<Opened, StoreError> {
    let settings = JournalSettings { seed: Some(1), ..JournalSettings::default() };
    Journal::open_folder(Folder::open_on(Arc::new(disk.clone()))?, settings)
}

/// The last segment is cut off where its records end, but not what is kept of it.
#[test]
fn what_is_kept_of_a_damaged_segment_is_as_it_was_found() {
    let disk = SimulatedDisk::new(1);
    let opened = open(&disk).unwrap();
    let (key, message) = (ShortString::from_static("q"), Message::new("body"));
    let message = PublishedMessage::new(ShortString::EMPTY, key, message);
    for _ in 0..3 {
        let bytes = Journal::message_bound(&message, 1);
        let append =
            |append: &mut Append<'_>| append.message(&message, &[QueueId(1)], Duration::ZERO, &[]);
        opened.journal.append(bytes, append).unwrap();
        let end = opened.journal.core.lock().end();
        opened.journal.core.flush(end).unwrap();
    }
    let disk = disk.kill();
    let name = names::segment(1);
    let mut bytes = disk.content(&name).unwrap();
    bytes[HEADER_BYTES + 20] ^= 1;
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(end);
    bytes.extend_from_slice(&[0xaa; 1000]);
    disk.put(&name, &bytes);
    let opened = open(&disk).unwrap();
    assert_eq!(opened.report.torn_bytes, 1000, "{:?}", opened.report);
    assert_eq!(disk.content(&name).unwrap().len(), end);
    assert!(disk.kept(&name).unwrap() == bytes);
}

#[test]
fn a_new_folder_without_room_is_refused_and_one_that_is_used_is_not() {
    let disk = SimulatedDisk::new(1);
    disk.set_free_space(1 << 20);
    let refused = open(&disk).map(drop).unwrap_err();
    assert_eq!(refused, StoreError::NoRoom { path: "simulated".into(), bytes: 16 << 20 });
    disk.set_free_space(16 << 20);
    let disk = disk.kill();
    open(&disk).unwrap().journal.close();
    disk.set_free_space(0);
    open(&disk).unwrap();
}
