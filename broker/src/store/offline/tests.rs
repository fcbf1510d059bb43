use std::path::Path;

use bytes::BytesMut;
use springhare_amqp::wire::encode_table;
use springhare_amqp::{FieldTable, FieldValue, Message, ShortString};

use super::*;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;
use crate::store::folder::Folder;
use crate::store::format::encode::*;
use crate::store::format::frame::{join_frames, seal_frames};
use crate::store::format::header::{SegmentHeader, ranges};
use crate::store::format::record::ReturnedRecord;
use crate::store::names;
use crate::store::recovery::recover;

fn reference(number: u64) -> Reference {
    Reference::new(number).unwrap()
}

fn table(entries: &[(&'static str, FieldValue)]) -> Vec<u8> {
    let entries = entries.iter().cloned();
    let table: FieldTable =
        entries.map(|(name, value)| (ShortString::from_static(name), value)).collect();
    let mut bytes = BytesMut::new();
    encode_table(&table, &mut bytes);
    bytes.to_vec()
}

fn message(body: &'static [u8]) -> PublishedMessage {
    let key = ShortString::from_static("orders");
    PublishedMessage::new(ShortString::from_static("shop"), key, Message::new(body))
}

fn header(number: u32, next_reference: u64, previous_end: usize) -> Vec<u8> {
    let previous_end = u32::try_from(previous_end).unwrap();
    let others = ranges(1..number);
    let generation = 0xabc0_0000 + number;
    let header = SegmentHeader {
        number,
        generation,
        next_reference,
        previous_end,
        others,
        is_reused: false,
    };
    header.encode()
}

/// Writes what a broker leaves behind: a sealed segment and one with an orderly stop.
pub(super) fn write_store(path: &Path) {
    let folder = Folder::open(path).unwrap();
    let mut first = header(1, 1, 0);
    let start = first.len();
    let arguments = table(&[("x-max-length", FieldValue::I32(5))]);
    let queue = table(&[
        ("kind", "queue".into()),
        ("name", "orders".into()),
        ("id", FieldValue::I64(7)),
        ("arguments", FieldValue::ByteArray(arguments.into())),
    ]);
    put_definition(&mut first, reference(1), &queue);
    let user = table(&[("kind", "user".into()), ("password_hash", "secret".into())]);
    put_definition(&mut first, reference(2), &user);
    let envelope =
        MessageEnvelope { first: reference(3), published_at: 1_700_000_000_000, replaces: &[] };
    put_message(&mut first, envelope, &[QueueId(7), QueueId(8)], &message(b"hidden body"));
    put_delayed(&mut first, reference(5), 1_700_000_009_000, ("/", "later"), &message(b""));
    put_synced_to(&mut first, u32::try_from(start).unwrap());
    seal_frames(&mut first[start..], 0xabc0_0001);

    let mut second = header(2, 6, first.len());
    put_settle(&mut second, &[reference(3)]);
    let returned = ReturnedRecord { reference: reference(4), delivery_count: 2, retry_at: Some(9) };
    put_returned(&mut second, returned);
    let group = second.len();
    let envelope = MessageEnvelope { first: reference(6), replaces: &[reference(5)], ..envelope };
    put_message(&mut second, envelope, &[QueueId(7)], &message(b"more"));
    put_definition(&mut second, reference(7), b"what is it");
    join_frames(&mut second[group..]);
    put_removed(&mut second, 77);
    put_clean(&mut second, 5);
    seal_frames(&mut second[start..], 0xabc0_0002);
    second.resize(20_000, 0);
    std::fs::write(path.join(names::segment(1)), first).unwrap();
    std::fs::write(path.join(names::segment(2)), second).unwrap();
    recover(&*folder.disk).unwrap();
}

#[test]
fn a_whole_store_is_said_to_be_whole() {
    let folder = tempfile::tempdir().unwrap();
    write_store(folder.path());
    let found = check(folder.path()).unwrap();
    assert_eq!(found.damages, [""; 0]);
    let expected = StoreContents {
        is_in_use: false,
        was_clean: true,
        segments: 2,
        bytes: found.bytes,
        records: 10,
        messages: 2,
        delayed: 0,
        definitions: 3,
        torn_bytes: 0,
        damages: Vec::new(),
    };
    assert_eq!(found, expected);
    assert!(folder.path().join(names::index(1)).exists());
}

#[test]
fn every_byte_that_counts_is_checked_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    write_store(folder.path());
    let files = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    for name in [names::segment(1), names::index(1)] {
        let path = folder.path().join(&name);
        let whole = std::fs::read(&path).unwrap();
        let start = if name == names::segment(1) { 4096 } else { 0 };
        for byte in start..whole.len() {
            let mut changed = whole.clone();
            changed[byte] ^= 0x40;
            std::fs::write(&path, &changed).unwrap();
            let before = files(folder.path());
            let found = check(folder.path()).unwrap();
            assert!(found.damages.iter().any(|text| text.contains(&name)), "{name} {byte}");
            assert_eq!(files(folder.path()), before);
        }
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(check(folder.path()).unwrap().damages, [""; 0]);
}

#[test]
fn a_store_that_is_in_use_is_read_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    write_store(folder.path());
    let broker = Folder::open(folder.path()).unwrap();
    assert!(check(folder.path()).unwrap().is_in_use);
    drop(broker);
    assert!(!check(folder.path()).unwrap().is_in_use);
}

#[test]
fn what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write_store(folder.path());
    std::fs::remove_file(folder.path().join(names::segment(1))).unwrap();
    let found = check(folder.path()).unwrap();
    assert_eq!(found.damages, ["'00000001.log' is missing, and what was in it"]);
    std::fs::remove_file(folder.path().join(names::MARK)).unwrap();
    let found = check(folder.path()).unwrap();
    assert!(found.damages[0].contains("copied in part"), "{:?}", found.damages);
    let refused = check(folder.path().join("nowhere")).unwrap_err();
    assert!(matches!(refused, OfflineError::Store(StoreError::NoFolder { .. })));
}

#[test]
fn a_dump_has_a_line_for_each_record() {
    let folder = tempfile::tempdir().unwrap();
    write_store(folder.path());
    let mut out = Vec::new();
    let found = dump(folder.path(), &mut out).unwrap();
    assert_eq!(found, check(folder.path()).unwrap());
    let text = String::from_utf8(out).unwrap();
    let expected = [
        "00000001.log generation abc00001, references from 1 on, others none",
        "definition 1 {kind: \"queue\", name: \"orders\", id: 7, arguments: {x-max-length: 5}}",
        "definition 2 {kind: \"user\", password_hash: (not shown)}",
        "message 3 in queue 7 settled, 4 in queue 8 exchange \"shop\" key \"orders\" \
         properties 2 bytes, body 11 bytes published 1700000000000",
        "delayed 5 settled exchange \"shop\" key \"orders\" properties 2 bytes, body 0 bytes \
         due 1700000009000 at \"later\" in \"/\"",
        "synced to 4096",
        "00000002.log generation abc00002, references from 6 on, others 1",
        "settle 3",
        "returned 4 failed 2 retried 9",
        "message 6 in queue 7 exchange \"shop\" key \"orders\" properties 2 bytes, body 4 bytes \
         published 1700000000000 replaces 5 with the next",
        "definition 7 of 10 bytes that can't be read:",
        "removed segment 77",
        "clean stop, below 5 all may have been delivered",
    ];
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{line}\n{expected}");
    }
    assert!(!text.contains("hidden") && !text.contains("secret"));
}

#[test]
fn an_output_that_fails_ends_a_dump() {
    #[derive(Debug)]
    struct Closed;

    impl io::Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    write_store(folder.path());
    let failed = dump(folder.path(), &mut Closed).unwrap_err();
    assert!(matches!(failed, OfflineError::Output(_)));
}
