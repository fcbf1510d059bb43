use std::collections::BTreeMap;

use bytes::Bytes;
use springhare_amqp::wire::method::{basic, channel, connection};
use springhare_amqp::wire::{FRAME_OVERHEAD, Frame, FrameKind, Method, PROTOCOL_HEADER};
use springhare_amqp::{AmqpError, ErrorScope, MethodId, ReplyCode, ShortString};

use super::content::{ContentAssembler, Expected};
use super::faults;
use super::handshake::{Client, ServerProperties};
use super::output::Output;
use super::request::{ChannelMethod, Fault, Request};
use super::sasl::Credentials;

/// The largest frame before the client is known, in bytes, as RabbitMQ 4.1 has it: its
/// predecessors' 4096 is too little for some clients' properties.
const FRAME_MAX_BEFORE_TUNE: usize = 8192;

/// What is negotiated by `connection.tune`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negotiable {
    pub(crate) channel_max: u16,
    /// Of a whole frame, in bytes.
    pub(crate) frame_max: usize,
    /// In seconds; 0 is never.
    pub(crate) heartbeat: u16,
}

/// A connection's protocol.
///
/// **Inputs**: [`receive`](Self::receive) takes bytes; `log_in`, `opened`, `channel_opened` and
/// the like take the broker's answers; [`fail`](Self::fail) takes its errors.
/// **Outputs**: requests from `receive`, bytes in [`output`](Self::output), and
/// [`ending`](Self::ending).
#[derive(Debug)]
pub(crate) struct Connection {
    stage: Stage,
    offer: Negotiable,
    server: ServerProperties,
    negotiated: Negotiable,
    client: Client,
    max_message_size: usize,
    /// By number, of which RabbitMQ only asks that it is not 0.
    channels: BTreeMap<u16, ChannelStage>,
    output: Output,
}

/// Which method is next, or what is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    ProtocolHeader,
    StartOk,
    /// The broker decides about the login.
    LoggingIn,
    TuneOk,
    Open,
    /// The broker looks at the virtual host.
    Opening,
    Running,
    /// A close was sent; its close-ok is awaited.
    Closing,
    Closed,
    /// The peer never became a client: it is let go without a word.
    Dismissed,
}

#[derive(Debug)]
enum ChannelStage {
    Open(Box<ContentAssembler>),
    /// A close was sent; all but its close-ok is ignored.
    Closing,
}

/// How the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It goes on.
    None,
    /// A close was sent; the peer has some time to answer.
    Closing,
    /// Over, once what is to be written is written.
    Closed,
    /// The peer is let go after a pause, as RabbitMQ does with who can't log in.
    Dismissed,
}

impl Connection {
    pub(crate) fn new(
        offer: Negotiable,
        server: ServerProperties,
        max_message_size: usize,
    ) -> Self {
        Self {
            stage: Stage::ProtocolHeader,
            offer,
            server,
            negotiated: Negotiable { frame_max: FRAME_MAX_BEFORE_TUNE, ..offer },
            client: Client::default(),
            max_message_size,
            channels: BTreeMap::new(),
            output: Output::default(),
        }
    }

    pub(crate) fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What was negotiated; what was offered, before.
    pub(crate) fn negotiated(&self) -> Negotiable {
        self.negotiated
    }

    pub(crate) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Whether the peer has not got through the handshake yet.
    pub(crate) fn is_shaking_hands(&self) -> bool {
        !matches!(
            self.stage,
            Stage::Running | Stage::Closing | Stage::Closed | Stage::Dismissed
        )
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.stage {
            Stage::Closing => Ending::Closing,
            Stage::Closed => Ending::Closed,
            Stage::Dismissed => Ending::Dismissed,
            _ => Ending::None,
        }
    }

    /// The bytes that contents hold that are not whole yet.
    pub(crate) fn held_bytes(&self) -> usize {
        let channels = self.channels.values();
        channels
            .map(|stage| match stage {
                ChannelStage::Open(content) => content.held_bytes(),
                ChannelStage::Closing => 0,
            })
            .sum()
    }

    /// How many of these bytes can be received now: whole frames, or all if they have a fault.
    pub(crate) fn whole(&self, bytes: &[u8]) -> usize {
        let mut at = 0;
        if self.stage == Stage::ProtocolHeader {
            if bytes.len() < PROTOCOL_HEADER.len() {
                return 0;
            }
            at = PROTOCOL_HEADER.len();
        }
        while let Some(rest) = bytes.get(at..) {
            match Frame::decode(rest, self.frame_limit()) {
                Ok(Some(frame)) => at += frame.encoded_len(),
                Ok(None) => break,
                Err(_) => return bytes.len(),
            }
        }
        at
    }

    /// The next request in `burst`, which moves `at` behind what it was read from; none when
    /// there is no more in it.
    ///
    /// # Errors
    ///
    /// What the peer did wrong, and where; [`fail`](Self::fail) tells it.
    pub(crate) fn receive(
        &mut self,
        burst: &Bytes,
        at: &mut usize,
    ) -> Result<Option<Request>, Fault> {
        loop {
            let Some(rest) = burst.get(*at..) else { return Ok(None) };
            match self.stage {
                Stage::ProtocolHeader => {
                    let Some(header) = rest.first_chunk() else { return Ok(None) };
                    *at += PROTOCOL_HEADER.len();
                    self.protocol_header(header);
                    continue;
                }
                Stage::Closed | Stage::Dismissed => {
                    *at = burst.len();
                    return Ok(None);
                }
                _ => {}
            }
            let frame = match Frame::decode(rest, self.frame_limit()) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(error) => {
                    *at = burst.len();
                    return Err(on_connection(faults::frame(&error)));
                }
            };
            *at += frame.encoded_len();
            let request = match frame.channel {
                0 => self.connection_frame(&frame).map_err(on_connection)?,
                number => self
                    .channel_frame(number, &frame, burst)
                    .map_err(|error| Fault { channel: number, error })?,
            };
            if request.is_some() {
                return Ok(request);
            }
        }
    }

    /// A frame may be 8 bytes too large: some clients count the payload alone, and RabbitMQ lets
    /// them.
    fn frame_limit(&self) -> usize {
        self.negotiated.frame_max.saturating_add(FRAME_OVERHEAD)
    }

    fn protocol_header(&mut self, header: &[u8; 8]) {
        if *header != PROTOCOL_HEADER {
            tracing::info!(
                header = %String::from_utf8_lossy(header).escape_debug(),
                "this is not AMQP 0-9-1"
            );
            self.output.raw(&PROTOCOL_HEADER);
            self.stage = Stage::Closed;
            return;
        }
        self.output.method(0, &self.server.start());
        self.stage = Stage::StartOk;
    }

    fn connection_frame(&mut self, frame: &Frame<'_>) -> Result<Option<Request>, AmqpError> {
        match frame.kind {
            FrameKind::Heartbeat if frame.payload.is_empty() => Ok(None),
            FrameKind::Heartbeat => {
                Err(faults::heartbeat_with_payload(frame.kind.value(), frame.payload))
            }
            _ if self.stage == Stage::Closing && frame.kind != FrameKind::Method => Ok(None),
            FrameKind::Header | FrameKind::Body => {
                Err(faults::unexpected_frame(frame.kind.value(), frame.payload))
            }
            FrameKind::Method => {
                let method = Method::decode(frame.payload);
                let method = method.map_err(|error| faults::method(&error, frame.payload))?;
                self.connection_method(method)
            }
        }
    }

    fn connection_method(&mut self, method: Method) -> Result<Option<Request>, AmqpError> {
        use connection::Method as Of;
        let id = method.id();
        match (self.stage, method) {
            (Stage::StartOk, Method::Connection(Of::StartOk(start_ok))) => {
                self.client = Client::read(&start_ok);
                let credentials = Credentials::read(&start_ok.mechanism, &start_ok.response)?;
                self.stage = Stage::LoggingIn;
                Ok(Some(Request::LogIn(credentials)))
            }
            (Stage::TuneOk, Method::Connection(Of::TuneOk(wish))) => {
                self.negotiated = self.offer.negotiate(&wish)?;
                self.stage = Stage::Open;
                Ok(None)
            }
            (Stage::Open, Method::Connection(Of::Open(open))) => {
                self.stage = Stage::Opening;
                Ok(Some(Request::Open { virtual_host: open.virtual_host }))
            }
            (Stage::Running | Stage::Closing, Method::Connection(Of::Close(_))) => {
                self.output.method(0, &connection::CloseOk {});
                self.stage = Stage::Closed;
                Ok(Some(Request::Close))
            }
            (Stage::Closing, Method::Connection(Of::CloseOk(_))) => {
                self.stage = Stage::Closed;
                Ok(None)
            }
            (Stage::Closing, _) => Ok(None),
            // A user of the broker's own list may go on whatever the secret.
            (Stage::Running, Method::Connection(Of::UpdateSecret(_))) => {
                self.output.method(0, &connection::UpdateSecretOk {});
                Ok(None)
            }
            (stage, _) => Err(AmqpError::new(
                ReplyCode::ChannelError,
                id,
                format_args!("unexpected method in connection state {}", stage.name()),
            )),
        }
    }

    fn channel_frame(
        &mut self,
        number: u16,
        frame: &Frame<'_>,
        burst: &Bytes,
    ) -> Result<Option<Request>, AmqpError> {
        if self.stage == Stage::Closing {
            return Ok(None);
        }
        if frame.kind == FrameKind::Heartbeat || self.stage != Stage::Running {
            return Err(faults::unexpected_frame(frame.kind.value(), frame.payload));
        }
        let max_message_size = self.max_message_size;
        match self.channels.get_mut(&number) {
            Some(ChannelStage::Open(content)) => {
                let incoming = match frame.kind {
                    FrameKind::Header => content.header(frame.payload, max_message_size)?,
                    FrameKind::Body => content.body(burst, frame.payload)?,
                    _ if content.is_under_way() => return Err(content.unexpected()),
                    _ if content.start_as_before(frame.payload) => None,
                    _ => return self.channel_method(number, frame.payload),
                };
                Ok(incoming.map(|publish| Request::Publish { channel: number, publish }))
            }
            Some(ChannelStage::Closing) => self.closing_channel(number, frame),
            None => self.unknown_channel(number, frame),
        }
    }

    fn channel_method(
        &mut self,
        number: u16,
        payload: &[u8],
    ) -> Result<Option<Request>, AmqpError> {
        let method = Method::decode(payload).map_err(|error| faults::method(&error, payload))?;
        let id = method.id();
        let method = match method {
            Method::Basic(basic::Method::Publish(publish)) => {
                if let Some(ChannelStage::Open(content)) = self.channels.get_mut(&number) {
                    content.start(payload, publish)?;
                }
                return Ok(None);
            }
            Method::Channel(channel::Method::Open(_)) => return Err(second_open()),
            Method::Channel(channel::Method::Close(_)) => {
                return Ok(Some(Request::CloseChannel { channel: number }));
            }
            Method::Channel(channel::Method::Flow(flow)) => {
                ChannelMethod::Flow { active: flow.active }
            }
            Method::Access(method) => ChannelMethod::Access(method),
            Method::Exchange(method) => ChannelMethod::Exchange(method),
            Method::Queue(method) => ChannelMethod::Queue(method),
            Method::Basic(method) => ChannelMethod::Basic(method),
            Method::Confirm(method) => ChannelMethod::Confirm(method),
            Method::Tx(method) => ChannelMethod::Tx(method),
            Method::Connection(_) | Method::Channel(_) => return Err(unimplemented(id)),
        };
        Ok(Some(Request::Method { channel: number, method }))
    }

    fn closing_channel(
        &mut self,
        number: u16,
        frame: &Frame<'_>,
    ) -> Result<Option<Request>, AmqpError> {
        if frame.kind != FrameKind::Method {
            return Ok(None);
        }
        let method = Method::decode(frame.payload);
        match method.map_err(|error| faults::method(&error, frame.payload))? {
            Method::Channel(channel::Method::CloseOk(_)) => {
                self.channels.remove(&number);
            }
            // Both closed it at once: the peer gets its answer, and still owes ours.
            Method::Channel(channel::Method::Close(_)) => {
                self.output.method(number, &channel::CloseOk {});
            }
            Method::Channel(channel::Method::Open(_)) => return Err(second_open()),
            _ => {}
        }
        Ok(None)
    }

    fn unknown_channel(
        &mut self,
        number: u16,
        frame: &Frame<'_>,
    ) -> Result<Option<Request>, AmqpError> {
        let max = self.negotiated.channel_max;
        if self.channels.len() >= usize::from(max) {
            return Err(AmqpError::new(
                ReplyCode::NotAllowed,
                MethodId::NONE,
                format_args!(
                    "number of channels opened ({max}) has reached the negotiated \
                     channel_max ({max})"
                ),
            ));
        }
        if frame.kind != FrameKind::Method {
            return Err(faults::out_of_order(Expected::Method));
        }
        let method = Method::decode(frame.payload);
        let method = method.map_err(|error| faults::method(&error, frame.payload))?;
        if !matches!(method, Method::Channel(channel::Method::Open(_))) {
            let explanation = "expected 'channel.open'";
            return Err(AmqpError::new(ReplyCode::ChannelError, method.id(), explanation));
        }
        Ok(Some(Request::OpenChannel { channel: number }))
    }

    /// The login is right: on to the tuning.
    pub(crate) fn log_in(&mut self) {
        self.output.method(0, &self.offer.tune());
        self.stage = Stage::TuneOk;
    }

    /// The virtual host is open to the client.
    pub(crate) fn opened(&mut self) {
        self.output.method(0, &connection::OpenOk {});
        self.stage = Stage::Running;
    }

    pub(crate) fn channel_opened(&mut self, number: u16) {
        self.channels.insert(number, ChannelStage::Open(Box::default()));
        self.output.method(number, &channel::OpenOk {});
    }

    /// The channel that the client closed is closed.
    pub(crate) fn channel_closed(&mut self, number: u16) {
        self.channels.remove(&number);
        self.output.method(number, &channel::CloseOk {});
    }

    /// Tells the peer what it did wrong, and closes what the error closes.
    pub(crate) fn fail(&mut self, fault: &Fault) {
        let Fault { channel, error } = fault;
        if *channel != 0 && error.scope() == ErrorScope::Channel {
            self.close_channel(*channel, error);
        } else {
            self.close(error);
        }
    }

    fn close_channel(&mut self, number: u16, error: &AmqpError) {
        let stage = self.channels.get_mut(&number);
        if let Some(stage @ ChannelStage::Open(_)) = stage {
            *stage = ChannelStage::Closing;
            self.output.method(
                number,
                &channel::Close {
                    reply_code: error.code().code(),
                    reply_text: ShortString::truncated(error.text()),
                    class_id: error.method().class,
                    method_id: error.method().method,
                },
            );
        }
    }

    /// Closes the connection. One that is not running hears of it only if it may: a refused
    /// login that it asked to be told of, or a virtual host that it can't use.
    pub(crate) fn close(&mut self, error: &AmqpError) {
        let is_told = match self.stage {
            Stage::Running | Stage::Opening => true,
            Stage::LoggingIn => self.client.is_told_of_refusal,
            Stage::Closing | Stage::Closed | Stage::Dismissed => return,
            Stage::ProtocolHeader | Stage::StartOk | Stage::TuneOk | Stage::Open => {
                error.code() == ReplyCode::ConnectionForced && self.stage != Stage::ProtocolHeader
            }
        };
        if !is_told {
            self.stage = Stage::Dismissed;
            return;
        }
        self.channels.clear();
        self.stage = Stage::Closing;
        self.output.method(
            0,
            &connection::Close {
                reply_code: error.code().code(),
                reply_text: ShortString::truncated(error.text()),
                class_id: error.method().class,
                method_id: error.method().method,
            },
        );
    }
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::ProtocolHeader | Self::StartOk => "starting",
            Self::LoggingIn => "securing",
            Self::TuneOk => "tuning",
            Self::Open | Self::Opening => "opening",
            Self::Running => "running",
            Self::Closing => "closing",
            Self::Closed | Self::Dismissed => "closed",
        }
    }
}

fn on_connection(error: AmqpError) -> Fault {
    Fault { channel: 0, error }
}

fn second_open() -> AmqpError {
    let explanation = "second 'channel.open' seen";
    AmqpError::new(ReplyCode::ChannelError, MethodId::CHANNEL_OPEN, explanation)
}

/// 503 for a method that no client sends.
pub(crate) fn unimplemented(id: MethodId) -> AmqpError {
    AmqpError::new(ReplyCode::CommandInvalid, id, "unimplemented method")
}
