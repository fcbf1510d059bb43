use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::names::Names;

/// How much of an operation or an answer is kept, in characters.
const KEPT: usize = 300;

/// How the lane of a publisher is called. Its callers are independent of one another: their results
/// have no order.
pub(super) const PUBLISHER: &str = "publisher";

/// An operation, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    operation: String,
    answer: String,
}

/// What was done one after the other: on a connection, a channel, by a consumer.
#[derive(Debug, Clone)]
struct Lane {
    name: String,
    lines: Vec<Line>,
}

/// What a broker was asked and what it answered, by connection, channel and consumer: what several
/// of them do at the same time has no order.
#[derive(Debug, Clone, Default)]
pub struct Record(Vec<Lane>);

impl Record {
    /// Where this record of RabbitMQ and that of ours differ, a line for each: operation,
    /// RabbitMQ's answer, ours. None where they are the same.
    ///
    /// Of each lane only what comes first can be compared: once something differs, the case may go
    /// on another way.
    #[must_use]
    pub fn beside(&self, ours: &Self) -> Option<String> {
        let mut table = String::new();
        let theirs = self.0.iter().map(|lane| &lane.name);
        let only_ours =
            ours.0.iter().map(|lane| &lane.name).filter(|name| self.lane(name).is_empty());
        for name in theirs.chain(only_ours) {
            let (mut theirs, mut ours) = (self.lane(name).to_vec(), ours.lane(name).to_vec());
            if name.ends_with(PUBLISHER) {
                theirs.sort();
                ours.sort();
            }
            for at in 0..theirs.len().max(ours.len()) {
                let (their, our) = (theirs.get(at), ours.get(at));
                if their != our {
                    let _ = writeln!(table, "{name}, {}: {}", at + 1, difference(their, our));
                }
            }
        }
        let heading = "operation | RabbitMQ | ours";
        (!table.is_empty()).then(|| format!("{heading}\n{table}"))
    }

    fn lane_mut(&mut self, name: &str) -> &mut Vec<Line> {
        if !self.0.iter().any(|lane| lane.name == name) {
            self.0.push(Lane { name: name.to_owned(), lines: Vec::new() });
        }
        let lane = self.0.iter_mut().find(|lane| lane.name == name);
        lane.map_or_else(|| unreachable!("it was just added"), |lane| &mut lane.lines)
    }

    fn lane(&self, name: &str) -> &[Line] {
        self.0.iter().find(|lane| lane.name == name).map_or(&[], |lane| &lane.lines)
    }
}

fn difference(theirs: Option<&Line>, ours: Option<&Line>) -> String {
    let answer = |line: Option<&Line>| line.map_or("-", |line| line.answer.as_str()).to_owned();
    let operation = match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs.operation != ours.operation => {
            format!("{} / {}", theirs.operation, ours.operation)
        }
        (Some(line), _) | (None, Some(line)) => line.operation.clone(),
        (None, None) => String::new(),
    };
    format!("{operation} | {} | {}", answer(theirs), answer(ours))
}

/// Writes a [`Record`]; its clones write the same one.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Writing>>);

#[derive(Debug, Default)]
struct Writing {
    record: Record,
    names: Names,
    connections: usize,
}

impl Recorder {
    /// What was written so far.
    #[must_use]
    pub fn record(&self) -> Record {
        self.writing().record.clone()
    }

    /// The number of the next connection, from 1.
    pub(super) fn next_connection(&self) -> usize {
        let mut writing = self.writing();
        writing.connections += 1;
        writing.connections
    }

    /// A lane to write to; that of the same name goes on.
    pub(super) fn lane(&self, name: &str) -> LaneWriter {
        let mut writing = self.writing();
        let name = writing.names.evened_out(name);
        LaneWriter { recorder: self.clone(), name }
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes one lane of a record.
#[derive(Debug, Clone)]
pub(super) struct LaneWriter {
    recorder: Recorder,
    name: String,
}

impl LaneWriter {
    /// Adds an operation and its answer.
    pub(super) fn note(&self, operation: &str, answer: &str) {
        self.write(operation, answer, |_| false);
    }

    /// The same for an operation that is repeated until its answer is the expected one: only the
    /// last answer is kept.
    pub(super) fn note_poll(&self, operation: &str, answer: &str, is_repeated: fn(&str) -> bool) {
        self.write(operation, answer, is_repeated);
    }

    fn write(&self, operation: &str, answer: &str, is_repeated: impl Fn(&str) -> bool) {
        let mut writing = self.recorder.writing();
        let operation = kept(writing.names.evened_out(operation));
        let answer = kept(writing.names.evened_out(answer));
        let lines = writing.record.lane_mut(&self.name);
        match lines.last_mut() {
            Some(last) if last.operation == operation && is_repeated(&last.answer) => {
                last.answer = answer;
            }
            _ => lines.push(Line { operation, answer }),
        }
    }
}

fn kept(text: String) -> String {
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_side_by_side() {
        let [rabbitmq, ours] = [Recorder::default(), Recorder::default()];
        for (recorder, case, count) in [(&rabbitmq, "case3", "1 ready"), (&ours, "case4", "none")] {
            let lane = recorder.lane("channel 1");
            lane.note(&format!("queue.declare {case}"), "ok");
            lane.note_poll(&format!("get {case}"), "nothing yet", |_| true);
            lane.note_poll(&format!("get {case}"), count, |_| true);
            recorder.lane("channel 2").note("ack", "ok");
        }
        ours.lane("channel 3").note("close", "ok");
        assert_eq!(
            rabbitmq.record().beside(&ours.record()).unwrap(),
            "operation | RabbitMQ | ours\n\
             channel 1, 2: get case | 1 ready | none\n\
             channel 3, 1: close | - | ok\n"
        );
        assert_eq!(ours.record().beside(&ours.record()), None);
    }
}
