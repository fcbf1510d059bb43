use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use springhare_amqp::{Message, ShortString};

use super::*;
use crate::model::arguments::Overflow;
use crate::model::message::PublishedMessage;

mod combinations;
mod paging;
mod time;
mod unread;

/// An outlet that keeps what it gets, up to a number of messages.
#[derive(Debug)]
struct Tray {
    room: usize,
    messages: Mutex<Vec<QueueMessage>>,
}

impl Tray {
    fn with_room(room: usize) -> Arc<Self> {
        Arc::new(Self { room, messages: Mutex::default() })
    }

    fn take(&self) -> Vec<QueueMessage> {
        std::mem::take(&mut self.messages.lock().unwrap())
    }

    fn take_bodies(&self) -> Vec<u64> {
        self.take().iter().map(|message| message.position).collect()
    }
}

impl Outlet for Tray {
    fn offer(&self, ready: &mut Ready, max: usize) -> Offered {
        let mut messages = self.messages.lock().unwrap();
        let before = messages.len();
        let room = self.room.saturating_sub(before).min(max);
        messages.extend(std::iter::from_fn(|| ready.pop_front()).take(room));
        let taken = &messages[before..];
        let charge = taken.iter().map(|message| u64::from(message.charge)).sum();
        Offered { taken: taken.len(), charge, reader: Reader::Asleep }
    }

    fn wake(&self) {}

    fn cancelled(&self, _consumer: ConsumerId) {}
}

fn published() -> Arc<PublishedMessage> {
    Arc::new(PublishedMessage::new(
        ShortString::EMPTY,
        ShortString::from_static("q"),
        Message::new("m"),
    ))
}

fn consumer(id: u64, tray: &Arc<Tray>) -> QueueConsumer {
    let outlet = Arc::<Tray>::clone(tray);
    QueueConsumer {
        id: ConsumerId(id),
        outlet,
        priority: 0,
        prefetch: None,
        settlement: SettlementMode::Explicit,
    }
}

fn enqueue(queue: &mut Queue, count: usize) {
    for _ in 0..count {
        put(queue, published());
    }
    dispatch(queue);
}

fn put(queue: &mut Queue, message: Arc<PublishedMessage>) {
    let taken = queue.enqueue(message, 10, None, &start(), &mut Wakeups::new());
    assert_eq!(taken, Enqueued::Taken);
}

fn start() -> Now<'static> {
    Now::at(Duration::ZERO)
}

fn dispatch(queue: &mut Queue) {
    queue.dispatch(&mut Wakeups::new());
}

#[test]
fn messages_are_dealt_in_turn() {
    let mut queue = Queue::default();
    let trays: Vec<_> = (0..3).map(|_| Tray::with_room(100)).collect();
    for (id, tray) in (1..).zip(&trays) {
        queue.add_consumer(consumer(id, tray));
    }
    enqueue(&mut queue, 7);
    let dealt: Vec<_> = trays.iter().map(|tray| tray.take_bodies()).collect();
    assert_eq!(dealt, [vec![0, 3, 6], vec![1, 4], vec![2, 5]]);
}

#[test]
fn one_without_credit_is_passed_over_until_it_settles() {
    let mut queue = Queue::default();
    let (slow, fast) = (Tray::with_room(100), Tray::with_room(100));
    queue.add_consumer(QueueConsumer { prefetch: Some(1), ..consumer(1, &slow) });
    queue.add_consumer(QueueConsumer { prefetch: Some(3), ..consumer(2, &fast) });
    enqueue(&mut queue, 7);
    let held = slow.take();
    assert_eq!((held.len(), fast.take_bodies().len(), queue.ready_count()), (1, 3, 3));
    queue.acknowledge(Some(ConsumerId(1)), &held);
    dispatch(&mut queue);
    assert_eq!(slow.take_bodies(), [4]);
    assert!(fast.take_bodies().is_empty());
}

#[test]
fn the_higher_priority_is_served_while_it_has_credit() {
    let mut queue = Queue::default();
    let (low, high) = (Tray::with_room(100), Tray::with_room(100));
    queue.add_consumer(consumer(1, &low));
    let prefetch = Some(2);
    queue.add_consumer(QueueConsumer { priority: 5, prefetch, ..consumer(2, &high) });
    enqueue(&mut queue, 4);
    assert_eq!(high.take_bodies(), [0, 1]);
    assert_eq!(low.take_bodies(), [2, 3]);
}

#[test]
fn a_full_outlet_gets_nothing_until_it_has_room() {
    let mut queue = Queue::default();
    let tray = Tray::with_room(2);
    queue.add_consumer(consumer(1, &tray));
    enqueue(&mut queue, 5);
    assert_eq!((queue.ready_count(), queue.unsettled_count()), (3, 2));
    assert_eq!(tray.take_bodies(), [0, 1]);
    dispatch(&mut queue);
    assert!(tray.take_bodies().is_empty(), "the queue waits to hear of room");
    queue.resume(&[ConsumerId(1)]);
    dispatch(&mut queue);
    assert_eq!(tray.take_bodies(), [2, 3]);
}

#[test]
fn what_comes_back_goes_to_its_old_place_and_says_so() {
    let mut queue = Queue::default();
    enqueue(&mut queue, 5);
    let mut taken: Vec<_> =
        (0..5).map(|_| queue.get(SettlementMode::Explicit, &start()).unwrap().unwrap()).collect();
    enqueue(&mut queue, 1);
    // In an odd order: 3, 1, then 4 and 0 together.
    for at in [3, 1] {
        queue.put_back(None, vec![taken.remove(at)], Returned::Failed, &start());
    }
    let rest = vec![taken.remove(0), taken.remove(1)];
    queue.put_back(None, rest, Returned::HandedBack, &start());
    let back: Vec<_> =
        std::iter::from_fn(|| queue.get(SettlementMode::Explicit, &start()).unwrap()).collect();
    let seen: Vec<_> = back.iter().map(|m| (m.position, m.redelivered, m.delivery_count)).collect();
    assert_eq!(
        seen,
        [(0, true, 0), (1, true, 1), (3, true, 1), (4, true, 0), (5, false, 0)],
        "a failure counts, handing back does not"
    );
}

#[test]
fn without_acks_a_message_is_settled_as_it_is_sent() {
    let mut queue = Queue::default();
    let tray = Tray::with_room(100);
    let settlement = SettlementMode::Automatic;
    queue.add_consumer(QueueConsumer { prefetch: Some(1), settlement, ..consumer(1, &tray) });
    enqueue(&mut queue, 3);
    assert_eq!((tray.take().len(), queue.unsettled_count(), queue.held_bytes()), (3, 0, 0));
}

#[test]
fn a_purge_leaves_what_is_out() {
    let mut queue = Queue::default();
    enqueue(&mut queue, 3);
    let out = queue.get(SettlementMode::Explicit, &start()).unwrap().unwrap();
    assert_eq!(queue.purge(), 2);
    assert_eq!((queue.ready_count(), queue.unsettled_count(), queue.held_bytes()), (0, 1, 10));
    queue.put_back(None, vec![out], Returned::HandedBack, &start());
    assert_eq!(queue.ready_count(), 1);
}

/// What the property test may do.
#[derive(Debug, Clone, Copy)]
enum Step {
    Publish,
    Get,
    /// Acks the n-th unsettled message, counted round.
    Ack(usize),
    /// Hands the n-th unsettled message back.
    Requeue(usize),
    AddConsumer {
        prefetch: Option<u16>,
    },
    /// Ends a consumer; its unsettled messages stay out.
    Cancel(usize),
    /// Ends a consumer with all its unsettled messages, as a closed channel does.
    Close(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0usize..64;
    prop_oneof![
        6 => Just(Step::Publish),
        2 => Just(Step::Get),
        4 => any.clone().prop_map(Step::Ack),
        3 => any.clone().prop_map(Step::Requeue),
        1 => prop::option::of(1u16..4).prop_map(|prefetch| Step::AddConsumer { prefetch }),
        1 => any.clone().prop_map(Step::Cancel),
        1 => any.prop_map(Step::Close),
    ]
}

/// A queue beside a model that is too simple to be wrong: sorted lists of positions.
#[derive(Default)]
struct Pair {
    queue: Queue,
    /// Who is there, with what it was given.
    consumers: BTreeMap<u64, Arc<Tray>>,
    /// What is out: the message, and the consumer that has it.
    out: Vec<(QueueMessage, Option<u64>)>,
    published: u64,
    settled: Vec<u64>,
    last_consumer: u64,
}

impl Pair {
    fn apply(&mut self, step: Step) {
        match step {
            Step::Publish => {
                put(&mut self.queue, published());
                self.published += 1;
            }
            Step::Get => {
                if let Ok(Some(message)) = self.queue.get(SettlementMode::Explicit, &start()) {
                    self.out.push((message, None));
                }
            }
            Step::Ack(at) if !self.out.is_empty() => {
                let (message, holder) = self.out.remove(at % self.out.len());
                self.queue.acknowledge(holder.map(ConsumerId), [&message]);
                self.settled.push(message.position);
            }
            Step::Requeue(at) if !self.out.is_empty() => {
                let (message, holder) = self.out.remove(at % self.out.len());
                self.queue.put_back(
                    holder.map(ConsumerId),
                    vec![message],
                    Returned::Failed,
                    &start(),
                );
            }
            Step::AddConsumer { prefetch } => {
                self.last_consumer += 1;
                let tray = Tray::with_room(8);
                let new = consumer(self.last_consumer, &tray);
                self.queue.add_consumer(QueueConsumer { prefetch, ..new });
                self.consumers.insert(self.last_consumer, tray);
            }
            Step::Cancel(at) => {
                self.end(at);
            }
            Step::Close(at) => {
                let Some(id) = self.end(at) else { return };
                let (theirs, others) =
                    std::mem::take(&mut self.out).into_iter().partition(|(_, by)| *by == Some(id));
                self.out = others;
                let theirs: Vec<(QueueMessage, Option<u64>)> = theirs;
                let messages: Vec<_> = theirs.into_iter().map(|(message, _)| message).collect();
                self.queue.put_back(None, messages, Returned::Failed, &start());
            }
            Step::Ack(_) | Step::Requeue(_) => {}
        }
    }

    fn end(&mut self, at: usize) -> Option<u64> {
        let id = *self.consumers.keys().nth(at % self.consumers.len().max(1))?;
        self.consumers.remove(&id);
        self.queue.remove_consumer(ConsumerId(id), &start()).unwrap();
        Some(id)
    }

    /// Collects what consumers were given.
    fn collect(&mut self) {
        dispatch(&mut self.queue);
        for (id, tray) in &self.consumers {
            for message in tray.take() {
                self.out.push((message, Some(*id)));
            }
            self.queue.resume(&[ConsumerId(*id)]);
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let (ready, unsettled) = (self.queue.ready_count(), self.queue.unsettled_count());
        prop_assert_eq!(unsettled, self.out.len());
        let total = usize::try_from(self.published).unwrap() - self.settled.len();
        prop_assert_eq!(ready + unsettled, total, "ready + unsettled = total");
        prop_assert_eq!(self.queue.held_bytes(), total as u64 * 10);
        let mut out: Vec<_> = self.out.iter().map(|(message, _)| message.position).collect();
        out.sort_unstable();
        let before = out.len();
        out.dedup();
        prop_assert_eq!(out.len(), before, "nothing is out twice");
        prop_assert!(out.iter().all(|position| !self.settled.contains(position)));
        Ok(())
    }

    /// Gives all back and reads the queue to its end: all that was not settled, in order.
    fn finish(mut self) -> Result<(), TestCaseError> {
        while !self.consumers.is_empty() {
            self.end(0);
        }
        let out = std::mem::take(&mut self.out).into_iter().map(|(message, _)| message);
        self.queue.put_back(None, out.collect::<Vec<_>>(), Returned::Failed, &start());
        let read: Vec<_> =
            std::iter::from_fn(|| self.queue.get(SettlementMode::Automatic, &start()).unwrap())
                .map(|message| message.position)
                .collect();
        let expected: Vec<_> =
            (0..self.published).filter(|position| !self.settled.contains(position)).collect();
        prop_assert_eq!(read, expected, "nothing lost, nothing doubled, order kept");
        prop_assert_eq!(self.queue.held_bytes(), 0);
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_queue_is_a_sorted_list(steps in prop::collection::vec(step(), 1..200)) {
        let mut pair = Pair::default();
        for step in steps {
            pair.apply(step);
            pair.collect();
            pair.check()?;
        }
        pair.finish()?;
    }

    /// What a consumer that never gives back is given comes in the order of publishing.
    #[test]
    fn a_consumer_sees_the_order_of_publishing(
        steps in prop::collection::vec(any::<bool>(), 1..100),
        prefetch in prop::option::of(1u16..5),
    ) {
        let mut queue = Queue::default();
        let tray = Tray::with_room(3);
        queue.add_consumer(QueueConsumer { prefetch, ..consumer(1, &tray) });
        let mut seen = Vec::new();
        for publish in steps {
            if publish {
                put(&mut queue, published());
            } else {
                let got = tray.take();
                queue.acknowledge(Some(ConsumerId(1)), &got);
                queue.resume(&[ConsumerId(1)]);
                seen.extend(got.iter().map(|message| message.position));
            }
            dispatch(&mut queue);
        }
        prop_assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{:?}", seen);
        prop_assert!(seen.first().is_none_or(|first| *first == 0));
    }
}
