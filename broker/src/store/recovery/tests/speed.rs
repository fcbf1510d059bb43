use std::path::Path;
use std::time::Duration;

use springhare_amqp::{Message, MessageProperties, ShortString};

use crate::clock::Clock;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;
use crate::store::disk::{Access, Disk, Files};
use crate::store::format::encode::*;
use crate::store::format::frame::seal_frames;
use crate::store::format::header::{SegmentHeader, ranges};
use crate::store::names;
use crate::store::recovery::{Alive, recover};

const MESSAGES: u64 = 1_000_000;

const SEGMENT_BYTES: usize = 16 << 20;

/// A million messages of 1 KiB for a hundred queues, of which every tenth is settled.
fn write(folder: &Path) {
    let properties = MessageProperties::parse(&[0x10, 0, 2]).unwrap();
    let message = Message { properties, body: vec![7; 1024].into() };
    let key = ShortString::from_static("orders");
    let message = PublishedMessage::new(ShortString::default(), key, message);
    let (mut number, mut next, mut previous_end) = (1, 1, 0);
    while next <= MESSAGES {
        let others = ranges(1..number);
        let header = SegmentHeader {
            number,
            generation: number + 1,
            next_reference: next,
            previous_end,
            others,
            is_reused: false,
        };
        let mut bytes = header.encode();
        let start = bytes.len();
        while next <= MESSAGES && bytes.len() < SEGMENT_BYTES - 2000 {
            let first = Reference::new(next).unwrap();
            let published_at = 1_760_000_000_000 + next / 8;
            let envelope = MessageEnvelope { first, published_at, replaces: &[] };
            put_message(&mut bytes, envelope, &[QueueId(next % 100)], &message);
            if next.is_multiple_of(10) {
                put_settle(&mut bytes, &[first]);
            }
            next += 1;
        }
        seal_frames(&mut bytes[start..], number + 1);
        previous_end = u32::try_from(bytes.len()).unwrap();
        bytes.resize(SEGMENT_BYTES, 0);
        std::fs::write(folder.join(names::segment(number)), bytes).unwrap();
        number += 1;
    }
}

fn measure(clock: &Clock, disk: &Files) -> (Duration, Duration, u64) {
    let start = clock.now();
    let mut recovered = recover(disk).unwrap();
    let first = clock.now();
    let mut messages = 0;
    let take = |alive: Alive| messages += u64::from(matches!(alive, Alive::Message(_)));
    recovered.restore(disk, take).unwrap();
    (first - start, clock.now() - first, messages)
}

/// `cargo test --release -p springhare-broker --lib a_million_messages -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, of a gigabyte"]
fn a_million_messages_are_recovered() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let disk = Files::new(folder.path(), Access::ReadWrite);
    let clock = Clock::system();
    for what in ["from the segments", "from the indexes", "from the indexes"] {
        let (collect, restore, messages) = measure(&clock, &disk);
        assert_eq!(messages, MESSAGES / 10 * 9);
        println!("{what}: {collect:?} for the first pass, {restore:?} for the second");
    }
    let indexes = disk.list().unwrap().into_iter().filter(|entry| entry.name.ends_with(".idx"));
    let bytes: u64 = indexes.map(|entry| entry.bytes).sum();
    println!("{:.1} bytes of index per message", bytes as f64 / MESSAGES as f64);
}
