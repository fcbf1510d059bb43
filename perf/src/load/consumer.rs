use std::net::SocketAddr;
use std::time::Duration;

use springhare_amqp::wire::encode_method_frame;
use springhare_amqp::wire::method::basic::{Ack, Consume, Qos};
use springhare_amqp::{MethodId, ShortString};
use springhare_perf::time;

use super::progress::Progress;
use super::reception::Reception;
use super::verification::Verification;
use crate::connection::{CHANNEL, Connection, Purpose};
use crate::error::LoadError;
use crate::scenario::{Load, Settling};

/// How long nothing may arrive before what is missing counts as lost.
const QUIET_LIMIT: Duration = Duration::from_secs(10);

/// A connection that consumes some queues.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) connection: Connection,
    settling: Settling,
    reception: Reception,
}

/// What a consumer got.
#[derive(Debug)]
pub(super) struct Consumed {
    pub(super) connection: Connection,
    pub(super) reception: Reception,
    /// When the last delivery was received; 0 when there was none.
    pub(super) last_at: u64,
}

impl Consumer {
    /// Connects and starts to consume what so many producers send; each consumer's tag is the
    /// number of its queue.
    pub(super) fn start(
        address: SocketAddr,
        producers: u16,
        load: &Load,
        queues: &[ShortString],
    ) -> Result<Self, LoadError> {
        let mut connection = Connection::open(address, Purpose::LOAD)?;
        if let Settling::Each { prefetch } = load.settling {
            let qos = Qos { prefetch_count: prefetch, ..Qos::default() };
            connection.call(&qos, MethodId::BASIC_QOS_OK)?;
        }
        for (index, queue) in queues.iter().enumerate() {
            let consume = Consume {
                queue: queue.clone(),
                consumer_tag: ShortString::new(index.to_string())?,
                no_ack: load.settling == Settling::Automatic,
                ..Consume::default()
            };
            connection.call(&consume, MethodId::BASIC_CONSUME_OK)?;
        }
        let verification = Verification::new(queues.len(), producers);
        let reception = Reception::new(load.body_bytes, verification);
        Ok(Self { connection, settling: load.settling, reception })
    }

    /// Receives until all has arrived that was sent, or nothing comes any more.
    pub(super) fn run(mut self, progress: &Progress) -> Result<Consumed, LoadError> {
        let mut last_at = 0;
        let mut quiet_since = None;
        while !progress.is_complete() && !progress.has_failed() {
            let filled = self.connection.fill()?;
            let now = time::now();
            let count = self.take_frames(now)?;
            if count > 0 {
                last_at = now;
                progress.received(count);
                self.connection.flush()?;
            }
            if filled > 0 {
                quiet_since = None;
                continue;
            }
            let since = *quiet_since.get_or_insert(now);
            if now - since > time::nanoseconds(QUIET_LIMIT) {
                break;
            }
        }
        Ok(Consumed { connection: self.connection, reception: self.reception, last_at })
    }

    /// Takes what was received; returns how many deliveries are whole.
    fn take_frames(&mut self, now: u64) -> Result<u64, LoadError> {
        let (input, output) = self.connection.halves();
        let mut count = 0;
        while let Some(frame) = input.next_frame()? {
            let Some(delivery_tag) = self.reception.take(frame, now)? else { continue };
            count += 1;
            if let Settling::Each { .. } = self.settling {
                let ack = Ack { delivery_tag, multiple: false };
                encode_method_frame(CHANNEL, &ack, output);
            }
        }
        Ok(count)
    }
}
