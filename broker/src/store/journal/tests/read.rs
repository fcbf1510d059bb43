//! Reading back: what is there, what is lost, and what the disk does not give now.

use std::time::Duration;

use springhare_amqp::{Message, ShortString};

use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::pager::ReadBack;
use crate::model::stored::{Place, Reference};
use crate::store::disk::Disk;
use crate::store::disk::simulated::{DiskFault, SimulatedDisk};
use crate::store::journal::Journal;
use crate::store::names;

/// Three messages in one segment, and where they are.
fn journal() -> (SimulatedDisk, Journal, Vec<(Reference, Place)>) {
    let disk = SimulatedDisk::new(1);
    let journal = Journal::on(disk.clone(), 1 << 16);
    let append = |body: &'static str| {
        let (exchange, key) = (ShortString::EMPTY, ShortString::EMPTY);
        let message = PublishedMessage::new(exchange, key, Message::new(body));
        let (reference, _) = journal
            .append(Journal::message_bound(&message, 1), |append| {
                append.message(&message, &[QueueId(1)], Duration::ZERO, &[])
            })
            .unwrap();
        (reference, message.stored().unwrap().place)
    };
    let places = ["one", "two", "three"].map(append).to_vec();
    (disk, journal, places)
}

/// The bodies; `lost` or `not now` for others.
fn read(journal: &Journal, places: &[(Reference, Place)]) -> Vec<String> {
    let segment = places[0].1.segment;
    let wanted: Vec<_> = places.iter().map(|(it, place)| (*it, place.offset)).collect();
    let read = journal.read(segment, &wanted).into_iter();
    let text = |read| match read {
        ReadBack::Message(message) => String::from_utf8(message.message.body.to_vec()).unwrap(),
        ReadBack::Lost => "lost".to_owned(),
        ReadBack::NotNow => "not now".to_owned(),
    };
    read.map(text).collect()
}

#[test]
fn what_comes_before_the_place_that_fails_is_read() {
    let (disk, journal, places) = journal();
    assert_eq!(read(&journal, &places), ["one", "two", "three"]);
    // All together, and then one by one.
    disk.fail_call(disk.calls() + 2, DiskFault::Broken);
    disk.fail_call(disk.calls() + 8, DiskFault::Broken);
    assert_eq!(read(&journal, &places), ["one", "not now", "not now"]);
    assert_eq!(read(&journal, &places), ["one", "two", "three"]);
    disk.fail_reads_after(0, DiskFault::Broken);
    assert_eq!(read(&journal, &places), ["not now"; 3]);
    disk.forget_faults();
    assert_eq!(read(&journal, &places), ["one", "two", "three"]);
    assert!(disk.quarantined().is_empty());
}

#[test]
fn what_lies_before_a_place_that_fails_is_read() {
    let (disk, journal, places) = journal();
    let broken_from = places[2].1.offset;
    disk.fail_reads_beyond(u64::from(broken_from));
    assert_eq!(read(&journal, &places), ["one", "two", "not now"]);
    assert_eq!(read(&journal, &places[1..2]), ["two"]);
    disk.forget_faults();
    assert_eq!(read(&journal, &places), ["one", "two", "three"]);
}

#[test]
fn a_file_that_is_missing_may_come_back() {
    let (disk, journal, places) = journal();
    let name = names::segment(places[0].1.segment);
    let bytes = disk.content(&name).unwrap();
    disk.remove(&name).unwrap();
    journal.core.files.forget(places[0].1.segment);
    assert_eq!(read(&journal, &places), ["not now"; 3]);
    journal.settle(&[places[1].0]);
    assert_eq!(read(&journal, &places), ["not now", "lost", "not now"], "nobody has that one");
    disk.put(&name, &bytes);
    assert_eq!(read(&journal, &places), ["one", "two", "three"]);
}

#[test]
fn what_is_damaged_is_lost_and_its_file_is_kept() {
    let (disk, journal, places) = journal();
    let name = names::segment(places[0].1.segment);
    let mut bytes = disk.content(&name).unwrap();
    let last_byte = places[1].1.offset + places[1].1.length - 1;
    bytes[last_byte as usize] ^= 1;
    disk.put(&name, &bytes);
    journal.core.files.forget(places[0].1.segment);
    assert_eq!(read(&journal, &places), ["one", "lost", "three"]);
    assert_eq!(disk.quarantined(), [name]);
}
