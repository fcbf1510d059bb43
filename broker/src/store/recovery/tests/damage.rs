//! What was synced and is not what it was: skipped, told and kept.

use super::log::{Log, Op, State, Unit};
use crate::store::disk::Disk;
use crate::store::disk::simulated::DiskFault;
use crate::store::format::header::HEADER_BYTES;
use crate::store::names;
use crate::store::recovery::recover;

/// Two segments with every kind of record; all of the first is synced, and of the second what comes
/// before its mark.
fn log() -> Log {
    let mut log = Log::new();
    for _ in 0..2 {
        let first = log.message(&[1, 2], b"one");
        log.message(&[1], b"two");
        let reference = log.take(1);
        log.append(vec![Op::Definition { reference, content: b"old".to_vec() }]);
        log.append(vec![Op::Returned { reference: first, delivery_count: 1, retry_at: Some(4) }]);
        log.append(vec![Op::Settle(vec![first + 1])]);
        let new = log.take(2);
        log.append(vec![
            Op::Definition { reference: new, content: b"new".to_vec() },
            Op::Message { first: new + 1, queues: vec![9], replaces: vec![], body: vec![] },
            Op::Settle(vec![reference]),
        ]);
        let reference = log.take(1);
        log.append(vec![Op::Delayed { reference, due: 1 }]);
        log.append(vec![Op::Removed(77)]);
        log.append(vec![Op::Mark]);
        log.message(&[3], b"three");
        log.roll();
    }
    log.disk.remove(&names::segment(3)).unwrap();
    log.number = 2;
    log.bytes = log.disk.content(&names::segment(2)).unwrap();
    log
}

/// What is left without the frame at `hit`: of a group what adds something, if it is not the one.
fn without(unit: &Unit, hit: usize) -> Unit {
    let mut ops = Vec::new();
    let mut start = unit.start;
    for op in &unit.ops {
        let mut bytes = Vec::new();
        super::log::put(&mut bytes, op);
        let is_hit = (start..start + bytes.len()).contains(&hit);
        let adds = matches!(op, Op::Message { .. } | Op::Delayed { .. } | Op::Definition { .. });
        if !is_hit && (adds || unit.ops.len() == 1) {
            ops.push(op.clone());
        }
        start += bytes.len();
    }
    Unit { ops, ..unit.clone() }
}

#[test]
fn a_bit_of_every_byte_flipped_in_a_sealed_segment() {
    let log = log();
    let name = names::segment(1);
    let whole = log.disk.content(&name).unwrap();
    // That each bit counts is known of frames.
    for bit in (HEADER_BYTES * 8..whole.len() * 8).step_by(9) {
        let hit = bit / 8;
        log.forget_indexes();
        let mut bytes = whole.clone();
        bytes[hit] ^= 1 << (bit % 8);
        log.disk.put(&name, &bytes);
        let unit = log
            .units
            .iter()
            .position(|unit| unit.segment == 1 && (unit.start..unit.end).contains(&hit));
        let left = log
            .units
            .iter()
            .enumerate()
            .map(|(index, of)| if Some(index) == unit { without(of, hit) } else { of.clone() });
        let left: Vec<_> = left.collect();
        let (state, recovered) = State::recovered(&log.disk);
        assert_eq!(state, State::after(&left), "bit {bit}");
        let told = recovered.report.damages;
        assert_eq!(told.is_empty(), unit.is_none(), "bit {bit}: {told:?}");
        assert!(told.iter().all(|text| text.contains("'00000001.log'")), "{told:?}");
        assert_eq!(log.disk.quarantined().is_empty(), bit == HEADER_BYTES * 8 && told.is_empty());
        // It has an index now, of what is left, and the next start says nothing.
        let (again, recovered) = State::recovered(&log.disk);
        assert_eq!(again, state, "bit {bit}");
        assert_eq!(recovered.report.damages, [""; 0], "bit {bit}");
    }
}

#[test]
fn a_bit_of_every_byte_flipped_in_the_last_segment() {
    let log = log();
    let whole = log.bytes.clone();
    let mark = log.units.iter().rfind(|unit| unit.ops == [Op::Mark]).unwrap().clone();
    let end = log.units.last().unwrap().end;
    for bit in (HEADER_BYTES * 8..end * 8).step_by(9) {
        let hit = bit / 8;
        let mut bytes = whole.clone();
        bytes[hit] ^= 1 << (bit % 8);
        log.put_last(&bytes);
        let (state, recovered) = State::recovered(&log.disk);
        let hit_unit = log
            .units
            .iter()
            .find(|unit| unit.segment == 2 && (unit.start..unit.end).contains(&hit));
        let hit_unit = hit_unit.unwrap();
        let told = &recovered.report.damages;
        if hit < mark.start {
            let left = log.units.iter().map(|unit| {
                if unit.segment == 2 && unit.start == hit_unit.start {
                    without(unit, hit)
                } else {
                    unit.clone()
                }
            });
            assert_eq!(state, State::after(&left.collect::<Vec<_>>()), "bit {bit}");
            assert!(!told.is_empty(), "bit {bit}");
            assert_eq!(recovered.report.torn_bytes, 0, "bit {bit}");
        } else {
            assert_eq!(state, State::after(log.within(hit_unit.start)), "bit {bit}");
            assert_eq!(*told, [""; 0], "bit {bit}");
            assert_eq!(recovered.report.torn_bytes, (end - hit_unit.start) as u64, "bit {bit}");
        }
    }
    assert_eq!(log.disk.quarantined(), [names::segment(2)]);
}

#[test]
fn a_header_that_is_changed_anywhere_is_read_from_its_copy() {
    let log = log();
    for number in [1, 2] {
        let name = names::segment(number);
        let whole = log.disk.content(&name).unwrap();
        let expected = State::after(&log.units);
        for byte in (0..64).chain((64..HEADER_BYTES).step_by(61)) {
            let mut bytes = whole.clone();
            bytes[byte] ^= 0x21;
            log.disk.put(&name, &bytes);
            let (state, recovered) = State::recovered(&log.disk);
            assert_eq!(state, expected, "byte {byte}");
            assert_eq!(recovered.report.damages, [""; 0], "the other copy is whole");
        }
        log.disk.put(&name, &whole);
    }
}

#[test]
fn a_header_that_is_gone_costs_no_record() {
    let log = log();
    for fill in [0, 0xee] {
        for number in [1, 2] {
            let name = names::segment(number);
            let whole = log.disk.content(&name).unwrap();
            let mut bytes = whole.clone();
            bytes[..HEADER_BYTES].fill(fill);
            log.disk.put(&name, &bytes);
            log.forget_indexes();
            let (state, recovered) = State::recovered(&log.disk);
            assert_eq!(state, State::after(&log.units));
            let told = &recovered.report.damages;
            assert_eq!(told[0], format!("'{name}': its header is damaged"));
            // With an index not even the first record is needed.
            if number == 1 {
                bytes[HEADER_BYTES] ^= 1;
                log.disk.put(&name, &bytes);
                let again = recover(&log.disk).unwrap();
                assert_eq!(again.segments[0].summary, recovered.segments[0].summary);
                assert_eq!(again.report.damages[0], told[0], "and that is told all the same");
            }
            log.disk.put(&name, &whole);
        }
    }
}

#[test]
fn a_segment_of_which_nothing_can_be_read_is_kept() {
    let log = log();
    let name = names::segment(1);
    log.disk.put(&name, &[0xaa; 20_000]);
    let (state, recovered) = State::recovered(&log.disk);
    let left = log.units.iter().filter(|unit| unit.segment == 2);
    assert_eq!(state, State::after(left));
    let told = &recovered.report.damages;
    assert_eq!(told[0], "'00000001.log': nothing in it can be read");
    assert_eq!(told[1], "'00000001.log' is in the folder 'quarantine' now");
    assert_eq!(recovered.unused, std::slice::from_ref(&name));
    assert_eq!(log.disk.quarantined(), [name]);
}

/// All of it was synced, as the next one says.
#[test]
fn a_sealed_segment_that_ends_early_is_damaged() {
    let log = log();
    let name = names::segment(1);
    let whole = log.disk.content(&name).unwrap();
    let last = log.units.iter().rfind(|unit| unit.segment == 1).unwrap();
    let left = log.units.iter().filter(|unit| unit.start != last.start || unit.segment == 2);
    let left = State::after(left);
    for is_cut in [true, false] {
        log.forget_indexes();
        let mut bytes = whole.clone();
        match is_cut {
            true => bytes.truncate(last.start),
            false => bytes[last.start..].fill(0),
        }
        log.disk.put(&name, &bytes);
        let (state, recovered) = State::recovered(&log.disk);
        assert_eq!(state, left);
        let told = &recovered.report.damages;
        let place = format!("bytes from {} on", last.start);
        assert!(told[0].contains(&place), "{told:?}");
        let (_, recovered) = State::recovered(&log.disk);
        assert_eq!(recovered.report.damages, [""; 0], "it is told once");
    }
    // An index that says more than the file has is not believed.
    log.disk.put(&name, &whole);
    log.forget_indexes();
    State::recovered(&log.disk);
    log.disk.put(&name, &whole[..last.start]);
    let (state, recovered) = State::recovered(&log.disk);
    assert_eq!(state, left);
    assert!(!recovered.report.damages.is_empty());
}

/// A disk that can't read a page loses what is in it.
#[test]
fn pages_that_the_disk_cannot_read_are_damage() {
    let mut log = Log::new();
    for _ in 0..40 {
        log.message(&[1], &[8; 1000]);
    }
    log.roll();
    log.message(&[2], b"last");
    log.save();
    let whole = State::recovered(&log.disk).0;
    log.forget_indexes();
    let calls = log.disk.calls();
    State::recovered(&log.disk);
    let calls = log.disk.calls() - calls;
    let mut lost = 0;
    for call in 1..=calls {
        log.forget_indexes();
        // The first read fails, and then one of its pages.
        log.disk.fail_call(log.disk.calls() + call, DiskFault::Broken);
        log.disk.fail_call(log.disk.calls() + call + 3, DiskFault::Broken);
        let Ok(mut recovered) = recover(&log.disk) else { continue };
        let mut messages = 0;
        if recovered.restore(&log.disk, |_| messages += 1).is_ok() && messages < 41 {
            lost += 1;
            assert!(messages > 30, "a page has few of them");
            assert!(!recovered.report.damages.is_empty());
        }
    }
    assert!(lost > 0);
    assert_eq!(whole.messages.len(), 41);
}
