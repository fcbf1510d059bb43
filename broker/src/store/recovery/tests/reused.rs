//! A segment in the file of another one, of which there is still something behind its records.

use super::log::{Log, Op, State};
use crate::store::disk::Disk;
use crate::store::format::frame::FRAME_BYTES;

/// A segment of some messages, and the bytes of the one that was there before.
fn written() -> (Log, Vec<u8>) {
    let mut before = Log::new();
    for _ in 0..20 {
        before.message(&[1, 2], b"what was there before");
    }
    let mut log = Log::new();
    log.message(&[1], b"of the first segment");
    log.append(vec![Op::Settle(vec![1])]);
    log.roll();
    log.reuse();
    log.message(&[1], b"body");
    log.message(&[1], b"another body");
    log.append(vec![Op::Settle(vec![2])]);
    assert!(before.bytes.len() > log.bytes.len() + 300);
    (log, before.bytes)
}

#[test]
fn what_was_there_before_is_neither_read_nor_torn() {
    let (log, before) = written();
    let end = log.bytes.len();
    log.put_last(&[&log.bytes, &before[end..]].concat());
    let (state, recovered) = State::recovered(&log.disk);
    assert_eq!(state, State::after(&log.units));
    let report = &recovered.report;
    assert_eq!((report.torn_bytes, report.damages.len()), (0, 0), "{:?}", report.damages);
    assert_eq!(recovered.segments.last().unwrap().end as usize, end);
}

#[test]
fn a_write_that_was_not_finished_is_torn_as_far_as_can_be_told() {
    let (log, before) = written();
    let last = log.units.last().unwrap().clone();
    for cut in last.start..last.end {
        log.put_last(&[&log.bytes[..cut], &before[cut..]].concat());
        let (state, recovered) = State::recovered(&log.disk);
        assert_eq!(state, State::after(log.within(cut)), "{cut}");
        let begun = cut - last.start >= FRAME_BYTES - 2;
        let torn = if begun { last.end - last.start } else { 0 };
        assert_eq!(recovered.report.torn_bytes, torn as u64, "{cut}");
        assert_eq!(recovered.report.damages, [""; 0]);
    }
}

#[test]
fn a_full_segment_whose_end_nobody_knows_is_no_damage() {
    let (mut log, before) = written();
    let whole = [&log.bytes, &before[log.bytes.len()..]].concat();
    // The next one that is there does not say where this one ends, since one between them is gone.
    log.roll();
    log.roll();
    log.append(vec![Op::Removed(3)]);
    log.message(&[1], b"later");
    log.save();
    log.disk.put("00000002.log", &whole);
    log.disk.remove("00000003.log").unwrap();
    log.forget_indexes();
    for has_index in [false, true] {
        let (state, recovered) = State::recovered(&log.disk);
        assert_eq!(state, State::after(&log.units));
        assert_eq!(recovered.report.damages, [""; 0], "with an index: {has_index}");
    }
}

#[test]
fn records_behind_a_hole_are_torn_too() {
    let (log, before) = written();
    let end = log.bytes.len();
    let [.., hole, _] = log.units.as_slice() else { panic!("there are more") };
    let mut bytes = [&log.bytes, &before[end..]].concat();
    bytes[hole.start..hole.end].copy_from_slice(&before[hole.start..hole.end]);
    log.put_last(&bytes);
    let (state, recovered) = State::recovered(&log.disk);
    assert_eq!(state, State::after(log.within(hole.start)));
    assert_eq!(recovered.report.torn_bytes, (end - hole.start) as u64);
}
