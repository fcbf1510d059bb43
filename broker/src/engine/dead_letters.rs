//! Dead letters on their way from their queue to the queues that they are routed to.
//!
//! A message leaves its queue for good once these have it: until then the queue counts it as
//! dead and not dead-lettered. A queue that gets dead letters may have dead ones of its own then, so this
//! goes on from queue to queue: a list, and no recursion, since a chain of queues may be long.
//!
//! In the journal a letter takes the place of the dead message in one step.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::delaying::NotDelayed;
use super::entering::Entrance;
use super::queue_cell::{QueueCell, QueueRef};
use super::random;
use super::virtual_host::VirtualHost;
use crate::model::arguments::DeadLetterStrategy;
use crate::model::dead_letter::{DeadLetter, DeadLetterRoute, DeadLetterWriter, DeathReason};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::queue::{Dead, DeadBatch, DeadLetterTo, Enqueued};
use crate::model::routed_message::RoutedMessage;
use crate::model::routes::Routes;
use crate::model::stored::{Lsn, Reference};
use crate::model::topology::{QueueHandle, Topology};

/// Queues that have dead messages in their turn.
type Deaths = VecDeque<(QueueRef, DeadBatch)>;

impl VirtualHost {
    /// Sends the dead of a queue to where they belong, and those that die of it.
    pub(super) fn dead_letter_all(&self, queue: &QueueCell, batch: DeadBatch) {
        let mut deaths = Deaths::new();
        self.dead_letter_batch(queue, batch, &mut deaths);
        while let Some((queue, batch)) = deaths.pop_front() {
            self.dead_letter_batch(&queue, batch, &mut deaths);
        }
    }

    fn dead_letter_batch(&self, queue: &QueueCell, batch: DeadBatch, deaths: &mut Deaths) {
        let DeadBatch { to, mut dead } = batch;
        let mut dead_lettering = DeadLettering::new(self, queue, &to, deaths);
        for (place, dead) in dead.iter().enumerate() {
            dead_lettering.send(place, dead);
        }
        let Unfinished { undelivered, unstored, replaced, taken, delayed } =
            dead_lettering.finish();
        for place in replaced {
            if let Some(dead) = dead.get_mut(place) {
                dead.message.reference = None;
            }
        }
        // What the journal did not take is not lost for that, whatever the strategy.
        let unfinished = match to.strategy {
            DeadLetterStrategy::AtMostOnce => unstored,
            DeadLetterStrategy::AtLeastOnce => sorted([undelivered, unstored].concat()),
        };
        if unfinished.is_empty() {
            deaths.extend(queue.dead_lettered(&dead, Vec::new()));
            return;
        }
        let (mut done, mut kept) = (Vec::new(), Vec::new());
        for (place, mut dead) in dead.into_iter().enumerate() {
            if unfinished.binary_search(&place).is_err() {
                done.push(dead);
                continue;
            }
            let from = taken.partition_point(|(at, _)| *at < place);
            let own = taken.iter().skip(from).take_while(|(at, _)| *at == place);
            dead.taken_by.extend(own.map(|(_, queue)| *queue));
            dead.is_delayed |= delayed.binary_search(&place).is_ok();
            kept.push(dead);
        }
        deaths.extend(queue.dead_lettered(&done, kept));
    }
}

/// What became of dead letters that is not the same for all, by their places among the dead.
#[derive(Debug, Default)]
struct Unfinished {
    /// Those that a queue refused, or that reached none.
    undelivered: Vec<usize>,
    /// Those that the journal did not take.
    unstored: Vec<usize>,
    /// Those that have taken the place of the dead message in the journal.
    replaced: Vec<usize>,
    /// Which queue took which.
    taken: Vec<(usize, QueueId)>,
    /// Those that wait at delayed exchanges.
    delayed: Vec<usize>,
}

/// A letter in a row of those that go to the same queues.
struct Letter {
    /// The place of the dead message among all.
    place: usize,
    /// What the journal knows the dead message by, if it keeps that.
    dead: Option<Reference>,
    letter: Arc<PublishedMessage>,
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}

/// The dead letters of one queue, on their way.
///
/// Those in a row that go to the same queues are handed over together.
struct DeadLettering<'f> {
    virtual_host: &'f VirtualHost,
    queue: &'f QueueCell,
    to: &'f DeadLetterTo,
    writer: DeadLetterWriter<'f>,
    topology: Arc<Topology<QueueRef>>,
    routes: Routes<QueueRef>,
    /// Where the letters of `row` go.
    targets: SmallVec<[QueueRef; 4]>,
    row: Vec<Letter>,
    unfinished: Unfinished,
    deaths: &'f mut Deaths,
}

impl<'f> DeadLettering<'f> {
    fn new(
        virtual_host: &'f VirtualHost,
        queue: &'f QueueCell,
        to: &'f DeadLetterTo,
        deaths: &'f mut Deaths,
    ) -> Self {
        let time = virtual_host.clock().unix_time().as_secs();
        let DeadLetterTo { exchange, routing_key, .. } = to;
        let route = DeadLetterRoute { exchange, routing_key: routing_key.as_ref() };
        Self {
            virtual_host,
            queue,
            to,
            writer: DeadLetterWriter::new(queue.name(), time, route, queue.take_last_letter()),
            topology: virtual_host.topology(),
            routes: Routes::default(),
            targets: SmallVec::new(),
            row: Vec::new(),
            unfinished: Unfinished::default(),
            deaths,
        }
    }

    /// Sends one dead message on, together with the next if that goes the same way.
    fn send(&mut self, place: usize, dead: &Dead) {
        let Dead { message, reason, taken_by, .. } = dead;
        let exchange = &self.to.exchange;
        let DeadLetter { message: letter, deaths } = self.writer.write(&message.message, *reason);
        let header_bytes = letter.message.properties.encoded_len();
        if deaths.are_too_many() || header_bytes > self.virtual_host.config().frame_max {
            self.queue.tell_dropped(exchange);
            return;
        }
        let routed = RoutedMessage::of(&letter, random::number);
        let routed = self.topology.route(exchange, &routed, &mut self.routes);
        let letter = Arc::new(letter);
        let is_reply = routed.is_ok()
            && (self.routes.is_empty() || !letter.copies().is_empty())
            && self.virtual_host.reply(&letter);
        let has_queues = routed.is_ok() && !self.routes.is_empty();
        let replaced = message.reference.filter(|_| !has_queues);
        let is_delayed = dead.is_delayed || self.delay(place, &letter, replaced);
        if routed.is_err() || self.routes.is_empty() {
            if !is_reply && !is_delayed {
                tracing::debug!(queue = %self.queue.name(), %exchange, "a dead letter has no route");
                self.unfinished.undelivered.push(place);
            }
            return;
        }
        let targets = self.routes.queues().iter().filter(|target| {
            // A death that a consumer wanted is never one that goes round by itself.
            let goes_round = *reason != DeathReason::Rejected && deaths.is_cycle(target.name());
            if goes_round {
                self.queue.tell_dropped(target.name());
            }
            !goes_round && !taken_by.contains(&target.queue_id())
        });
        let targets: SmallVec<[QueueRef; 4]> = targets.cloned().collect();
        if !targets.iter().map(|to| to.queue_id()).eq(self.targets.iter().map(|to| to.queue_id())) {
            self.hand_over();
            self.targets = targets;
        }
        if !self.targets.is_empty() {
            self.row.push(Letter { place, dead: message.reference, letter });
        }
    }

    /// Lets a letter wait at the delayed exchanges that it reached; whether it does. There it takes the
    /// place of the dead message in the journal, if that is given.
    fn delay(
        &mut self,
        place: usize,
        letter: &Arc<PublishedMessage>,
        dead: Option<Reference>,
    ) -> bool {
        let delays = self.routes.delays();
        if delays.is_empty() {
            return false;
        }
        let replaced = dead.filter(|_| self.replaces());
        match self.virtual_host.delay(letter, delays, replaced) {
            Ok(end) => {
                self.unfinished.delayed.push(place);
                if end != Lsn::NONE && replaced.is_some() {
                    self.unfinished.replaced.push(place);
                }
                true
            }
            Err(NotDelayed::Full) => {
                self.unfinished.undelivered.push(place);
                false
            }
            Err(NotDelayed::NotStored(_)) => {
                self.unfinished.unstored.push(place);
                false
            }
        }
    }

    /// Whether a letter takes the place of the dead message in the journal, in one step. Where each queue is
    /// to have it, that is not known before all do, and it may be twice if the broker ends meanwhile.
    fn replaces(&self) -> bool {
        self.to.strategy == DeadLetterStrategy::AtMostOnce
    }

    fn hand_over(&mut self) {
        let replaces = self.replaces();
        let Self { virtual_host, targets, row, unfinished, deaths, .. } = self;
        let row = std::mem::take(row);
        let letters = row.iter().map(|letter| (&*letter.letter, letter.dead.filter(|_| replaces)));
        let Ok(entrance) = Entrance::open(virtual_host, targets, letters) else {
            // It says itself that it has failed.
            unfinished.unstored.extend(row.iter().map(|letter| letter.place));
            return;
        };
        if replaces {
            let kept = row.iter().enumerate().filter(|(at, _)| entrance.is_kept(*at));
            unfinished.replaced.extend(kept.map(|(_, letter)| letter.place));
        }
        let copies = targets.len();
        entrance.through(|at, target, references| {
            let letters = row.iter().map(|letter| Arc::clone(&letter.letter));
            let mut refused: SmallVec<[usize; 8]> = SmallVec::new();
            let letters = references.entering(at, letters, copies);
            let died = target.enqueue_alive(letters, |at, refusal| {
                // One that is dead in its turn is where it belongs.
                if refusal == Enqueued::Refused {
                    refused.push(at);
                }
            });
            deaths.extend(died.map(|batch| (target.clone(), batch)));
            if replaces {
                return;
            }
            for (at, Letter { place, .. }) in row.iter().enumerate() {
                if refused.binary_search(&at).is_ok() {
                    unfinished.undelivered.push(*place);
                } else {
                    unfinished.taken.push((*place, target.queue_id()));
                }
            }
        });
        self.row = row;
        self.row.clear();
    }

    /// What not all queues took, in the order of the dead.
    fn finish(mut self) -> Unfinished {
        self.hand_over();
        self.queue.keep_last_letter(self.writer.into_last());
        let Unfinished { unstored, taken, .. } = &mut self.unfinished;
        unstored.sort_unstable();
        unstored.dedup();
        taken.sort_unstable();
        self.unfinished
    }
}
