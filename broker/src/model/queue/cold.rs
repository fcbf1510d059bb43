use std::collections::VecDeque;
use std::sync::Arc;

use super::QueueMessage;
use super::message::Expires;
use super::ready::Counts;
use super::run::{ColdMessage, Run};
use crate::model::message::PublishedMessage;
use crate::model::pager::{Pager, ReadBack};
use crate::model::stored::Reference;

/// Bytes of bodies that are read back together: enough that the disk is busy with little else, and
/// not more than a consumer has at hand anyway.
const READ_AT_ONCE_BYTES: u64 = 256 << 10;

/// How many messages are read back together at the most.
const READ_AT_ONCE_MAX: u64 = 1_024;

/// The messages of a level that are on the disk alone, and those that came after them.
///
/// There is at least one run as long as there is this, but for a queue that is being restored.
#[derive(Debug, Default)]
pub(super) struct Cold {
    /// By position, but for a queue that is being restored.
    runs: VecDeque<Run>,
    /// Messages in memory, all of them behind the runs.
    pub(super) tail: VecDeque<QueueMessage>,
}

impl Cold {
    /// Nothing yet, before these.
    pub(super) fn before(tail: VecDeque<QueueMessage>) -> Self {
        Self { runs: VecDeque::new(), tail }
    }

    pub(super) fn has_runs(&self) -> bool {
        !self.runs.is_empty()
    }

    pub(super) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// The run with the first message.
    pub(super) fn first_run(&self) -> Option<&Run> {
        self.runs.front()
    }

    pub(super) fn into_parts(self) -> (VecDeque<Run>, VecDeque<QueueMessage>) {
        (self.runs, self.tail)
    }

    /// Puts a message behind the others that are on the disk.
    pub(super) fn push(&mut self, message: &ColdMessage) {
        if self.runs.back_mut().is_some_and(|last| last.push(message)) {
            return;
        }
        if let Some(last) = self.runs.back_mut() {
            last.seal();
        }
        self.runs.push_back(Run::starting_with(message));
    }

    /// Reads the first ones back, to the end of `warm`; whether the disk gave any. What is lost is
    /// counted out.
    pub(super) fn read_back(
        &mut self,
        pager: &dyn Pager,
        counts: &mut Counts,
        warm: &mut VecDeque<QueueMessage>,
    ) -> bool {
        let Some(run) = self.runs.front_mut() else { return true };
        let cold: Vec<ColdMessage> = run.messages().take(at_once(run)).collect();
        let places: Vec<(Reference, u32)> =
            cold.iter().map(|message| (message.reference, message.offset)).collect();
        let read = pager.read(run.segment(), &places);
        let (mut count, mut lost, mut body_bytes, mut mortal) = (0, 0, 0, 0);
        for (message, read) in cold.iter().zip(read) {
            let message = match read {
                ReadBack::Message(read) => message.with(read),
                ReadBack::Lost => {
                    count += 1;
                    lost += 1;
                    continue;
                }
                ReadBack::NotNow => break,
            };
            count += 1;
            body_bytes += message.body_len();
            mortal += usize::from(message.expires != Expires::NEVER);
            counts.warm_charge += u64::from(message.charge);
            warm.push_back(message);
        }
        let taken = run.take(count, body_bytes);
        counts.cold -= count;
        counts.len -= lost;
        counts.mortal -= taken.mortal - mortal.min(taken.mortal);
        counts.body_bytes = (counts.body_bytes + body_bytes).saturating_sub(taken.body_bytes);
        if run.is_empty() {
            self.runs.pop_front();
        }
        count > 0
    }

    /// All have been added, in whatever order: from now on they stand by position.
    pub(super) fn sort(&mut self) {
        let runs = self.runs.make_contiguous();
        runs.sort_by_key(Run::first_position);
        let overlap = |pair: &[Run]| match pair {
            [one, other] => one.last_position() >= other.first_position(),
            _ => false,
        };
        if !runs.windows(2).any(overlap) {
            if let Some(last) = self.runs.back_mut() {
                last.seal();
            }
            return;
        }
        let mut messages: Vec<ColdMessage> = runs.iter().flat_map(Run::messages).collect();
        messages.sort_unstable_by_key(|message| message.position);
        self.runs.clear();
        for message in &messages {
            self.push(message);
        }
    }

    /// What is on the disk alone, in its order.
    #[cfg(test)]
    pub(super) fn messages(&self) -> impl Iterator<Item = ColdMessage> {
        self.runs.iter().flat_map(Run::messages)
    }

    /// The memory that the runs take, in bytes.
    #[cfg(test)]
    pub(super) fn index_bytes(&self) -> usize {
        self.runs.iter().map(Run::index_bytes).sum()
    }
}

/// How many messages of a run are read together: as many as make [`READ_AT_ONCE_BYTES`], if they
/// are as long as those of the run are on average.
fn at_once(run: &Run) -> usize {
    let count = u64::try_from(run.len()).unwrap_or(u64::MAX);
    let average = run.body_bytes() / count.max(1);
    let at_once = (READ_AT_ONCE_BYTES / average.max(1)).clamp(1, READ_AT_ONCE_MAX);
    usize::try_from(at_once).unwrap_or(1).min(run.len())
}

impl ColdMessage {
    /// The message, with what was read of it.
    pub(super) fn with(&self, read: PublishedMessage) -> QueueMessage {
        QueueMessage {
            position: self.position,
            expires: self.expires,
            delivery_count: self.delivery_count,
            charge: u32::try_from(read.charge()).unwrap_or(u32::MAX),
            priority: self.priority,
            redelivered: self.redelivered,
            reference: Some(self.reference),
            message: Arc::new(read),
        }
    }

    /// What is kept of a message in memory, if it can be read back: it is nowhere else then.
    pub(super) fn of(message: &QueueMessage, pager: &dyn Pager) -> Pageable {
        let (Some(reference), Some(stored)) = (message.reference, message.message.stored()) else {
            return Pageable::Never;
        };
        if !pager.is_written(stored.end) {
            return Pageable::NotYet;
        }
        Pageable::Now(Self {
            position: message.position,
            reference,
            segment: stored.place.segment,
            offset: stored.place.offset,
            expires: message.expires,
            delivery_count: message.delivery_count,
            redelivered: message.redelivered,
            priority: message.priority,
            body_len: message.body_len(),
        })
    }
}

/// Whether a message can be on the disk alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pageable {
    Now(ColdMessage),
    /// It is not written yet.
    NotYet,
    /// The journal does not have it.
    Never,
}
