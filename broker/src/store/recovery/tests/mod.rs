mod damage;
mod log;
mod prefix;
mod reused;
mod speed;

use log::{Log, Op, State};

use crate::store::disk::Disk;
use crate::store::disk::simulated::SimulatedDisk;
use crate::store::format::encode::*;
use crate::store::format::frame::{Flags, Frame};
use crate::store::format::record::{Record, ReturnedRecord};
use crate::store::names;

#[test]
fn nothing_is_clean() {
    let (state, recovered) = State::recovered(&SimulatedDisk::new(1));
    assert_eq!(state, State::default());
    assert!(recovered.report.was_clean);
    assert_eq!((recovered.next_reference, recovered.next_segment), (1, 1));
}

#[test]
fn an_orderly_stop_is_known() {
    let mut log = Log::new();
    let first = log.message(&[7], b"body");
    log.append(vec![Op::Clean]);
    log.save();
    let (_, recovered) = State::recovered(&log.disk);
    assert!(recovered.report.was_clean);
    // The next start has begun, and nobody knows what it has delivered.
    log.roll();
    let (_, recovered) = State::recovered(&log.disk);
    assert!(!recovered.report.was_clean);
    assert_eq!((recovered.next_reference, recovered.next_segment), (first + 1, 3));
    assert_eq!(recovered.highest_queue.0, 7);
}

/// A compaction copies what is alive with the same references; if the broker ends before the
/// original is removed, both are there.
#[test]
fn what_was_moved_comes_once() {
    let mut log = Log::new();
    log.message(&[1, 2, 3], b"body");
    let definition = log.take(1);
    log.append(vec![Op::Definition { reference: definition, content: b"queue".to_vec() }]);
    let delayed = log.take(1);
    log.append(vec![Op::Delayed { reference: delayed, due: 9 }]);
    log.append(vec![Op::Returned { reference: 1, delivery_count: 1, retry_at: Some(5) }]);
    log.roll();
    log.append(vec![Op::Settle(vec![2])]);
    log.append(vec![Op::Returned { reference: 1, delivery_count: 2, retry_at: None }]);
    let expected = State::after(&log.units);
    for _ in 0..2 {
        log.roll();
        let original = log.disk.content("00000001.log").unwrap();
        for unit in log.units.iter().filter(|unit| unit.segment == 1).cloned().collect::<Vec<_>>() {
            let frame = Frame::decode(&original[unit.start..unit.end]).unwrap();
            log.append_frames(|out| match Record::decode(&frame).unwrap() {
                Record::Message(record) => {
                    let alive: Vec<_> = record.queues.filter(|(queue, _)| queue.0 != 2).collect();
                    put_moved_message(out, &record, &alive);
                }
                Record::Returned(ReturnedRecord { .. }) => {
                    assert!(!frame.flags.has(Flags::MOVED));
                    put_moved(out, &frame);
                }
                _ => {
                    put_moved(out, &frame);
                }
            });
        }
        log.append(vec![Op::Removed(1)]);
        log.save();
        for has_indexes in [false, true, true] {
            if !has_indexes {
                log.forget_indexes();
            }
            let (state, recovered) = State::recovered(&log.disk);
            assert_eq!(state, expected);
            assert_eq!(recovered.report.damages, [""; 0]);
            let moved = recovered.segments.last().unwrap().summary.moved.clone();
            assert_eq!(moved, Some(1..=5));
        }
    }
    log.disk.remove("00000001.log").unwrap();
    let (state, recovered) = State::recovered(&log.disk);
    assert_eq!(state, expected);
    assert_eq!(recovered.report.damages, [""; 0], "it was removed on purpose");
    assert_eq!(recovered.unused, ["00000001.idx"]);
}

#[test]
fn files_that_nobody_needs_are_told() {
    let mut log = Log::new();
    log.message(&[1], b"body");
    log.save();
    log.disk.put("00000002.log", &[0; 10_000]);
    log.disk.put("00000003.log", &[]);
    log.disk.put("00000004.idx.new", b"half");
    log.disk.put("00000009.idx", b"of nothing");
    let (state, recovered) = State::recovered(&log.disk);
    assert_eq!(state, State::after(&log.units));
    let mut unused = recovered.unused.clone();
    unused.sort();
    assert_eq!(unused, ["00000002.log", "00000003.log", "00000004.idx.new", "00000009.idx"]);
    assert_eq!(recovered.next_segment, 10);
    assert_eq!(recovered.report.damages, [""; 0]);
}

#[test]
fn a_missing_segment_is_damage() {
    let mut log = Log::new();
    for _ in 0..4 {
        log.message(&[1], b"body");
        log.roll();
    }
    log.save();
    log.disk.remove("00000002.log").unwrap();
    let (state, recovered) = State::recovered(&log.disk);
    assert_eq!(state.messages.keys().collect::<Vec<_>>(), [&1, &3, &4]);
    assert_eq!(recovered.report.damages, ["'00000002.log' is missing, and what was in it"]);
    // The last one that is there has an index, so it was not the last one.
    log.disk.remove("00000005.log").unwrap();
    log.disk.remove("00000004.log").unwrap();
    let (_, recovered) = State::recovered(&log.disk);
    let told = &recovered.report.damages;
    assert!(
        told.iter().any(|text| text == "what came after '00000003.log' is missing"),
        "{told:?}"
    );
    assert_eq!(recovered.next_segment, 5, "numbers of indexes are taken too");
}

/// What a segment says of itself is what counts, whatever its index says.
#[test]
fn an_index_that_does_not_fit_is_made_anew() {
    let mut log = Log::new();
    for number in 0..3 {
        log.message(&[number], b"body");
        log.append(vec![Op::Settle(vec![number + 1])]);
        log.message(&[number], b"more");
        log.roll();
    }
    log.save();
    let expected = State::after(&log.units);
    assert_eq!(State::recovered(&log.disk).0, expected);
    let right = log.disk.content("00000002.idx").unwrap();
    let other = log.disk.content("00000001.idx").unwrap();
    let mut wrong = vec![Vec::new(), other, vec![0xff; 100], vec![0; 100_000]];
    wrong.extend((0..right.len()).map(|end| right[..end].to_vec()));
    wrong.extend((0..right.len()).map(|byte| {
        let mut flipped = right.clone();
        flipped[byte] ^= 4;
        flipped
    }));
    // With a checksum that is right, for what that is worth.
    let mut nonsense = right[..right.len() - 4].to_vec();
    nonsense.extend_from_slice(&[0xff; 3]);
    nonsense.extend_from_slice(&crc32c::crc32c(&nonsense).to_le_bytes());
    wrong.push(nonsense);
    for bytes in wrong {
        log.disk.put("00000002.idx", &bytes);
        let (state, recovered) = State::recovered(&log.disk);
        assert_eq!(state, expected);
        assert_eq!(recovered.report.damages, [""; 0]);
        assert_eq!(log.disk.content("00000002.idx"), Some(right.clone()));
    }
}

#[test]
fn a_disk_that_has_no_room_for_indexes_is_recovered() {
    let mut log = Log::new();
    log.message(&[1], b"body");
    log.roll();
    log.message(&[2], b"body");
    log.save();
    log.disk.set_free_space(0);
    let (state, recovered) = State::recovered(&log.disk);
    assert_eq!(state, State::after(&log.units));
    assert!(recovered.segments[0].index.is_some());
    assert!(log.disk.content(&names::index(1)).is_none());
}
