//! Dead letters on their way from their queue to the queues that they are routed to.
//!
//! A message leaves its queue for good once these have it: until then the queue counts it as
//! dead and not buried. A queue that gets dead letters may have dead ones of its own then, so this
//! goes on from queue to queue: a list, and no recursion, since a chain of queues may be long.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::delaying::DelayedFull;
use super::queue_cell::{QueueCell, QueueRef};
use super::random;
use super::virtual_host::VirtualHost;
use crate::model::arguments::DeadLetterStrategy;
use crate::model::dead_letter::{
    DeadLetterRoute, Death, DeathReason, dead_letter, has_died_too_often, is_cycle,
};
use crate::model::message::PublishedMessage;
use crate::model::queue::{Dead, DeadBatch, DeadLetterTo};
use crate::model::routed_message::RoutedMessage;
use crate::model::routes::Routes;
use crate::model::topology::{QueueHandle, Topology};

/// Queues that have dead messages in their turn.
type Deaths = VecDeque<(QueueRef, DeadBatch)>;

impl VirtualHost {
    /// Sends the dead of a queue to where they belong, and those that die of it.
    pub(super) fn bury_all(&self, queue: &QueueCell, batch: DeadBatch) {
        let mut deaths = Deaths::new();
        self.bury_batch(queue, batch, &mut deaths);
        while let Some((queue, batch)) = deaths.pop_front() {
            self.bury_batch(&queue, batch, &mut deaths);
        }
    }

    fn bury_batch(&self, queue: &QueueCell, batch: DeadBatch, deaths: &mut Deaths) {
        let DeadBatch { to, dead } = batch;
        let mut funeral = Funeral::new(self, queue, &to, deaths);
        for (place, dead) in dead.iter().enumerate() {
            funeral.send(place, dead);
        }
        let homeless = funeral.finish();
        if homeless.is_empty() || to.strategy == DeadLetterStrategy::AtMostOnce {
            queue.buried(&dead, Vec::new());
            return;
        }
        let (mut buried, mut kept) = (Vec::new(), Vec::new());
        for (place, dead) in dead.into_iter().enumerate() {
            let is_homeless = homeless.binary_search(&place).is_ok();
            if is_homeless { &mut kept } else { &mut buried }.push(dead);
        }
        queue.buried(&buried, kept);
    }
}

/// The dead letters of one queue, on their way.
///
/// Those in a row that go to the same queues are handed over together.
struct Funeral<'f> {
    virtual_host: &'f VirtualHost,
    queue: &'f QueueCell,
    to: &'f DeadLetterTo,
    time: u64,
    topology: Arc<Topology<QueueRef>>,
    routes: Routes<QueueRef>,
    /// Where the letters of `row` go.
    targets: SmallVec<[QueueRef; 4]>,
    /// Letters, each with its place among the dead.
    row: Vec<(usize, Arc<PublishedMessage>)>,
    /// The places of those that no queue took.
    homeless: Vec<usize>,
    deaths: &'f mut Deaths,
}

impl<'f> Funeral<'f> {
    fn new(
        virtual_host: &'f VirtualHost,
        queue: &'f QueueCell,
        to: &'f DeadLetterTo,
        deaths: &'f mut Deaths,
    ) -> Self {
        Self {
            virtual_host,
            queue,
            to,
            time: virtual_host.clock().unix_time().as_secs(),
            topology: virtual_host.topology(),
            routes: Routes::default(),
            targets: SmallVec::new(),
            row: Vec::new(),
            homeless: Vec::new(),
            deaths,
        }
    }

    /// Sends one dead message on, together with the next if that goes the same way.
    fn send(&mut self, place: usize, dead: &Dead) {
        let Dead { message, reason } = dead;
        let death = Death { queue: self.queue.name(), reason: *reason, time: self.time };
        let DeadLetterTo { exchange, routing_key, .. } = self.to;
        let route = DeadLetterRoute { exchange, routing_key: routing_key.as_ref() };
        let letter = dead_letter(&message.message, death, route);
        if has_died_too_often(&letter) {
            self.queue.tell_dropped(exchange);
            return;
        }
        let routed = RoutedMessage::of(&letter, random::number);
        let routed = self.topology.route(exchange, &routed, &mut self.routes);
        let letter = Arc::new(letter);
        let is_reply = routed.is_ok()
            && (self.routes.is_empty() || !letter.copies().is_empty())
            && self.virtual_host.reply(&letter);
        let delays = self.routes.delays();
        let is_delayed = match self.virtual_host.delay(&letter, delays) {
            Ok(()) => !delays.is_empty(),
            Err(DelayedFull) => {
                self.homeless.push(place);
                false
            }
        };
        if routed.is_err() || self.routes.is_empty() {
            if !is_reply && !is_delayed {
                tracing::debug!(queue = %self.queue.name(), %exchange, "a dead letter has no route");
                self.homeless.push(place);
            }
            return;
        }
        let targets = self.routes.queues().iter().filter(|target| {
            // A death that a consumer wanted is never one that goes round by itself.
            let goes_round = *reason != DeathReason::Rejected && is_cycle(&letter, target.name());
            if goes_round {
                self.queue.tell_dropped(target.name());
            }
            !goes_round
        });
        let targets: SmallVec<[QueueRef; 4]> = targets.cloned().collect();
        if !targets.iter().map(|to| to.queue_id()).eq(self.targets.iter().map(|to| to.queue_id())) {
            self.hand_over();
            self.targets = targets;
        }
        if !self.targets.is_empty() {
            self.row.push((place, letter));
        }
    }

    fn hand_over(&mut self) {
        let copies = self.targets.len();
        for target in &self.targets {
            let letters = self.row.iter().map(|(_, letter)| (Arc::clone(letter), copies));
            let (row, homeless) = (&self.row, &mut self.homeless);
            let died = target.enqueue_alive(letters, |at| {
                homeless.extend(row.get(at).map(|(place, _)| *place));
            });
            self.deaths.extend(died.map(|batch| (target.clone(), batch)));
        }
        self.row.clear();
    }

    /// The places of those that no queue took, in their order.
    fn finish(mut self) -> Vec<usize> {
        self.hand_over();
        self.homeless.sort_unstable();
        self.homeless.dedup();
        self.homeless
    }
}
