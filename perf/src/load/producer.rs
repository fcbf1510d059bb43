use std::net::SocketAddr;
use std::time::Duration;

use springhare_amqp::wire::Method;
use springhare_amqp::wire::method::{basic, confirm};
use springhare_amqp::{BasicProperties, DeliveryMode, MessageProperties, MethodId};
use springhare_perf::stamp::Stamp;
use springhare_perf::time;

use super::batch::Batch;
use super::confirms::ConfirmWindow;
use super::progress::Progress;
use crate::connection::{Connection, Purpose, method};
use crate::error::LoadError;
use crate::scenario::{Durability, Load, Pace};
use crate::topology::Topology;

/// From so many bytes on, a write takes no further message.
const WRITE_BYTES: usize = 64 * 1024;
/// After so many messages it is looked whether the broker has said something.
const LOOK_EVERY: u64 = 8192;
/// How long to wait when as much is on the way as may be.
const IN_FLIGHT_PAUSE: Duration = Duration::from_micros(100);
/// How long confirms may take after the last message.
const CONFIRM_LIMIT: Duration = Duration::from_secs(10);
const SECOND: u64 = 1_000_000_000;

/// A connection that publishes.
#[derive(Debug)]
pub(super) struct Producer {
    connection: Connection,
    number: u16,
    load: Load,
    batch: Batch,
    /// The message of the batch that is next.
    next: usize,
    sent: u64,
    looked_at: u64,
    confirms: Option<ConfirmWindow>,
    last_confirm_at: u64,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Produced {
    pub(super) connection: Connection,
    pub(super) sent: u64,
    pub(super) confirms: Option<ConfirmWindow>,
    /// When the last confirm was received; 0 when there was none.
    pub(super) last_confirm_at: u64,
}

impl Producer {
    /// Connects and encodes what is to be sent.
    pub(super) fn start(
        address: SocketAddr,
        load: &Load,
        topology: &Topology,
        number: u16,
    ) -> Result<Self, LoadError> {
        let mut connection = Connection::open(address, Purpose::LOAD)?;
        let frame_max = connection.frame_max();
        if load.body_bytes + springhare_amqp::wire::FRAME_OVERHEAD > frame_max {
            return Err(LoadError::BodyTooLarge { body: load.body_bytes, frame_max });
        }
        if load.confirm_window.is_some() {
            connection.call(&confirm::Select::default(), MethodId::CONFIRM_SELECT_OK)?;
        }
        let delivery_mode = Some(match load.durability {
            Durability::Transient => DeliveryMode::Transient,
            Durability::Durable => DeliveryMode::Persistent,
        });
        let properties: MessageProperties =
            BasicProperties { delivery_mode, ..BasicProperties::NONE }.into();
        let keys = topology.routing_keys()?;
        let mut batch = Batch::new(load.body_bytes);
        // Whole rounds of the keys, until a write of full size finds enough.
        while batch.encoded_len() < WRITE_BYTES {
            for key in &keys {
                batch.push(topology.exchange(), key, &properties);
            }
        }
        let confirms = load.confirm_window.map(ConfirmWindow::new);
        let load = *load;
        Ok(Self {
            connection,
            number,
            load,
            batch,
            next: 0,
            sent: 0,
            looked_at: 0,
            confirms,
            last_confirm_at: 0,
        })
    }

    /// Publishes from now until the deadline or until it has sent all that it may, and waits for
    /// the last confirms.
    pub(super) fn run(mut self, progress: &Progress, deadline: u64) -> Result<Produced, LoadError> {
        let start = time::now();
        while !progress.has_failed() {
            let now = time::now();
            if now >= deadline || self.sent >= self.load.messages_max {
                break;
            }
            let (room, wait) = self.room(start, now, progress);
            if room > 0 {
                self.publish(start, now, room, progress)?;
            }
            match wait {
                Wait::No => self.look()?,
                Wait::Confirms if room == 0 || self.is_window_full() => self.wait_for_confirms()?,
                Wait::Confirms => {
                    self.connection.fill_at_once()?;
                    self.take_confirms()?;
                }
                Wait::Until(at) => time::wait_until(at.min(deadline)),
                Wait::InFlight => time::pause(IN_FLIGHT_PAUSE),
            }
        }
        let limit = time::now() + time::nanoseconds(CONFIRM_LIMIT);
        while self.confirms.as_ref().is_some_and(|confirms| !confirms.is_settled())
            && time::now() < limit
            && !progress.has_failed()
        {
            self.wait_for_confirms()?;
        }
        Ok(Produced {
            connection: self.connection,
            sent: self.sent,
            confirms: self.confirms,
            last_confirm_at: self.last_confirm_at,
        })
    }

    /// How many messages may be sent now, and what to wait for after them.
    fn room(&self, start: u64, now: u64, progress: &Progress) -> (u64, Wait) {
        if let Pace::PerSecond(rate) = self.load.pace {
            let next_at = due_at(start, self.sent, rate);
            return if now < next_at {
                (0, Wait::Until(next_at))
            } else {
                (due_by(start, now, rate).saturating_sub(self.sent), Wait::No)
            };
        }
        let room = self.load.in_flight_max.saturating_sub(progress.in_flight());
        let room = room.min(self.load.messages_max.saturating_sub(self.sent));
        let Some(confirms) = &self.confirms else {
            return (room, if room == 0 { Wait::InFlight } else { Wait::No });
        };
        let window = confirms.room();
        match (room, confirms.is_settled()) {
            (0, true) => (0, Wait::InFlight),
            _ if room < window => (room, Wait::Confirms),
            _ => (window, Wait::Confirms),
        }
    }

    /// Sends as many as there is room for and as fit one write.
    fn publish(
        &mut self,
        start: u64,
        now: u64,
        room: u64,
        progress: &Progress,
    ) -> Result<(), LoadError> {
        let Self { connection, number, load, batch, next, sent, confirms, .. } = self;
        let end = match load.pace {
            Pace::SingleWrites => *sent + 1,
            Pace::Batches | Pace::PerSecond(_) => *sent + room,
        };
        let first = if *next < batch.len() { *next } else { 0 };
        let before = *sent;
        let stop = batch.stamp(first, WRITE_BYTES, || {
            let sequence = *sent;
            if sequence == end {
                return None;
            }
            *sent += 1;
            if let Some(confirms) = confirms {
                confirms.sent(now);
            }
            let at = match load.pace {
                Pace::PerSecond(rate) => due_at(start, sequence, rate),
                Pace::Batches | Pace::SingleWrites => now,
            };
            Some(Stamp { producer: *number, sequence, at })
        });
        progress.sent(*sent - before);
        *next = stop;
        connection.send(batch.encoded(first, stop))
    }

    /// Now and then looks whether the broker has closed the connection.
    fn look(&mut self) -> Result<(), LoadError> {
        if self.sent - self.looked_at < LOOK_EVERY {
            return Ok(());
        }
        self.looked_at = self.sent;
        self.connection.fill_at_once()?;
        let (input, _) = self.connection.halves();
        while let Some(frame) = input.next_frame()? {
            method(frame)?;
        }
        Ok(())
    }

    fn is_window_full(&self) -> bool {
        self.confirms.as_ref().is_some_and(|confirms| confirms.room() == 0)
    }

    fn wait_for_confirms(&mut self) -> Result<(), LoadError> {
        self.connection.fill()?;
        self.take_confirms()
    }

    /// Takes the confirms that were received.
    fn take_confirms(&mut self) -> Result<(), LoadError> {
        let Some(confirms) = &mut self.confirms else { return Ok(()) };
        let now = time::now();
        let (input, _) = self.connection.halves();
        while let Some(frame) = input.next_frame()? {
            match method(frame)? {
                Some(Method::Basic(basic::Method::Ack(ack))) => {
                    confirms.acknowledged(ack.delivery_tag, ack.multiple, now);
                    self.last_confirm_at = now;
                }
                Some(Method::Basic(basic::Method::Nack(_))) => confirms.refused(),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a producer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Nothing: the next round can begin.
    No,
    /// For the next message's time.
    Until(u64),
    Confirms,
    /// For consumers.
    InFlight,
}

/// When the message of this number is due.
fn due_at(start: u64, sequence: u64, per_second: u32) -> u64 {
    start + sequence * SECOND / u64::from(per_second)
}

/// How many messages are due by `now`: the first is at once.
fn due_by(start: u64, now: u64, per_second: u32) -> u64 {
    (now - start) * u64::from(per_second) / SECOND + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_their_pace() {
        assert_eq!(due_at(7, 0, 5000), 7);
        assert_eq!(due_at(7, 3, 5000), 600_007);
        assert_eq!(due_by(7, 7, 5000), 1);
        assert_eq!(due_by(7, 7 + SECOND - 1, 5000), 5000);
        assert_eq!(due_by(7, 7 + SECOND, 5000), 5001);
    }

    #[test]
    fn what_is_due_by_its_time_is_due() {
        for rate in [1, 3, 7, 999, 5000, 1_000_000] {
            for sequence in (0..100_000).step_by(997) {
                let at = due_at(11, sequence, rate);
                assert!(due_by(11, at, rate) <= sequence + 1);
                assert!(due_by(11, at + 1, rate) > sequence, "{rate} a second, {sequence}");
            }
        }
    }
}
