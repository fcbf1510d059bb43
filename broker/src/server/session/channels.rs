//! What an open connection's requests do, channel by channel: each is taken to the engine, and
//! its answer written.

mod basic;
mod exchange;
mod queue;

use basic::write_return;
pub(super) use basic::write_returned;

use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_amqp::wire::EncodeMethod;
use springhare_amqp::wire::method::{access, channel, confirm, tx};
use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::consumers::Consumers;
use super::promises::Promises;
use crate::engine::channel_cell::ChannelCell;
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::signals::Signals;
use crate::protocol::{ChannelMethod, Connection, Output, unimplemented};

/// The channels of an open connection.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) connection: Arc<ConnectionCell>,
    channels: BTreeMap<u16, Arc<ChannelCell>>,
    pub(super) consumers: Consumers,
    pub(super) promises: Promises,
}

/// One method's way to the engine and back.
struct Call<'a> {
    number: u16,
    channel: &'a Arc<ChannelCell>,
    connection: &'a ConnectionCell,
    consumers: &'a mut Consumers,
    promises: &'a mut Promises,
    output: &'a mut Output,
    frame_max: usize,
}

impl Channels {
    pub(super) fn new(connection: Arc<ConnectionCell>, signals: Arc<Signals>) -> Self {
        let shared = Arc::clone(connection.virtual_host().shared());
        Self {
            connection,
            channels: BTreeMap::new(),
            promises: Promises::new(shared, Arc::clone(&signals)),
            consumers: Consumers::new(signals),
        }
    }

    pub(super) fn open(&mut self, number: u16) -> Result<(), AmqpError> {
        let channel = self.connection.open_channel()?;
        self.channels.insert(number, channel);
        Ok(())
    }

    /// Gives a channel up, which its peer or an error has closed.
    pub(super) fn close(&mut self, number: u16, reason: Option<&AmqpError>) {
        self.consumers.remove_channel(number);
        self.promises.forget_channel(number);
        if let Some(channel) = self.channels.remove(&number) {
            channel.close(reason);
        }
    }

    /// The channel of this number, which the protocol knows as open.
    pub(super) fn channel(
        &self,
        number: u16,
        method: MethodId,
    ) -> Result<&Arc<ChannelCell>, AmqpError> {
        self.channels.get(&number).ok_or_else(|| {
            AmqpError::new(ReplyCode::ChannelError, method, "expected 'channel.open'")
        })
    }

    pub(super) fn method(
        &mut self,
        number: u16,
        method: ChannelMethod,
        protocol: &mut Connection,
    ) -> Result<(), AmqpError> {
        let frame_max = protocol.negotiated().frame_max;
        let channel = Arc::clone(self.channel(number, method.id())?);
        let mut call = Call {
            number,
            channel: &channel,
            connection: &self.connection,
            consumers: &mut self.consumers,
            promises: &mut self.promises,
            output: protocol.output(),
            frame_max,
        };
        match method {
            ChannelMethod::Exchange(method) => call.exchange(method),
            ChannelMethod::Queue(method) => call.queue(method),
            ChannelMethod::Basic(method) => call.basic(method),
            ChannelMethod::Confirm(method) => call.confirm(method),
            ChannelMethod::Tx(method) => call.tx(method),
            ChannelMethod::Access(method) => call.access(&method),
            ChannelMethod::Flow { active } => call.flow(active),
        }
    }
}

impl Call<'_> {
    /// Answers `to` once what there is of definitions is safe: what this method has made, or found
    /// because another connection had just made it.
    fn answer_defined<M: EncodeMethod>(&mut self, to: MethodId, answer: &M) {
        let end = self.connection.virtual_host().shared().definitions_end();
        self.promises.answer(self.number, (to, answer), end, self.output);
    }

    fn confirm(&mut self, method: confirm::Method) -> Result<(), AmqpError> {
        match method {
            confirm::Method::Select(select) => {
                self.channel.run(MethodId::CONFIRM_SELECT, |channel| channel.select_confirms())?;
                if !select.no_wait {
                    self.output.method(self.number, &confirm::SelectOk {});
                }
                Ok(())
            }
            other => Err(unimplemented(other.id())),
        }
    }

    fn tx(&mut self, method: tx::Method) -> Result<(), AmqpError> {
        match method {
            tx::Method::Select(_) => {
                self.channel.run(MethodId::TX_SELECT, |channel| channel.tx_select())?;
                self.output.method(self.number, &tx::SelectOk {});
            }
            tx::Method::Commit(_) => {
                let Self { number, frame_max, channel, .. } = *self;
                let output = &mut *self.output;
                let end = channel.run(MethodId::TX_COMMIT, |channel| {
                    channel.tx_commit(|returned| {
                        write_return(number, &returned, output, frame_max);
                        Ok(())
                    })
                })?;
                let answer = (MethodId::TX_COMMIT, &tx::CommitOk {});
                self.promises.answer(number, answer, end, self.output);
            }
            tx::Method::Rollback(_) => {
                self.channel.run(MethodId::TX_ROLLBACK, |channel| channel.tx_rollback())?;
                self.output.method(self.number, &tx::RollbackOk {});
            }
            other => return Err(unimplemented(other.id())),
        }
        Ok(())
    }

    /// AMQP 0-8's realms, which give nothing any more.
    fn access(&mut self, method: &access::Method) -> Result<(), AmqpError> {
        match method {
            access::Method::Request(_) => {
                self.output.method(self.number, &access::RequestOk { ticket: 1 });
                Ok(())
            }
            access::Method::RequestOk(_) => Err(unimplemented(method.id())),
        }
    }

    /// A client may not stop deliveries, as with RabbitMQ: prefetch is the way.
    fn flow(&mut self, active: bool) -> Result<(), AmqpError> {
        if !active {
            return Err(AmqpError::new(
                ReplyCode::NotImplemented,
                MethodId::CHANNEL_FLOW,
                "active=false",
            ));
        }
        self.output.method(self.number, &channel::FlowOk { active });
        Ok(())
    }
}
