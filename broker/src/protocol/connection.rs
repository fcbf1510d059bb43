use std::collections::{BTreeMap, VecDeque};

use springhare_amqp::wire::method::connection;
use springhare_amqp::wire::{
    ContentHeader, FRAME_OVERHEAD, Frame, FrameKind, Method, PROTOCOL_HEADER,
};
use springhare_amqp::{AmqpError, ErrorScope, ReplyCode, ShortString};

use super::channels::ChannelStage;
use super::faults;
use super::handshake::{Client, ServerProperties};
use super::output::Output;
use super::request::{Fault, Request};
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
    pub(super) stage: Stage,
    offer: Negotiable,
    server: ServerProperties,
    pub(super) negotiated: Negotiable,
    client: Client,
    pub(super) max_message_size: usize,
    /// By number, of which RabbitMQ only asks that it is not 0.
    pub(super) channels: BTreeMap<u16, ChannelStage>,
    pub(super) recently_closed: VecDeque<u16>,
    /// Of all channels together.
    pub(super) held_bytes: usize,
    pub(super) output: Output,
}

/// Which method is next, or what is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
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
    /// The peer's close was answered; the socket is its own to end, once it has read the answer.
    Leaving,
    Closed,
    /// The peer never became a client: it is let go without a word.
    Dismissed,
}

/// How the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It goes on.
    None,
    /// A close was sent; the peer has some time to answer.
    Closing,
    /// The peer closed it, and has some time to end its socket.
    Leaving,
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
            recently_closed: VecDeque::new(),
            held_bytes: 0,
            output: Output::default(),
        }
    }

    /// The bytes that wait to be written.
    pub(crate) fn output_len(&self) -> usize {
        self.output.len()
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
            Stage::Running | Stage::Closing | Stage::Leaving | Stage::Closed | Stage::Dismissed
        )
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.stage {
            Stage::Closing => Ending::Closing,
            Stage::Leaving => Ending::Leaving,
            Stage::Closed => Ending::Closed,
            Stage::Dismissed => Ending::Dismissed,
            _ => Ending::None,
        }
    }

    /// The bytes that contents hold that are not whole yet.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The next request in `bytes`, which moves `at` behind what it was read from; none when there
    /// is no whole one left.
    ///
    /// # Errors
    ///
    /// What the peer did wrong, and where; [`fail`](Self::fail) tells it.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
    ) -> Result<Option<Request>, Fault> {
        loop {
            let Some(rest) = bytes.get(*at..) else { return Ok(None) };
            match self.stage {
                Stage::ProtocolHeader => {
                    let Some(header) = rest.first_chunk() else { return Ok(None) };
                    *at += PROTOCOL_HEADER.len();
                    self.protocol_header(header);
                    continue;
                }
                Stage::Leaving | Stage::Closed | Stage::Dismissed => {
                    *at = bytes.len();
                    return Ok(None);
                }
                _ => {}
            }
            let frame = match Frame::decode(rest, self.frame_limit()) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(error) => {
                    *at = bytes.len();
                    return Err(on_connection(faults::frame(&error)));
                }
            };
            *at += frame.encoded_len();
            let request = match frame.channel {
                0 => self.connection_frame(&frame).map_err(on_connection)?,
                number => self
                    .channel_frame(number, &frame)
                    .map_err(|error| Fault { channel: number, error })?,
            };
            if request.is_some() {
                return Ok(request);
            }
        }
    }

    /// A frame may be 8 bytes too large: some clients count the payload alone, and RabbitMQ lets
    /// them.
    pub(super) fn frame_limit(&self) -> usize {
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
            FrameKind::Heartbeat => Err(faults::heartbeat_with_payload(frame.payload)),
            _ if self.stage == Stage::Closing && frame.kind != FrameKind::Method => Ok(None),
            FrameKind::Header if ContentHeader::decode(frame.payload).is_err() => {
                Err(faults::content_header(frame.payload))
            }
            FrameKind::Header | FrameKind::Body => Err(faults::unexpected_frame(frame)),
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

    /// The connection that the client closed is closed: the last that it hears.
    pub(crate) fn closed_by_peer(&mut self) {
        self.forget_channels();
        self.output.method(0, &connection::CloseOk {});
        self.stage = Stage::Leaving;
    }

    fn forget_channels(&mut self) {
        self.channels.clear();
        self.held_bytes = 0;
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

    /// Closes the connection. One that is not running hears of it only if it may: a refused
    /// login that it asked to be told of, or a virtual host that it can't use.
    pub(crate) fn close(&mut self, error: &AmqpError) {
        let is_told = match self.stage {
            Stage::Running | Stage::Opening | Stage::Open => true,
            Stage::LoggingIn => self.client.is_told_of_refusal,
            Stage::Closing | Stage::Leaving | Stage::Closed | Stage::Dismissed => return,
            Stage::ProtocolHeader | Stage::StartOk | Stage::TuneOk => {
                error.code() == ReplyCode::ConnectionForced && self.stage != Stage::ProtocolHeader
            }
        };
        if !is_told {
            self.stage = Stage::Dismissed;
            return;
        }
        self.forget_channels();
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
            Self::Leaving | Self::Closed | Self::Dismissed => "closed",
        }
    }
}

fn on_connection(error: AmqpError) -> Fault {
    Fault { channel: 0, error }
}
