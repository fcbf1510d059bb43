use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::log::{Log, ReadMessage, Reading};
use crate::model::ids::ConsumerId;
use crate::model::outlet::{Offered, Reader};
use crate::model::queue::{Expires, QueueConsumer, QueueMessage, Ready, Wakeups};

/// How many messages are offered to a consumer at a time: those that it has no room for were put
/// together for nothing.
const OFFERED_AT_ONCE_MAX: usize = 256;

/// The consumers of a stream, each with its place in the log.
#[derive(Debug, Default)]
pub(super) struct Readers {
    members: BTreeMap<ConsumerId, Member>,
    /// Those that may have got something to read.
    due: Due,
}

#[derive(Debug)]
struct Member {
    consumer: QueueConsumer,
    /// The offset of the message that it gets next.
    position: u64,
    unsettled: u32,
    room: Room,
}

/// Whether a consumer's outlet takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Some,
    /// It refused one, and says when it takes some again.
    None,
}

#[derive(Debug)]
enum Due {
    These(BTreeSet<ConsumerId>),
    All,
}

impl Default for Due {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Readers {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Adds a consumer that gets the message of this offset next.
    pub(super) fn add(&mut self, consumer: QueueConsumer, position: u64) {
        let id = consumer.id;
        let member = Member { consumer, position, unsettled: 0, room: Room::Some };
        self.members.insert(id, member);
        self.is_due(id);
    }

    pub(super) fn remove(&mut self, id: ConsumerId) -> Option<QueueConsumer> {
        self.members.remove(&id).map(|member| member.consumer)
    }

    /// All consumers, taken out.
    pub(super) fn drain(&mut self) -> Vec<QueueConsumer> {
        std::mem::take(self).members.into_values().map(|member| member.consumer).collect()
    }

    /// The log has grown.
    pub(super) fn all_are_due(&mut self) {
        self.due = Due::All;
    }

    /// A consumer has settled so many deliveries.
    pub(super) fn settled(&mut self, id: ConsumerId, count: u32) {
        if let Some(member) = self.members.get_mut(&id) {
            member.unsettled = member.unsettled.saturating_sub(count);
            self.is_due(id);
        }
    }

    /// The outlets of these consumers may take messages again.
    pub(super) fn resume(&mut self, ids: &[ConsumerId]) {
        for id in ids {
            if let Some(member) = self.members.get_mut(id) {
                member.room = Room::Some;
                self.is_due(*id);
            }
        }
    }

    fn is_due(&mut self, id: ConsumerId) {
        if let Due::These(these) = &mut self.due {
            these.insert(id);
        }
    }

    /// Hands each consumer what follows its place, until it has no credit or no room.
    pub(super) fn serve(
        &mut self,
        log: &mut Log,
        reading: &mut Reading<'_>,
        wakeups: &mut Wakeups,
    ) {
        match std::mem::take(&mut self.due) {
            Due::All => {
                for member in self.members.values_mut() {
                    member.serve(log, reading, wakeups);
                }
            }
            Due::These(these) => {
                for id in these {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.serve(log, reading, wakeups);
                    }
                }
            }
        }
    }
}

impl Member {
    fn serve(&mut self, log: &mut Log, reading: &mut Reading<'_>, wakeups: &mut Wakeups) {
        // What was dropped before it was read is skipped.
        self.position = self.position.max(log.first_offset());
        while self.room == Room::Some {
            let share = self.credit().min(OFFERED_AT_ONCE_MAX);
            if share == 0 {
                return;
            }
            let messages = log.read(self.position, share, reading);
            let Some(last) = messages.last() else { return };
            // Behind those that are lost, too.
            let end = last.offset + 1;
            let mut ready = Ready::default();
            for message in messages {
                ready.push_back(delivery(message));
            }
            let offered = ready.len();
            let Offered { taken, reader, .. } = self.consumer.outlet.offer(&mut ready, offered);
            if reader == Reader::Asleep {
                wakeups.push(Arc::clone(&self.consumer.outlet));
            }
            // What was not taken stays where it is: in the log.
            self.position = ready.pop_any().map_or(end, |next| next.position);
            self.unsettled += u32::try_from(taken).unwrap_or(u32::MAX);
            if taken < offered {
                self.room = Room::None;
            }
        }
    }

    fn credit(&self) -> usize {
        let credit = match self.consumer.prefetch {
            Some(prefetch) => u32::from(prefetch).saturating_sub(self.unsettled),
            None => u32::MAX,
        };
        usize::try_from(credit).unwrap_or(usize::MAX)
    }
}

/// A message of the log on its way to a consumer: its position is its offset. What the log does not
/// count of its memory is the outlet's.
fn delivery(read: ReadMessage) -> QueueMessage {
    let ReadMessage { offset, charge, message } = read;
    QueueMessage {
        position: offset,
        expires: Expires::NEVER,
        delivery_count: 0,
        charge,
        priority: 0,
        redelivered: false,
        reference: None,
        message,
    }
}
