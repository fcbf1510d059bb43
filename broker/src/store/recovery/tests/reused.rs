//! A segment in the file of another one, of which there is still something behind its records.

use super::log::{Log, Op, State};
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
        assert_eq!(recovered.report.torn_bytes as usize, torn, "{cut}");
        assert_eq!(recovered.report.damages, [""; 0]);
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
    assert_eq!(recovered.report.torn_bytes as usize, end - hole.start);
}
