use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::arguments::ActiveConsumers;
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

/// Whose turn it is, and how many messages may be offered.
#[derive(Debug)]
pub(crate) struct NextConsumer<'c> {
    pub(crate) slot: usize,
    pub(crate) consumer: &'c QueueConsumer,
    pub(crate) share: usize,
}

/// Who settles a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettlementMode {
    /// The consumer, with ack, nack or reject.
    Explicit,
    /// The broker, as it sends (`no_ack`).
    Automatic,
}

impl SettlementMode {
    /// As the bit `no-ack` of `basic.consume` and `basic.get` has it.
    pub(crate) fn from_no_ack(no_ack: bool) -> Self {
        if no_ack { Self::Automatic } else { Self::Explicit }
    }
}

#[derive(Debug)]
struct Member {
    consumer: QueueConsumer,
    unsettled: u32,
    standing: Standing,
}

/// Whether a consumer is served, and if not, what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// In its priority's turn.
    InTurn,
    /// It has as many unsettled deliveries as its prefetch allows.
    NoCredit,
    /// Its outlet refused a message, the n-th refusal of the queue: it has no room, or its
    /// channel no credit. It comes back by [`Consumers::resume`] alone, and those that were
    /// refused first come first, so that a limit that several share starves none of them.
    Refused(u64),
    /// Another one is the queue's single active consumer.
    Waiting,
}

/// The consumers that have the same priority and credit, in the order they are served.
#[derive(Debug)]
struct Turn {
    priority: i32,
    ids: VecDeque<usize>,
}

/// Which consumers of a queue are served at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Active {
    #[default]
    All,
    /// The one in this slot; another when it goes.
    Single(Option<usize>),
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
    refusals: u64,
    active: Active,
    /// Highest priority first.
    turns: Vec<Turn>,
}

impl Consumers {
    pub(crate) fn new(active: ActiveConsumers) -> Self {
        let active = match active {
            ActiveConsumers::All => Active::All,
            ActiveConsumers::Single => Active::Single(None),
        };
        Self { active, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn add(&mut self, consumer: QueueConsumer) {
        let id = consumer.id;
        let member = Some(Member { consumer, unsettled: 0, standing: Standing::NoCredit });
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
        match &mut self.active {
            Active::Single(Some(_)) => self.stand(slot, Standing::Waiting),
            Active::Single(active @ None) => {
                *active = Some(slot);
                self.enter_turn(slot);
            }
            Active::All => self.enter_turn(slot),
        }
    }

    pub(crate) fn remove(&mut self, id: ConsumerId) -> Option<QueueConsumer> {
        let slot = self.slots.remove(&id)?;
        let member = self.members.get_mut(slot)?.take()?;
        if member.standing == Standing::InTurn {
            self.leave_turn(slot, member.consumer.priority);
        }
        self.free.push(slot);
        if self.active == Active::Single(Some(slot)) {
            let next = self.next_active();
            self.active = Active::Single(next);
            if let Some(next) = next {
                self.enter_turn(next);
            }
        }
        Some(member.consumer)
    }

    /// The one with the highest priority, and of several the first that was registered.
    fn next_active(&self) -> Option<usize> {
        let order = |(id, slot): &(&ConsumerId, &usize)| {
            let priority = |member: &Member| std::cmp::Reverse(member.consumer.priority);
            (self.members.get(**slot).and_then(Option::as_ref).map(priority), **id)
        };
        self.slots.iter().min_by_key(order).map(|(_, slot)| *slot)
    }

    fn stand(&mut self, slot: usize, standing: Standing) {
        if let Some(Some(member)) = self.members.get_mut(slot) {
            member.standing = standing;
        }
    }

    /// All consumers, taken out.
    pub(crate) fn drain(&mut self) -> Vec<QueueConsumer> {
        let members = std::mem::take(self).members;
        members.into_iter().flatten().map(|member| member.consumer).collect()
    }

    /// The consumer whose turn it is.
    pub(crate) fn next(&self) -> Option<NextConsumer<'_>> {
        let turn = self.turns.first()?;
        let slot = *turn.ids.front()?;
        let member = self.members.get(slot)?.as_ref()?;
        // Alone in its turn it may have all that its credit allows, else one and then the next.
        let share = match member.consumer.prefetch {
            _ if turn.ids.len() > 1 => 1,
            Some(prefetch) => (u32::from(prefetch)).saturating_sub(member.unsettled),
            None => u32::MAX,
        };
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        Some(NextConsumer { slot, consumer: &member.consumer, share })
    }

    /// The consumer whose turn it was has taken so many messages: the next one comes.
    pub(crate) fn served(&mut self, slot: usize, taken: usize) {
        if taken == 0 {
            return;
        }
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        let mut has_credit = true;
        if member.consumer.settlement == SettlementMode::Explicit {
            member.unsettled += u32::try_from(taken).unwrap_or(u32::MAX);
            has_credit = has_room(member);
        }
        if has_credit {
            if let Some(turn) = self.turns.first_mut().filter(|turn| turn.ids.len() > 1) {
                turn.ids.rotate_left(1);
            }
        } else {
            self.stand_aside(slot, Standing::NoCredit);
        }
    }

    /// The outlet of the consumer whose turn it was has taken so many messages and refused the
    /// next.
    pub(crate) fn refused(&mut self, slot: usize, taken: usize) {
        self.refusals += 1;
        if let Some(Some(member)) = self.members.get_mut(slot)
            && member.consumer.settlement == SettlementMode::Explicit
        {
            member.unsettled += u32::try_from(taken).unwrap_or(u32::MAX);
        }
        self.stand_aside(slot, Standing::Refused(self.refusals));
    }

    fn stand_aside(&mut self, slot: usize, standing: Standing) {
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        member.standing = standing;
        let priority = member.consumer.priority;
        self.leave_turn(slot, priority);
    }

    /// `count` deliveries of the consumer were settled.
    pub(crate) fn settled(&mut self, id: ConsumerId, count: u32) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        member.unsettled = member.unsettled.saturating_sub(count);
        if member.standing == Standing::NoCredit {
            self.enter_turn(slot);
        }
    }

    /// The outlets of these consumers may take messages again.
    pub(crate) fn resume(&mut self, ids: &[ConsumerId]) {
        let mut refused: SmallVec<[(u64, usize); 4]> = ids
            .iter()
            .filter_map(|id| {
                let slot = *self.slots.get(id)?;
                match self.members.get(slot)?.as_ref()?.standing {
                    Standing::Refused(when) => Some((when, slot)),
                    Standing::InTurn | Standing::NoCredit | Standing::Waiting => None,
                }
            })
            .collect();
        refused.sort_unstable();
        for (_, slot) in refused {
            self.enter_turn(slot);
        }
    }

    fn enter_turn(&mut self, slot: usize) {
        let Some(Some(member)) = self.members.get_mut(slot) else { return };
        if !has_room(member) {
            member.standing = Standing::NoCredit;
            return;
        }
        member.standing = Standing::InTurn;
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
