use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::ids::ConsumerId;
use crate::model::outlet::Outlet;

/// A consumer as its queue sees it.
#[derive(Debug)]
pub(crate) struct QueueConsumer {
    pub(crate) id: ConsumerId,
    pub(crate) outlet: Arc<dyn Outlet>,
    /// `x-priority`: a higher one is served first while it has credit.
    pub(crate) priority: i32,
    /// How many unsettled deliveries it may have; none is no limit.
    pub(crate) prefetch: Option<u16>,
    pub(crate) settlement: SettlementMode,
}

/// Who settles a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettlementMode {
    /// The consumer, with ack, nack or reject.
    Explicit,
    /// The broker, as it sends (`no_ack`).
    Automatic,
}

#[derive(Debug)]
struct Member {
    consumer: QueueConsumer,
    unsettled: u32,
    /// Whether it stands in its priority's turn.
    in_turn: bool,
}

/// The consumers that have the same priority and credit, in the order they are served.
#[derive(Debug)]
struct Turn {
    priority: i32,
    ids: VecDeque<usize>,
}

/// The consumers of a queue: who is served next.
///
/// Round robin among those of the highest priority that have credit. One without credit, or
/// whose outlet is full, costs nothing until it gets some.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    members: Vec<Option<Member>>,
    slots: HashMap<ConsumerId, usize>,
    free: Vec<usize>,
    /// Highest priority first.
    turns: Vec<Turn>,
}

impl Consumers {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn add(&mut self, consumer: QueueConsumer) {
        let id = consumer.id;
        let member = Some(Member { consumer, unsettled: 0, in_turn: false });
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.members.get_mut(slot) {
                    *place = member;
                }
                slot
            }
            None => {
                self.members.push(member);
                self.members.len() - 1
            }
        };
        self.slots.insert(id, slot);
        self.enter_turn(slot);
    }

    pub(crate) fn remove(&mut self, id: ConsumerId) -> Option<QueueConsumer> {
        let slot = self.slots.remove(&id)?;
        let member = self.members.get_mut(slot)?.take()?;
        if member.in_turn {
            self.leave_turn(slot, member.consumer.priority);
        }
        self.free.push(slot);
        Some(member.consumer)
    }

    /// All consumers, taken out.
    pub(crate) fn drain(&mut self) -> Vec<QueueConsumer> {
        let members = std::mem::take(self).members;
        members.into_iter().flatten().map(|member| member.consumer).collect()
    }

    /// The consumer whose turn it is.
    pub(crate) fn next(&self) -> Option<(usize, &QueueConsumer)> {
        let slot = *self.turns.first()?.ids.front()?;
        Some((slot, &self.members.get(slot)?.as_ref()?.consumer))
    }

    /// The consumer whose turn it was has taken a message: the next one comes.
    pub(crate) fn served(&mut self, slot: usize) {
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        let mut has_credit = true;
        if member.consumer.settlement == SettlementMode::Explicit {
            member.unsettled += 1;
            has_credit = has_room(member);
        }
        if has_credit {
            if let Some(turn) = self.turns.first_mut().filter(|turn| turn.ids.len() > 1) {
                turn.ids.rotate_left(1);
            }
        } else {
            self.refused(slot);
        }
    }

    /// The consumer whose turn it was can't take more for now.
    pub(crate) fn refused(&mut self, slot: usize) {
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        member.in_turn = false;
        let priority = member.consumer.priority;
        self.leave_turn(slot, priority);
    }

    /// `count` deliveries of the consumer were settled.
    pub(crate) fn settled(&mut self, id: ConsumerId, count: u32) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        member.unsettled = member.unsettled.saturating_sub(count);
        self.enter_turn(slot);
    }

    /// The consumer's outlet has room again.
    pub(crate) fn resume(&mut self, id: ConsumerId) {
        if let Some(&slot) = self.slots.get(&id) {
            self.enter_turn(slot);
        }
    }

    fn enter_turn(&mut self, slot: usize) {
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        if member.in_turn || !has_room(member) {
            return;
        }
        member.in_turn = true;
        let priority = member.consumer.priority;
        match self.turns.binary_search_by(|turn| priority.cmp(&turn.priority)) {
            Ok(place) => {
                if let Some(turn) = self.turns.get_mut(place) {
                    turn.ids.push_back(slot);
                }
            }
            Err(place) => {
                self.turns.insert(place, Turn { priority, ids: VecDeque::from([slot]) });
            }
        }
    }

    fn leave_turn(&mut self, slot: usize, priority: i32) {
        let Ok(place) = self.turns.binary_search_by(|turn| priority.cmp(&turn.priority)) else {
            return;
        };
        let Some(turn) = self.turns.get_mut(place) else { return };
        if let Some(at) = turn.ids.iter().position(|&other| other == slot) {
            turn.ids.remove(at);
        }
        if turn.ids.is_empty() {
            self.turns.remove(place);
        }
    }
}

fn has_room(member: &Member) -> bool {
    member.consumer.prefetch.is_none_or(|limit| member.unsettled < u32::from(limit))
}
