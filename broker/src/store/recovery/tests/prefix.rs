//! Any prefix of what was written is a state that there was.

use proptest::prelude::*;

use super::log::{Log, Op, State};
use crate::store::format::header::HEADER_BYTES;

#[derive(Debug, Clone)]
enum Step {
    Message(Vec<u64>, usize, Vec<prop::sample::Index>),
    Delayed,
    Definition(Vec<u8>),
    Settle(Vec<prop::sample::Index>),
    Returned(prop::sample::Index, u32),
    Mark,
    Roll,
}

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let queues = prop::collection::vec(1_u64..5, 1..4);
    prop_oneof![
        6 => (queues, 0_usize..40, some()).prop_map(|(a, b, c)| Step::Message(a, b, c)),
        1 => Just(Step::Delayed),
        2 => any::<[u8; 5]>().prop_map(|content| Step::Definition(content.to_vec())),
        4 => some().prop_map(Step::Settle),
        2 => (any::<prop::sample::Index>(), 0_u32..4).prop_map(|(a, b)| Step::Returned(a, b)),
        1 => Just(Step::Mark),
        1 => Just(Step::Roll),
    ]
}

/// Steps that survive together, or one.
fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let unit = prop_oneof![
        4 => step().prop_map(|step| vec![step]),
        1 => prop::collection::vec(step(), 2..4),
    ];
    prop::collection::vec(unit, 1..25)
}

fn written(units: Vec<Vec<Step>>) -> Log {
    let mut log = Log::new();
    // What can be settled: a reference that was given.
    let mut given = 0;
    for unit in units {
        let mut ops = Vec::new();
        for step in unit {
            let chosen = |choices: &[prop::sample::Index]| -> Vec<u64> {
                let chosen = choices.iter().filter(|_| given > 0);
                chosen.map(|index| index.index(given) as u64 + 1).collect()
            };
            match step {
                Step::Message(queues, length, replaces) => {
                    let replaces = chosen(&replaces);
                    let first = log.take(queues.len());
                    given += queues.len();
                    ops.push(Op::Message { first, queues, replaces, body: vec![7; length] });
                }
                Step::Delayed => {
                    given += 1;
                    ops.push(Op::Delayed { reference: log.take(1), due: 5 });
                }
                Step::Definition(content) => {
                    given += 1;
                    ops.push(Op::Definition { reference: log.take(1), content });
                }
                Step::Settle(choices) => {
                    let chosen = chosen(&choices);
                    if !chosen.is_empty() {
                        ops.push(Op::Settle(chosen));
                    }
                }
                Step::Returned(index, delivery_count) if given > 0 => {
                    let reference = index.index(given) as u64 + 1;
                    ops.push(Op::Returned { reference, delivery_count, retry_at: Some(9) });
                }
                Step::Roll if ops.is_empty() => log.roll(),
                Step::Mark if ops.is_empty() => log.append(vec![Op::Mark]),
                Step::Returned(..) | Step::Roll | Step::Mark => {}
            }
        }
        if !ops.is_empty() {
            log.append(ops);
        }
    }
    log.save();
    log
}

/// How far the last segment was synced by its marks, within its first bytes.
fn synced(log: &Log, end: usize) -> usize {
    let marks = log.within(end).filter(|unit| unit.segment == log.number);
    let marks = marks.filter(|unit| unit.ops == [Op::Mark]);
    marks.map(|unit| unit.start).max().unwrap_or(HEADER_BYTES)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_recovered_is_what_the_prefix_says(units in steps(), ends: [prop::sample::Index; 12]) {
        let log = written(units);
        let whole = log.bytes.clone();
        for end in ends.map(|index| HEADER_BYTES + index.index(whole.len() - HEADER_BYTES + 1)) {
            // The file ends there; or it goes on with zeros, or with what is no frame.
            for rest in [vec![], vec![0; 5000], vec![0xa5; 700]] {
                // Which may be what was written there.
                let same = whole[end..].iter().zip(&rest).take_while(|(a, b)| a == b).count();
                let end = end + same;
                let rest = rest.get(same..).unwrap_or_default();
                let expected = State::after(log.within(end));
                log.put_last(&[&whole[..end], rest].concat());
                let (state, recovered) = State::recovered(&log.disk);
                prop_assert_eq!(&state, &expected);
                prop_assert!(recovered.report.damages.is_empty());
                let last = recovered.segments.last().unwrap();
                let kept = log.within(end).filter(|unit| unit.segment == log.number);
                let kept = kept.last().map_or(HEADER_BYTES, |unit| unit.end);
                prop_assert_eq!(last.end as usize, kept);
            }
        }
    }

    /// Each sector of what was not synced is written or not.
    #[test]
    fn what_was_synced_is_there_whatever_else_was_written(
        units in steps(),
        lost in prop::collection::vec(any::<bool>(), 200),
    ) {
        let log = written(units);
        let mut bytes = log.bytes.clone();
        bytes.resize(bytes.len() + 600, 0);
        let end = bytes.len();
        let synced = synced(&log, end);
        let parts = bytes[synced..].chunks_mut(64).zip(lost);
        parts.filter(|(_, is_lost)| *is_lost).for_each(|(part, _)| part.fill(0));
        log.put_last(&bytes);
        let (_, recovered) = State::recovered(&log.disk);
        prop_assert!(recovered.report.damages.is_empty());
        let end = recovered.segments.last().unwrap().end as usize;
        prop_assert!(end >= synced || log.within(end).count() == log.within(synced).count());
        let (state, _) = State::recovered(&log.disk);
        prop_assert_eq!(state, State::after(log.within(end)));
    }
}

#[test]
fn truncated_at_every_byte() {
    let mut log = Log::new();
    log.message(&[1, 2], b"one");
    log.roll();
    log.message(&[1, 2, 3], b"two");
    log.append(vec![
        Op::Definition { reference: 6, content: b"new".to_vec() },
        Op::Settle(vec![1]),
    ]);
    log.append(vec![Op::Mark]);
    log.append(vec![Op::Returned { reference: 2, delivery_count: 1, retry_at: None }]);
    log.append(vec![Op::Delayed { reference: 7, due: 3 }]);
    log.append(vec![Op::Clean]);
    let whole = log.bytes.clone();
    for end in 0..=whole.len() {
        log.put_last(&whole[..end]);
        let (state, recovered) = State::recovered(&log.disk);
        assert_eq!(state, State::after(log.within(end)), "{end} bytes");
        assert_eq!(recovered.report.was_clean, end == whole.len(), "{end} bytes");
        assert_eq!(recovered.report.damages, [""; 0], "{end} bytes");
        assert!(recovered.next_segment == 3);
    }
}
