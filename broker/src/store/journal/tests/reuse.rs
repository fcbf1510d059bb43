//! Files of segments that were given up become the next ones.

use std::sync::Arc;

use springhare_amqp::{Message, ShortString};

use super::super::{Journal, JournalSettings, Opened};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;
use crate::store::disk::simulated::SimulatedDisk;
use crate::store::folder::Folder;
use crate::store::format::header::{FoundHeader, SegmentHeader};
use crate::store::names;

const SEGMENT_BYTES: u32 = 16 << 10;

fn open(disk: &SimulatedDisk) -> Arc<Journal> {
    let settings = JournalSettings {
        segment_bytes: SEGMENT_BYTES,
        seed: Some(disk.calls()),
        ..JournalSettings::default()
    };
    let folder = Folder::open_on(Arc::new(disk.clone())).unwrap();
    let opened: Opened = Journal::open_folder(folder, settings).unwrap();
    opened.restore_all(drop).unwrap();
    opened.journal
}

/// Fills so many segments with messages of a hundred bytes.
fn fill(journal: &Journal, segments: u32) -> Vec<Reference> {
    let until = journal.core.lock().segment() + segments;
    let message = Message::new(vec![7; 100]);
    let mut references = Vec::new();
    while journal.core.lock().segment() < until {
        let message = PublishedMessage::new(
            ShortString::EMPTY,
            ShortString::from_static("q"),
            message.clone(),
        );
        let bytes = Journal::message_bound(&message, 1);
        let appended = journal.append(bytes, |append| {
            append.message(&message, &[QueueId(1)], std::time::Duration::ZERO, &[])
        });
        references.push(appended.unwrap().0);
    }
    flush(journal);
    references
}

fn flush(journal: &Journal) {
    let end = journal.core.lock().end();
    journal.core.flush(end).unwrap();
}

fn header(disk: &SimulatedDisk, number: u32) -> SegmentHeader {
    match SegmentHeader::decode(&disk.content(&names::segment(number)).unwrap()) {
        FoundHeader::Header(header) => header,
        other => panic!("{other:?}"),
    }
}

fn spares(disk: &SimulatedDisk) -> usize {
    disk.names().iter().filter(|name| name.ends_with(names::GIVEN_UP)).count()
}

#[test]
fn a_file_that_is_given_up_becomes_a_later_segment() {
    let disk = SimulatedDisk::new(1);
    let journal = open(&disk);
    let first = fill(&journal, 2);
    journal.settle(&first);
    journal.core.maintain().unwrap();
    assert!(spares(&disk) > 0);
    let later = fill(&journal, 3);
    let current = journal.core.lock().segment();
    assert!(!header(&disk, 1 + 2).is_reused, "it was there before");
    assert!(header(&disk, current).is_reused);
    assert_eq!(spares(&disk), 0);

    // What was there before is not taken for something of it, whatever ends the process.
    let folder = Folder::open_on(Arc::new(disk.power_cut(7))).unwrap();
    let opened = Journal::open_folder(folder, JournalSettings::default()).unwrap();
    let mut found = Vec::new();
    let report = opened.restore_all(|message| found.push(message.reference)).unwrap();
    assert_eq!((report.damages, report.torn_bytes), (Vec::new(), 0));
    assert_eq!(found, later);
}

#[test]
fn a_few_are_kept_and_none_where_there_is_little_room() {
    let disk = SimulatedDisk::new(1);
    let journal = open(&disk);
    let references = fill(&journal, 12);
    journal.settle(&references);
    journal.core.maintain().unwrap();
    assert_eq!(spares(&disk), 4);
    disk.set_free_space(0);
    journal.core.maintain().unwrap();
    assert_eq!(spares(&disk), 0);
}

#[test]
fn what_an_earlier_run_has_left_is_not_written_over() {
    let disk = SimulatedDisk::new(1);
    let journal = open(&disk);
    let references = fill(&journal, 3);
    let before = journal.core.lock().segment();
    let disk = disk.kill();
    let journal = open(&disk);
    journal.settle(&references);
    flush(&journal);
    journal.core.maintain().unwrap();
    assert!(disk.content(&names::segment(1)).is_none(), "it is removed");
    assert!(before > 1 && spares(&disk) == 0);
}

#[test]
fn what_is_in_quarantine_is_not_written_over() {
    let disk = SimulatedDisk::new(1);
    let journal = open(&disk);
    let references = fill(&journal, 2);
    journal.core.report_damage(1, 4096);
    journal.settle(&references);
    journal.core.maintain().unwrap();
    assert_eq!(disk.quarantined(), [names::segment(1)]);
    assert!(disk.content(&names::segment(1)).is_none());
    assert!(!disk.names().contains(&names::given_up(1)));
}

#[test]
fn an_orderly_stop_leaves_no_spare_files() {
    let disk = SimulatedDisk::new(1);
    let journal = open(&disk);
    let references = fill(&journal, 3);
    journal.settle(&references);
    journal.core.maintain().unwrap();
    journal.close();
    assert_eq!(spares(&disk), 0);
}

#[test]
fn what_the_disk_does_not_give_is_no_damage_and_is_given_up_later() {
    let disk = SimulatedDisk::new(1);
    let journal = open(&disk);
    let first = names::segment(journal.core.lock().segment());
    let references = fill(&journal, 2);
    journal.core.maintain().unwrap();
    journal.settle(&references[1..]);
    flush(&journal);
    // Where the first record is; an index is smaller.
    disk.fail_reads_beyond(4096);
    journal.core.maintain().unwrap();
    journal.core.maintain().unwrap();
    assert!(disk.names().contains(&first) && disk.quarantined().is_empty());
    disk.forget_faults();
    journal.core.maintain().unwrap();
    assert!(!disk.names().contains(&first));
}
