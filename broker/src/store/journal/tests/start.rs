//! What a start finds, and what it does about it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use springhare_amqp::{Message, ShortString};

use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::store::disk::simulated::{DiskFault, SimulatedDisk};
use crate::store::error::StoreError;
use crate::store::folder::Folder;
use crate::store::format::encode::put_clean;
use crate::store::format::frame::seal_frames_with;
use crate::store::format::header::HEADER_BYTES;
use crate::store::journal::{Append, Journal, JournalSettings, Opened};
use crate::store::names;
use crate::store::recovery::{doubt_clean_stop, recover};

fn open(disk: &SimulatedDisk) -> Result<Opened, StoreError> {
    let settings = JournalSettings { seed: Some(1), ..JournalSettings::default() };
    Journal::open_folder(Folder::open_on(Arc::new(disk.clone()))?, settings)
}

/// Publishes a message to a queue, safely.
fn append(journal: &Journal, body: impl Into<Bytes>) {
    let (key, message) = (ShortString::from_static("q"), Message::new(body));
    let message = PublishedMessage::new(ShortString::EMPTY, key, message);
    let bytes = Journal::message_bound(&message, 1);
    let append =
        |append: &mut Append<'_>| append.message(&message, &[QueueId(1)], Duration::ZERO, &[]);
    journal.append(bytes, append).unwrap();
    let end = journal.core.lock().end();
    journal.core.flush(end).unwrap();
}

/// The last segment is cut off where its records end, but not what is kept of it.
#[test]
fn what_is_kept_of_a_damaged_segment_is_as_it_was_found() {
    let disk = SimulatedDisk::new(1);
    let opened = open(&disk).unwrap();
    for _ in 0..3 {
        append(&opened.journal, "body");
    }
    let disk = disk.kill();
    let name = names::segment(1);
    let mut bytes = disk.content(&name).unwrap();
    bytes[HEADER_BYTES + 20] ^= 1;
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(end);
    bytes.extend_from_slice(&[0xaa; 1000]);
    disk.put(&name, &bytes);
    // Where it can't be kept it is not cut off.
    disk.set_free_space(0);
    drop(open(&disk).unwrap());
    assert!(disk.content(&name).unwrap() == bytes && disk.quarantined().is_empty());
    let disk = disk.kill();
    disk.set_free_space(u64::MAX);
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

#[test]
fn a_message_that_ends_as_an_orderly_stop_does_is_left_as_it_is() {
    let disk = SimulatedDisk::new(1);
    let opened = open(&disk).unwrap();
    let mut body = Vec::new();
    put_clean(&mut body, 1);
    let generation = opened.journal.core.lock().generation();
    seal_frames_with(&mut body, generation, |_, _| {});
    append(&opened.journal, body.clone());
    let disk = disk.kill();
    disk.set_free_space(0);
    let opened = open(&disk).unwrap();
    opened.journal.fail("the end");
    drop(opened);
    let mut found = Vec::new();
    let opened = open(&disk.kill()).unwrap();
    assert!(opened.report.damages.is_empty() && !opened.report.was_clean, "{:?}", opened.report);
    opened.restore_all(|message| found.push(message)).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn a_start_needs_no_room_to_take_back_an_orderly_stop() {
    let disk = SimulatedDisk::new(1);
    let opened = open(&disk).unwrap();
    append(&opened.journal, "body");
    opened.journal.close();
    let recovered = recover(&disk).unwrap();
    let last = recovered.segments.last().unwrap();
    // It is opened and read first.
    disk.fail_call(disk.calls() + 3, DiskFault::Full);
    doubt_clean_stop(&disk, last, 7).unwrap();
    assert!(recover(&disk).unwrap().report.damages.is_empty());
}
