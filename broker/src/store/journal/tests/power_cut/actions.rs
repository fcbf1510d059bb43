//! What an engine does with its journal: any of it, at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use springhare_amqp::{DeliveryMode, Message, MessageProperties, ShortString};

use super::dice::Dice;
use super::model::{Model, Op, Thing, Unit};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::pager::ReadBack;
use crate::model::stored::{Lsn, Reference};
use crate::store::disk::simulated::SimulatedDisk;
use crate::store::error::Failure;
use crate::store::journal::append::Append;
use crate::store::journal::core::Appended;
use crate::store::journal::{Journal, message_bound};

/// The engine, and all that it knows.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) dice: Dice,
    pub(super) model: Model,
    pub(super) journal: Option<Arc<Journal>>,
    /// How far the journal has said that all is safe.
    pub(super) told: u64,
    /// The bytes that the last ones were to take at the most.
    pub(super) asked: usize,
    /// Where the messages are that can be read back, as the engine knows it.
    pub(super) places: BTreeMap<u64, (u32, u32)>,
    /// The ends of what was appended.
    pub(super) ends: Vec<u64>,
    /// Once the journal has failed, how far it was synced.
    pub(super) synced_at_failure: Option<u64>,
    /// Whether a call of the disk fails in this life.
    pub(super) has_faults: bool,
    /// How much more is done between the calls of one step, which would never end otherwise.
    pub(super) patience: u32,
    /// The disk as it is after the power cut that has happened.
    pub(super) after: Option<SimulatedDisk>,
}

pub(super) fn reference(number: u64) -> Reference {
    Reference::new(number).unwrap()
}

impl Engine {
    /// Does something that needs no disk.
    pub(super) fn act(&mut self) {
        let Some(journal) = self.journal.clone() else { return };
        match self.dice.below(20) {
            0..=5 => self.append(&journal, 1, None),
            6 => {
                let count = self.dice.below(6) + 1;
                self.append(&journal, count, None);
            }
            7..=8 => {
                let count = self.dice.below(4) + 1;
                self.append(&journal, count, Some(()));
            }
            9..=13 => self.settle(&journal),
            14 => self.settle_most(&journal),
            15..=18 => self.ask(&journal),
            _ => self.read(&journal),
        }
    }

    /// Appends some records of any kind, together or not.
    fn append(&mut self, journal: &Journal, count: u64, together: Option<()>) {
        // All that is random is chosen first: a group has to say how much it takes.
        let planned: Vec<Plan> = (0..count).map(|_| self.plan()).collect();
        let bound = planned.iter().map(Plan::bound).sum();
        self.asked = bound;
        let kind = self.dice.one_of(&[Appended::Messages, Appended::Changes]);
        let appended = journal.append_as(kind, bound, together.map(|()| bound), |append| {
            planned.into_iter().map(|plan| plan.append(append)).collect::<Vec<_>>()
        });
        self.appended(journal, appended, together.is_some());
    }

    fn appended(
        &mut self,
        journal: &Journal,
        appended: Result<(Vec<Done>, Lsn), Failure>,
        is_group: bool,
    ) {
        match appended {
            Ok((done, end)) => {
                super::tell(|| {
                    let ops = done.iter().map(|done| (done.end, &done.ops));
                    format!("appended to {end:?}, group: {is_group}: {:?}", ops.collect::<Vec<_>>())
                });
                assert_eq!(journal.failure(), None);
                for done in &done {
                    self.places.extend(done.places.iter().copied());
                }
                if is_group {
                    let ops = done.into_iter().flat_map(|done| done.ops).collect();
                    self.model.append(Unit { end: end.0, ops });
                } else {
                    for Done { ops, end, .. } in done {
                        self.model.append(Unit { end, ops });
                    }
                }
                self.ends.push(end.0);
            }
            Err(Failure::Full) => {
                let is_large = self.asked + 5_000 > journal.core.settings.segment_bytes as usize;
                assert!(journal.blocked().is_some() || is_large, "it is full of nothing");
            }
            Err(Failure::Closed) => {}
            Err(Failure::Failed(_)) => assert!(journal.failure().is_some()),
        }
    }

    fn plan(&mut self) -> Plan {
        let replaces = if self.dice.one_in(4) { self.some_alive(2) } else { Vec::new() };
        match self.dice.below(12) {
            0 => Plan::Definition(self.body()),
            1 => Plan::Delayed { body: self.body(), due: self.dice.below(1 << 40) },
            2 => Plan::Settle(self.some_alive(5)),
            3 => {
                let alive = self.model.now.things.iter();
                let messages = alive.filter(|(_, thing)| matches!(thing, Thing::Message { .. }));
                let messages: Vec<u64> = messages.map(|(reference, _)| *reference).collect();
                if messages.is_empty() {
                    return Plan::Definition(Vec::new());
                }
                let reference = self.dice.one_of(&messages);
                let known = self.model.now.returned.get(&reference).map_or(0, |known| known.0);
                let retry_at = self.dice.one_in(2).then(|| self.dice.below(1 << 41));
                Plan::Returned { reference, delivery_count: known + 1, retry_at }
            }
            _ => {
                let queues = self.dice.one_of(&[1, 1, 1, 2, 3, 7]);
                let queues = (0..queues).map(|_| self.dice.below(5) + 1).collect();
                let published_at = self.dice.below(1 << 41);
                Plan::Message { body: self.body(), queues, published_at, replaces }
            }
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let most = self.dice.one_of(&[1, 60, 600, 600, 3_000]);
        let most = if self.dice.one_in(40) { 30_000 } else { most };
        let length = self.dice.below(most);
        self.dice.bytes(length)
    }

    /// A few that are alive, and perhaps one that is not.
    fn some_alive(&mut self, most: u64) -> Vec<u64> {
        let alive: Vec<u64> = self.model.now.things.keys().copied().collect();
        if alive.is_empty() || self.dice.one_in(20) {
            return self
                .model
                .highest_now()
                .checked_sub(1)
                .map_or(Vec::new(), |highest| vec![self.dice.below(highest) + 1]);
        }
        // Mostly the oldest ones.
        let from = if self.dice.one_in(3) { self.dice.below(alive.len() as u64) } else { 0 };
        let count = self.dice.below(most) + 1;
        alive.into_iter().skip(from as usize).take(count as usize).collect()
    }

    fn settle(&mut self, journal: &Journal) {
        let settled = self.some_alive(6);
        self.settle_these(journal, settled);
    }

    /// What is left of a long time when a queue is drained.
    fn settle_most(&mut self, journal: &Journal) {
        let alive: Vec<u64> = self.model.now.things.keys().copied().collect();
        let left = self.dice.below(5);
        let settled = alive.into_iter().filter(|_| !self.dice.one_in(left + 2)).collect();
        self.settle_these(journal, settled);
    }

    pub(super) fn settle_these(&mut self, journal: &Journal, settled: Vec<u64>) {
        if settled.is_empty() {
            return;
        }
        let plan = Plan::Settle(settled);
        let appended =
            journal.append_as(Appended::Changes, 0, None, |append| vec![plan.append(append)]);
        self.appended(journal, appended, false);
    }

    /// Asks whether something is safe.
    pub(super) fn ask(&mut self, journal: &Journal) {
        let synced = journal.core.synced();
        if journal.failure().is_some() {
            let before = *self.synced_at_failure.get_or_insert(synced);
            assert_eq!(synced, before, "it has failed, and goes on syncing");
        }
        if self.ends.is_empty() {
            return;
        }
        let end = self.dice.one_of(&self.ends);
        match journal.poll_synced(Lsn(end), Waker::noop()) {
            Poll::Ready(Ok(())) => self.told = self.told.max(end),
            Poll::Ready(Err(_)) => assert!(journal.failure().is_some()),
            Poll::Pending => assert_eq!(journal.failure(), None),
        }
    }

    /// Reads something back that is written, from where it was once.
    pub(super) fn read(&mut self, journal: &Journal) {
        let alive: Vec<u64> = self.model.now.things.keys().copied().collect();
        let first = self.dice.below(alive.len() as u64) as usize;
        let Some(place) = alive.get(first).and_then(|number| self.places.get(number)) else {
            return;
        };
        let wanted: Vec<(Reference, u32)> = alive[first..]
            .iter()
            .filter_map(|number| Some((*number, self.places.get(number)?)))
            .filter(|(_, other)| other.0 == place.0)
            .map(|(number, place)| (reference(number), place.1))
            .take(5)
            .collect();
        let core = &journal.core;
        // What is not written is still in the engine's memory.
        if !core.is_written(core.lock().end()) {
            return;
        }
        let read = journal.read(place.0, &wanted);
        for ((reference, _), message) in wanted.iter().zip(read) {
            let ReadBack::Message(message) = message else {
                assert!(self.after.is_some() || self.has_faults, "{reference:?} can't be read");
                let is_there = self.model.now.things.contains_key(&reference.number());
                assert!(!is_there || message == ReadBack::NotNow, "{reference:?} is lost");
                continue;
            };
            let thing = self.model.now.things.get(&reference.number());
            let Some(Thing::Message { body, .. } | Thing::Delayed { body, .. }) = thing else {
                continue;
            };
            assert_eq!(message.message.body, body[..], "{reference:?}");
            assert!(message.stored().is_some_and(|stored| stored.end == Lsn::NONE));
        }
    }
}

/// A record that is to be appended.
#[derive(Debug)]
enum Plan {
    Message { body: Vec<u8>, queues: Vec<u64>, published_at: u64, replaces: Vec<u64> },
    Delayed { body: Vec<u8>, due: u64 },
    Definition(Vec<u8>),
    Settle(Vec<u64>),
    Returned { reference: u64, delivery_count: u32, retry_at: Option<u64> },
}

/// A record that was appended.
#[derive(Debug)]
struct Done {
    ops: Vec<Op>,
    end: u64,
    places: Vec<(u64, (u32, u32))>,
}

pub(super) fn message(body: &[u8]) -> PublishedMessage {
    let mut properties = MessageProperties::default();
    properties.delivery_mode = Some(DeliveryMode::Persistent);
    let message = Message { properties, body: body.to_vec().into() };
    PublishedMessage::new(
        ShortString::from_static("exchange"),
        ShortString::from_static("key"),
        message,
    )
}

impl Plan {
    fn bound(&self) -> usize {
        let small = Journal::SMALL_BOUND;
        match self {
            Self::Message { body, queues, replaces, .. } => {
                message_bound(&message(body), queues.len()) + small * replaces.len()
            }
            Self::Delayed { body, .. } => message_bound(&message(body), 1) + small,
            Self::Definition(content) => content.len() + small,
            Self::Settle(settled) => small * settled.len(),
            Self::Returned { .. } => small,
        }
    }

    fn append(self, append: &mut Append<'_>) -> Done {
        let mut places = Vec::new();
        let ops = match self {
            Self::Message { body, queues, published_at, replaces } => {
                let message = message(&body);
                let ids: Vec<QueueId> = queues.iter().copied().map(QueueId).collect();
                let replaced: Vec<_> = replaces.iter().copied().map(reference).collect();
                let time = Duration::from_millis(published_at);
                let first = append.message(&message, &ids, time, &replaced).number();
                let stored = message.stored().unwrap();
                assert_eq!(stored.end, append.log.end());
                let place = (stored.place.segment, stored.place.offset);
                let added = queues.iter().zip(first..).map(|(queue, number)| {
                    places.push((number, place));
                    let thing = Thing::Message { queue: *queue, published_at, body: body.clone() };
                    Op::Add(number, thing)
                });
                added.chain([Op::Settle(replaces)]).collect()
            }
            Self::Delayed { body, due } => {
                let message = message(&body);
                let time = Duration::from_millis(due);
                let number = append.delayed(&message, "/", "later", time).number();
                let stored = message.stored().unwrap();
                assert_eq!(stored.end, append.log.end());
                places.push((number, (stored.place.segment, stored.place.offset)));
                vec![Op::Add(number, Thing::Delayed { due, body })]
            }
            Self::Definition(content) => {
                let number = append.definition(&content).number();
                vec![Op::Add(number, Thing::Definition(content))]
            }
            Self::Settle(settled) => {
                let references: Vec<_> = settled.iter().copied().map(reference).collect();
                append.settle(&references);
                vec![Op::Settle(settled)]
            }
            Self::Returned { reference: number, delivery_count, retry_at } => {
                let time = retry_at.map(Duration::from_millis);
                append.returned(reference(number), delivery_count, time);
                vec![Op::Returned { reference: number, delivery_count, retry_at }]
            }
        };
        Done { ops, end: append.log.end().0, places }
    }
}
