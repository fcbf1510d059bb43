//! What a peer asks for, from its frames to the engine.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};
use springhare_amqp::wire::method::{basic, connection};
use springhare_amqp::{AmqpError, ErrorScope, Heartbeat, MethodId, ReplyCode, ShortString};

use super::channels::{Channels, write_returned};
use super::input::{Done, Rest};
use super::{Publishing, Session};
use crate::engine::channel_publishing::ChannelPublishing;
use crate::engine::publish::{Destined, Publish};
use crate::engine::unfinished::UnfinishedContents;
use crate::model::channel::Tags;
use crate::model::settling::Multiple;
use crate::protocol::{ChannelMethod, Connection, Credentials, Ending, Fault, Incoming, Request};

/// Acknowledgements that are gathered without an allocation.
const ACKS_IN_PLACE: usize = 64;

impl<S> Session<S> {
    /// Does what these bytes ask for, until there is no whole frame left or no room for more
    /// answers.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Done {
        let mut at = 0;
        let mut next = None;
        let rest = loop {
            let request = match next.take() {
                Some(request) => request,
                None if self.output_is_full() || self.waits_for_disk() => break Rest::Whole,
                None => match self.protocol.receive(bytes, &mut at) {
                    Ok(None) => break Rest::Part,
                    Ok(Some(request)) => request,
                    Err(fault) => {
                        self.fail(&fault);
                        continue;
                    }
                },
            };
            match self.request(request, bytes, &mut at) {
                Ok(after) => next = after,
                Err(fault) => self.fail(&fault),
            }
            if self.waits_for_disk() {
                self.keep_promises();
            }
        };
        self.count_unfinished();
        self.block_at_the_mark();
        Done { bytes: at, rest }
    }

    /// Whether so much waits for the peer to read it that nothing more is done for it.
    pub(super) fn output_is_full(&self) -> bool {
        self.protocol.output_len() >= self.broker.shared().config().output_max_bytes
    }

    /// Tells what was promised and is on the disk by now; whether that was anything.
    pub(super) fn keep_promises(&mut self) -> bool {
        let Some(channels) = &mut self.channels else { return false };
        if !self.protocol.is_running() {
            return false;
        }
        channels.promises.keep(self.protocol.output()).unwrap_or_else(|fault| {
            self.fail(&fault);
            true
        })
    }

    /// Whether nothing more is done for the peer until something is on the disk.
    pub(super) fn waits_for_disk(&self) -> bool {
        let Some(channels) = &self.channels else { return false };
        let promises = &channels.promises;
        promises.has_answer() || promises.len() >= self.broker.shared().config().confirms_max
    }

    /// Does what was asked, with what follows of the same kind; the request after it, if that was
    /// read already.
    fn request(
        &mut self,
        request: Request,
        bytes: &[u8],
        at: &mut usize,
    ) -> Result<Option<Request>, Fault> {
        match request {
            Request::Publish { channel, publish } => {
                return self.publish_all(channel, publish, bytes, at);
            }
            Request::Method { channel, method: ChannelMethod::Basic(basic::Method::Ack(ack)) } => {
                return self.acknowledge_all(channel, &ack, bytes, at);
            }
            Request::LogIn(credentials) => self.log_in(&credentials)?,
            Request::Open { virtual_host } => self.open(&virtual_host)?,
            Request::Close => {
                if let Some(channels) = self.channels.take() {
                    channels.connection.close(None);
                }
                self.protocol.closed_by_peer();
                self.give_time();
            }
            Request::OpenChannel { channel } => {
                self.on_channel(channel, |channels, protocol| {
                    channels.open(channel)?;
                    protocol.channel_opened(channel);
                    Ok(())
                })?;
            }
            Request::CloseChannel { channel } => {
                self.on_channel(channel, |channels, protocol| {
                    channels.close(channel, None);
                    protocol.channel_closed(channel);
                    Ok(())
                })?;
            }
            Request::Method { channel, method } => self
                .on_channel(channel, |channels, protocol| {
                    channels.method(channel, method, protocol)
                })?,
        }
        Ok(None)
    }

    /// Publishes a message and those that follow on the same channel.
    fn publish_all(
        &mut self,
        number: u16,
        first: Incoming,
        bytes: &[u8],
        at: &mut usize,
    ) -> Result<Option<Request>, Fault> {
        if self.publishing == Publishing::Never {
            self.publishing = Publishing::Allowed;
        }
        let output_max_bytes = self.broker.shared().config().output_max_bytes;
        let Some(channels) = &mut self.channels else { return Ok(None) };
        let fault = |error| Fault { channel: number, error };
        let channel = channels.channel(number, MethodId::BASIC_PUBLISH).map_err(fault)?;
        let mut publishing = ChannelPublishing::new(&channels.connection, channel);
        let mut incoming = first;
        let after = 'run: loop {
            let Incoming { exchange, routing_key, mandatory, message } = incoming;
            let again = Destined {
                exchange: exchange.clone(),
                routing_key: routing_key.clone(),
                mandatory,
            };
            let mut published =
                publishing.publish(Publish { exchange, routing_key, mandatory, message });
            loop {
                let is_returned = matches!(published, Ok(Some(_)));
                match published {
                    Ok(None) => {}
                    Ok(Some(returned)) => write_returned(number, &returned, &mut self.protocol),
                    Err(error) => break 'run Err(fault(error)),
                }
                if is_returned && self.protocol.output_len() >= output_max_bytes {
                    break 'run Ok(None);
                }
                let Some(message) = self.protocol.receive_again(bytes, at, number) else { break };
                published = publishing.publish_again(message, &again);
            }
            match self.protocol.receive(bytes, at) {
                Ok(Some(Request::Publish { channel, publish })) if channel == number => {
                    incoming = publish;
                }
                after => break after,
            }
        };
        let confirms = publishing.finish();
        if !confirms.confirms.is_empty() {
            channels.promises.confirm(number, confirms, self.protocol.output());
        }
        after
    }

    /// Takes an acknowledgement and those that follow on the same channel.
    fn acknowledge_all(
        &mut self,
        number: u16,
        first: &basic::Ack,
        bytes: &[u8],
        at: &mut usize,
    ) -> Result<Option<Request>, Fault> {
        let mut acks: SmallVec<[Tags; ACKS_IN_PLACE]> = smallvec![acknowledged(first)];
        let after = loop {
            match self.protocol.receive(bytes, at) {
                Ok(Some(Request::Method {
                    channel,
                    method: ChannelMethod::Basic(basic::Method::Ack(ack)),
                })) if channel == number => acks.push(acknowledged(&ack)),
                after => break after,
            }
        };
        let Some(channels) = &mut self.channels else { return after };
        let fault = |error| Fault { channel: number, error };
        let channel = channels.channel(number, MethodId::BASIC_ACK).map_err(fault)?;
        match (channel.acknowledge_all(&acks), after) {
            (Ok(()), after) => after,
            // What came after it on this channel is ignored, what came on others is not.
            (Err(error), Ok(Some(request))) if !request.is_of(number) => {
                self.fail(&fault(error));
                Ok(Some(request))
            }
            (Err(error), Err(other)) if other.channel != number => {
                self.fail(&fault(error));
                Err(other)
            }
            (Err(error), _) => Err(fault(error)),
        }
    }

    fn on_channel(
        &mut self,
        channel: u16,
        operation: impl FnOnce(&mut Channels, &mut Connection) -> Result<(), AmqpError>,
    ) -> Result<(), Fault> {
        let Some(channels) = &mut self.channels else { return Ok(()) };
        operation(channels, &mut self.protocol).map_err(|error| Fault { channel, error })
    }

    fn log_in(&mut self, credentials: &Credentials) -> Result<(), Fault> {
        let Credentials { mechanism, user, password } = credentials;
        match self.broker.authenticate(user, password, Some(self.peer.address.ip())) {
            Ok(user) => {
                self.user = Some(user);
                self.protocol.log_in();
                Ok(())
            }
            Err(refused) => {
                tracing::warn!(peer = %self.peer, user = refused.user(), %refused, "login refused");
                let error = refused.reply(mechanism.name());
                let delay = self.broker.shared().config().login_failure_delay;
                let now = self.broker.shared().clock().now();
                self.silent_until = Some(now.saturating_add(delay));
                Err(Fault { channel: 0, error })
            }
        }
    }

    fn open(&mut self, virtual_host: &ShortString) -> Result<(), Fault> {
        let Some(user) = self.user.clone() else { return Ok(()) };
        let user_name = user.current().name().to_owned();
        let name = ShortString::truncated(&self.peer.to_string());
        let connection = self
            .broker
            .connect_user(name, virtual_host, user)
            .map_err(|error| Fault { channel: 0, error })?;
        connection.tell_of_close(Arc::clone(&self.signals));
        let unfinished = Arc::clone(self.broker.shared().unfinished());
        self.unfinished = Some(UnfinishedContents::new(unfinished, connection.id()));
        tracing::info!(
            peer = %self.peer,
            user = user_name,
            virtual_host = virtual_host.as_str(),
            client = self.protocol.client().description,
            "connection opened"
        );
        self.channels = Some(Channels::new(connection, Arc::clone(&self.signals)));
        self.handshake = None;
        self.ends_at = None;
        let now = self.broker.shared().clock().now();
        self.heartbeat = Heartbeat::every(self.protocol.negotiated().heartbeat, now);
        self.protocol.opened();
        Ok(())
    }

    /// Closes what a fault closes, here and at the peer.
    pub(super) fn fail(&mut self, fault: &Fault) {
        if self.protocol.ending() != Ending::None {
            // It is on its way out already, and gets no more time for what it does wrong there.
            return;
        }
        let Fault { channel, error } = fault;
        tracing::info!(peer = %self.peer, channel, %error, "closed by an error");
        if let Some(channels) = &mut self.channels {
            if *channel != 0 && error.scope() == ErrorScope::Channel {
                channels.close(*channel, Some(error));
            } else {
                channels.connection.close(Some(error));
                self.channels = None;
            }
        }
        self.protocol.fail(fault);
        if let Some(contents) = &mut self.unfinished {
            contents.set(u64::try_from(self.protocol.held_bytes()).unwrap_or(u64::MAX));
        }
        self.give_time();
    }

    /// Gives a peer that is on its way out some time, but not for ever.
    fn give_time(&mut self) {
        let config = self.broker.shared().config();
        let time = match self.protocol.ending() {
            Ending::None => return,
            Ending::Dismissed => config.login_failure_delay,
            Ending::Closing | Ending::Leaving | Ending::Closed => config.close_timeout,
        };
        self.ends_at = Some(self.broker.shared().clock().now().saturating_add(time));
    }

    /// Counts what is not published yet, and closes a connection that holds too much of it.
    fn count_unfinished(&mut self) {
        let Some(contents) = &mut self.unfinished else { return };
        let held = u64::try_from(self.protocol.held_bytes()).unwrap_or(u64::MAX);
        contents.set(held);
        if held > 0 && self.publishing == Publishing::Never {
            self.publishing = Publishing::Allowed;
        }
        let config = self.broker.shared().config();
        let max = config
            .connection_unfinished_max_bytes
            .max(u64::try_from(config.max_message_size).unwrap_or(u64::MAX));
        let all = contents.of_connection();
        if all > max {
            let error = AmqpError::new(
                ReplyCode::ResourceError,
                MethodId::NONE,
                format_args!(
                    "{all} bytes of messages are not whole or not committed, a connection may \
                     have {max} (connection_unfinished_max_bytes)"
                ),
            );
            self.fail(&Fault { channel: 0, error });
        }
    }

    /// A connection that published while memory or the disk are short is read from no more, until
    /// there is room.
    pub(super) fn block_at_the_mark(&mut self) {
        let mut is_told = match self.publishing {
            Publishing::Never => return,
            Publishing::Allowed => false,
            Publishing::Blocked { is_told } => is_told,
        };
        let Some(shortage) = self.broker.shared().memory().shortage() else { return };
        let tells = self.protocol.is_running() && self.protocol.client().is_told_of_blocking;
        if let Some(reason) = shortage.reason().filter(|_| tells && !is_told) {
            let reason = ShortString::from_static(reason);
            self.protocol.output().method(0, &connection::Blocked { reason });
            is_told = true;
        }
        self.publishing = Publishing::Blocked { is_told };
    }
}

fn acknowledged(ack: &basic::Ack) -> Tags {
    Tags::new(ack.delivery_tag, Multiple::from_bit(ack.multiple))
}
