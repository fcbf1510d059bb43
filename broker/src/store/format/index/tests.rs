use proptest::prelude::*;
use springhare_amqp::{BasicProperties, Message, ShortString};

use super::*;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::store::format::encode::*;
use crate::store::format::frame::{Frame, seal_frames};
use crate::store::format::record::{Record, ReturnedRecord};
use crate::store::format::references::Run;

/// What a record says, by the record and by its entry.
#[derive(Debug, PartialEq)]
enum Said {
    Message {
        at: (u32, u32),
        is_moved: bool,
        published_at: u64,
        queues: Vec<(QueueId, Reference)>,
        replaces: Vec<Reference>,
        body_len: usize,
        expiration: Option<u64>,
        priority: Option<u8>,
    },
    Other(String),
}

#[derive(Debug, Clone)]
enum Written {
    Message(u64, u64, Vec<u64>, Vec<u64>, (usize, Option<u32>, Option<u8>)),
    Moved(u64, u8, Vec<u64>),
    Delayed(u64, u64),
    Definition(u64, Vec<u8>),
    Settle(Vec<u64>),
    Returned(u64, u32, Option<u64>, bool),
    SyncedTo(u32),
    Removed(u32),
    Clean,
}

fn written() -> impl Strategy<Value = Written> {
    let number = || prop_oneof![3 => 1_u64..100, 1 => 1_u64..1 << 50];
    let queues = || prop::collection::vec(prop_oneof![1_u64..3, 0_u64..1 << 40], 1..4);
    let numbers = || prop::collection::vec(number(), 0..4);
    let content =
        (0_usize..3000, proptest::option::of(0_u32..9), proptest::option::of(any::<u8>()));
    prop_oneof![
        4 => (number(), number(), queues(), numbers(), content)
            .prop_map(|(first, at, queues, replaces, content)| {
                Written::Message(first, at, queues, replaces, content)
            }),
        1 => (number(), any::<u8>(), queues()).prop_map(|(a, b, c)| Written::Moved(a, b, c)),
        1 => (number(), number()).prop_map(|(a, b)| Written::Delayed(a, b)),
        1 => (number(), any::<Vec<u8>>()).prop_map(|(a, b)| Written::Definition(a, b)),
        1 => prop::collection::vec(number(), 1..9).prop_map(Written::Settle),
        1 => (number(), any::<u32>(), proptest::option::of(number()), any::<bool>())
            .prop_map(|(a, b, c, d)| Written::Returned(a, b, c, d)),
        1 => any::<u32>().prop_map(Written::SyncedTo),
        1 => any::<u32>().prop_map(Written::Removed),
        1 => Just(Written::Clean),
    ]
}

fn references(numbers: &[u64]) -> Vec<Reference> {
    numbers.iter().filter_map(|number| Reference::new(*number)).collect()
}

fn message(length: usize, expiration: Option<u32>, priority: Option<u8>) -> PublishedMessage {
    let expiration = expiration.map(|ms| ShortString::truncated(&ms.to_string()));
    let properties = BasicProperties { expiration, priority, ..BasicProperties::NONE };
    let message = Message::new(vec![7; length]).with_properties(properties);
    PublishedMessage::new(ShortString::default(), ShortString::from_static("key"), message)
}

fn put(out: &mut Vec<u8>, written: &Written) -> usize {
    let reference = |number: u64| Reference::new(number).unwrap();
    match written {
        Written::Message(first, published_at, queues, replaces, (length, expiration, priority)) => {
            let replaces = references(replaces);
            let first = reference(*first);
            let envelope =
                MessageEnvelope { first, published_at: *published_at, replaces: &replaces };
            let queues: Vec<_> = queues.iter().copied().map(QueueId).collect();
            put_message(out, envelope, &queues, &message(*length, *expiration, *priority))
        }
        Written::Moved(first, kept, queues) => {
            let mut original = Vec::new();
            put(
                &mut original,
                &Written::Message(*first, 9, queues.clone(), vec![], (5, None, None)),
            );
            seal_frames(&mut original, 1);
            let frame = Frame::decode(&original).unwrap();
            let Record::Message(record) = Record::decode(&frame).unwrap() else { panic!() };
            let is_kept = |index: usize| kept >> index & 1 == 1;
            let alive = record.queues.enumerate().filter(|(index, _)| is_kept(*index));
            let alive: Vec<_> = alive.map(|(_, queue)| queue).collect();
            put_moved_message(out, &record, &alive)
        }
        Written::Delayed(number, due) => {
            put_delayed(out, reference(*number), *due, ("/", "later"), &message(3, None, None))
        }
        Written::Definition(number, content) => put_definition(out, reference(*number), content),
        Written::Settle(numbers) => put_settle(out, &references(numbers)),
        Written::Returned(number, delivery_count, retry_at, is_moved) => {
            let put = if *is_moved { put_moved_returned } else { put_returned };
            let reference = reference(*number);
            put(
                out,
                ReturnedRecord { reference, delivery_count: *delivery_count, retry_at: *retry_at },
            )
        }
        Written::SyncedTo(offset) => put_synced_to(out, *offset),
        Written::Removed(segment) => put_removed(out, *segment),
        Written::Clean => put_clean(out, 1),
    }
}

fn all(runs: impl Iterator<Item = Run>) -> Vec<Reference> {
    runs.flat_map(Run::references).collect()
}

fn said_by_record(at: (u32, u32), frame: &Frame<'_>) -> Option<Said> {
    let is_moved = frame.flags.has(crate::store::format::frame::Flags::MOVED);
    Some(match Record::decode(frame).unwrap() {
        Record::Message(record) => {
            let message = record.content.to_message().unwrap();
            Said::Message {
                at,
                is_moved,
                published_at: record.published_at,
                queues: record.queues.collect(),
                replaces: all(record.replaces),
                body_len: record.content.body.len(),
                expiration: message
                    .expiration()
                    .and_then(|time| u64::try_from(time.as_millis()).ok()),
                priority: message.message.properties.priority,
            }
        }
        Record::Delayed(record) => Said::Other(format!("{at:?}{:?}{is_moved}", record.reference)),
        Record::Definition { reference, content } => {
            Said::Other(format!("{at:?}{reference:?}{content:?}{is_moved}"))
        }
        Record::Settle(runs) => Said::Other(format!("{at:?}{:?}", all(runs))),
        Record::Returned(record) => Said::Other(format!("{at:?}{record:?}")),
        Record::Removed { segment } => Said::Other(format!("{at:?}{segment}")),
        Record::Clean { .. } => Said::Other(format!("{at:?}")),
        Record::SyncedTo { .. } => return None,
    })
}

fn said_by_entry(entry: Entry<'_>) -> Said {
    let at = (entry.offset, entry.length);
    match entry.record {
        EntryRecord::Message(record) => Said::Message {
            at,
            is_moved: record.is_moved,
            published_at: record.published_at,
            queues: record.queues.collect(),
            replaces: all(record.replaces),
            body_len: record.body_len as usize,
            expiration: record.expiration,
            priority: record.priority,
        },
        EntryRecord::Delayed { reference, is_moved } => {
            Said::Other(format!("{at:?}{reference:?}{is_moved}"))
        }
        EntryRecord::Definition { reference, is_moved, content } => {
            Said::Other(format!("{at:?}{reference:?}{content:?}{is_moved}"))
        }
        EntryRecord::Settle(runs) => Said::Other(format!("{at:?}{:?}", all(runs))),
        EntryRecord::Returned(record) => Said::Other(format!("{at:?}{record:?}")),
        EntryRecord::Removed { segment } => Said::Other(format!("{at:?}{segment}")),
        EntryRecord::Clean => Said::Other(format!("{at:?}")),
    }
}

fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap()
}

/// The index of these records' frames, and what they say.
fn indexed(records: &[Written]) -> (Vec<u8>, Vec<Said>) {
    let mut bytes = Vec::new();
    for record in records {
        put(&mut bytes, record);
    }
    seal_frames(&mut bytes, 3);
    let mut writer = IndexWriter::new(7, 3);
    let mut said = Vec::new();
    let mut offset = 0;
    while let Some(frame) = Frame::decode(&bytes[offset..]) {
        let at = (small(offset) + 4096, small(frame.length()));
        writer.push(at.0, at.1, frame.flags, &Record::decode(&frame).unwrap());
        said.extend(said_by_record(at, &frame));
        offset += frame.length();
    }
    (writer.finish(small(offset) + 4096), said)
}

proptest! {
    #[test]
    fn an_index_says_what_the_records_say(records in prop::collection::vec(written(), 0..20)) {
        let (bytes, said) = indexed(&records);
        let index = Index::decode(&bytes).unwrap();
        prop_assert_eq!((index.number, index.generation), (7, 3));
        prop_assert_eq!(index.entries().map(said_by_entry).collect::<Vec<_>>(), said);
    }

    #[test]
    fn anything_is_read_or_not(mut bytes: Vec<u8>) {
        let mut whole = MAGIC.to_vec();
        whole.extend_from_slice(&INDEX_VERSION.to_le_bytes());
        whole.append(&mut bytes);
        whole.extend_from_slice(&crc32c::crc32c(&whole).to_le_bytes());
        if let Some(index) = Index::decode(&whole) {
            prop_assert!(index.entries().count() <= whole.len());
        }
    }
}

#[test]
fn every_bit_of_an_index_counts() {
    let records = [
        Written::Message(1, 2, vec![1, 2], vec![1], (1000, Some(3), Some(4))),
        Written::Settle(vec![1, 2, 3]),
        Written::Definition(9, b"queue".to_vec()),
    ];
    let (bytes, _) = indexed(&records);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Index::decode(&flipped).is_none(), "bit {bit}");
    }
    for end in 0..bytes.len() {
        assert!(Index::decode(&bytes[..end]).is_none(), "the first {end} bytes");
    }
}

#[test]
fn a_plain_message_takes_ten_bytes_at_most() {
    let messages = |queues: u64, steps: u64| {
        let message = |n: u64| {
            let body = 1024 + usize::try_from(n % steps).unwrap() * 20;
            Written::Message(
                n,
                1_760_000_000_000 + n / 10,
                vec![n % queues + 1000],
                vec![],
                (body, None, None),
            )
        };
        let (bytes, _) = indexed(&(1..=10_000).map(message).collect::<Vec<_>>());
        bytes.len() as f64 / 10_000.0
    };
    assert!(messages(1, 1) <= 5.1, "{}", messages(1, 1));
    assert!(messages(100, 7) <= 10.0, "{}", messages(100, 7));
}
