use bytes::{Bytes, BytesMut};

use super::error::{HandshakeError, PeerFault, closed_by};
use crate::wire::method::connection::{self, Open, Start, StartOk, Tune, TuneOk};
use crate::wire::{FRAME_MIN_SIZE, Frame, FrameError, FrameKind, Method, PROTOCOL_HEADER};
use crate::wire::{PayloadStart, encode_method_frame};
use crate::{FieldTable, FieldValue, ShortString};

/// The largest frame that is taken before a size is agreed on, in bytes: the broker's properties
/// come in one.
const FRAME_LIMIT: usize = 128 << 10;

/// What the client can do, in RabbitMQ's words (`capabilities` of the client properties).
const CAPABILITIES: [&str; 6] = [
    "authentication_failure_close",
    "basic.nack",
    "connection.blocked",
    "consumer_cancel_notify",
    "exchange_exchange_bindings",
    "publisher_confirms",
];

const LOCALE: ShortString = ShortString::from_static("en_US");
const PLAIN: &str = "PLAIN";

/// Who logs in, where to, and which limits it wishes.
#[derive(Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password; never shown.
    pub password: String,
    /// The virtual host.
    pub virtual_host: ShortString,
    /// What the broker shows the connection as (`connection_name`).
    pub connection_name: String,
    /// The most channels at a time, 0 for the broker's limit.
    pub channel_max: u16,
    /// The largest frame, in bytes, 0 for the broker's limit.
    pub frame_max: u32,
    /// The interval of heartbeats, in seconds, if the broker wishes no shorter one; 0 for none.
    pub heartbeat: u16,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("virtual_host", &self.virtual_host)
            .finish_non_exhaustive()
    }
}

/// What both sides keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// The highest channel number.
    pub channel_max: u16,
    /// The largest frame, in bytes, with its overhead.
    pub frame_max: usize,
    /// The interval of heartbeats, in seconds; 0 for none.
    pub heartbeat: u16,
}

/// The first methods of a connection (AMQP 0-9-1 section 2.2.4): greeting, login, limits, virtual
/// host.
#[derive(Debug)]
pub struct Handshake {
    login: Login,
    state: State,
    product: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Start,
    Tune,
    OpenOk(Agreed),
}

/// How far a handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on with what comes next.
    Pending,
    /// The connection is open.
    Open(Agreed),
}

impl Handshake {
    /// Begins one: what the client sends first is in `out`.
    #[must_use]
    pub fn new(login: Login, out: &mut BytesMut) -> Self {
        out.extend_from_slice(&PROTOCOL_HEADER);
        Self { login, state: State::Start, product: None }
    }

    /// What the broker calls itself (`product` of its properties), once it has said so.
    #[must_use]
    pub fn product(&self) -> Option<&str> {
        self.product.as_deref()
    }

    /// Takes what was received, and says how much of it is done with; the answer is in `out`.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; nothing more is to be sent then.
    pub fn handle(
        &mut self,
        bytes: &[u8],
        out: &mut BytesMut,
    ) -> Result<(usize, Progress), HandshakeError> {
        if matches!(self.state, State::Start) {
            check_greeting(bytes)?;
        }
        let mut done = 0;
        while let Some(rest) = bytes.get(done..)
            && let Some(frame) = self.frame(rest)?
        {
            done += frame.encoded_len();
            let progress = match frame.kind {
                FrameKind::Method if frame.channel == 0 => self.method(frame.payload, out)?,
                FrameKind::Heartbeat => Progress::Pending,
                _ => return Err(PeerFault::UnknownChannel { channel: frame.channel }.into()),
            };
            if let Progress::Open(_) = progress {
                return Ok((done, progress));
            }
        }
        Ok((done, Progress::Pending))
    }

    fn frame<'b>(&self, bytes: &'b [u8]) -> Result<Option<Frame<'b>>, HandshakeError> {
        match Frame::decode(bytes, FRAME_LIMIT) {
            Ok(frame) => Ok(frame),
            // Whatever it is, it does not speak the protocol at all.
            Err(FrameError::UnknownKind { .. } | FrameError::TooLarge { .. })
                if matches!(self.state, State::Start) =>
            {
                Err(not_amqp(bytes))
            }
            Err(error) => Err(PeerFault::from(error).into()),
        }
    }

    fn method(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<Progress, HandshakeError> {
        let method = Method::decode(payload).map_err(PeerFault::from)?;
        match (self.state, method) {
            (State::Start, Method::Connection(connection::Method::Start(start))) => {
                encode_method_frame(0, &self.start_ok(&start)?, out);
                let product = start.server_properties.get("product").and_then(FieldValue::as_str);
                self.product = product.map(str::to_owned);
                self.state = State::Tune;
            }
            (State::Tune, Method::Connection(connection::Method::Tune(tune))) => {
                let agreed = self.agree(&tune);
                let tune_ok = TuneOk {
                    channel_max: agreed.channel_max,
                    frame_max: u32::try_from(agreed.frame_max).unwrap_or(u32::MAX),
                    heartbeat: agreed.heartbeat,
                };
                encode_method_frame(0, &tune_ok, out);
                let virtual_host = self.login.virtual_host.clone();
                encode_method_frame(0, &Open { virtual_host }, out);
                self.state = State::OpenOk(agreed);
            }
            (State::OpenOk(agreed), Method::Connection(connection::Method::OpenOk(_))) => {
                return Ok(Progress::Open(agreed));
            }
            (_, Method::Connection(connection::Method::Close(close))) => {
                let (code, text) = (close.reply_code, &close.reply_text);
                let error = closed_by(code, text, close.class_id, close.method_id)?;
                return Err(HandshakeError::Refused(error));
            }
            (_, method) => {
                return Err(PeerFault::UnexpectedMethod { channel: 0, method: method.id() }.into());
            }
        }
        Ok(Progress::Pending)
    }

    fn start_ok(&self, start: &Start) -> Result<StartOk, HandshakeError> {
        let offered = String::from_utf8_lossy(&start.mechanisms);
        if !offered.split(' ').any(|mechanism| mechanism == PLAIN) {
            return Err(HandshakeError::NoMechanism { offered: offered.into_owned() });
        }
        let response = format!("\0{}\0{}", self.login.user, self.login.password);
        Ok(StartOk {
            client_properties: self.properties(),
            mechanism: ShortString::from_static(PLAIN),
            response: Bytes::from(response),
            locale: LOCALE,
        })
    }

    fn properties(&self) -> FieldTable {
        let capabilities: FieldTable = CAPABILITIES
            .into_iter()
            .map(|name| (ShortString::from_static(name), FieldValue::Boolean(true)))
            .collect();
        let texts = [
            ("connection_name", self.login.connection_name.as_str()),
            ("platform", "Rust"),
            ("product", "springhare"),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        let texts = texts.into_iter().map(|(name, text)| (name, FieldValue::text(text)));
        std::iter::once(("capabilities", FieldValue::Table(capabilities)))
            .chain(texts)
            .map(|(name, value)| (ShortString::from_static(name), value))
            .collect()
    }

    /// The lower of both sides' limits, where 0 is none.
    fn agree(&self, tune: &Tune) -> Agreed {
        let channel_max = match lower(self.login.channel_max.into(), tune.channel_max.into()) {
            0 => u16::MAX,
            max => u16::try_from(max).unwrap_or(u16::MAX),
        };
        let frame_max = match lower(self.login.frame_max, tune.frame_max) {
            0 => FRAME_LIMIT,
            max => usize::try_from(max).unwrap_or(FRAME_LIMIT).max(FRAME_MIN_SIZE),
        };
        let heartbeat = lower(self.login.heartbeat.into(), tune.heartbeat.into());
        let heartbeat = if self.login.heartbeat == 0 { 0 } else { heartbeat };
        let heartbeat = u16::try_from(heartbeat).unwrap_or(u16::MAX);
        Agreed { channel_max, frame_max, heartbeat }
    }
}

fn lower(ours: u32, theirs: u32) -> u32 {
    if ours == 0 || theirs == 0 { ours.max(theirs) } else { ours.min(theirs) }
}

/// A server that wants another version answers with its own header (section 4.2.2).
fn check_greeting(bytes: &[u8]) -> Result<(), HandshakeError> {
    let Some((first, _)) = bytes.split_first_chunk::<8>() else { return Ok(()) };
    match *first {
        PROTOCOL_HEADER => Err(not_amqp(bytes)),
        // 0-8 and 0-9 stand elsewhere: `AMQP`, 1, 1, major, minor.
        [b'A', b'M', b'Q', b'P', 1, 1, major, minor] => {
            Err(HandshakeError::OtherVersion { major, minor, revision: 0 })
        }
        [b'A', b'M', b'Q', b'P', _, major, minor, revision] => {
            Err(HandshakeError::OtherVersion { major, minor, revision })
        }
        _ => Ok(()),
    }
}

fn not_amqp(bytes: &[u8]) -> HandshakeError {
    let first = PayloadStart::of(bytes);
    let received = String::from_utf8_lossy(first.as_bytes()).escape_debug().to_string();
    HandshakeError::NotAmqp { received }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode_heartbeat;
    use crate::wire::method::connection::{Close, OpenOk};
    use crate::{MethodId, ReplyCode};

    fn login() -> Login {
        Login {
            user: "ann".to_owned(),
            password: "s3cret".to_owned(),
            virtual_host: ShortString::from_static("/"),
            connection_name: "orders".to_owned(),
            channel_max: 0,
            frame_max: 0,
            heartbeat: 30,
        }
    }

    fn begun() -> Handshake {
        let mut out = BytesMut::new();
        let handshake = Handshake::new(login(), &mut out);
        assert_eq!(out, PROTOCOL_HEADER[..]);
        handshake
    }

    fn start(mechanisms: &'static str) -> BytesMut {
        let start = Start {
            version_major: 0,
            version_minor: 9,
            server_properties: FieldTable::new(),
            mechanisms: Bytes::from_static(mechanisms.as_bytes()),
            locales: Bytes::from_static(b"en_US"),
        };
        let mut bytes = BytesMut::new();
        encode_method_frame(0, &start, &mut bytes);
        bytes
    }

    fn sent(out: &BytesMut) -> Vec<Method> {
        let mut methods = Vec::new();
        let mut rest = &out[..];
        while let Some(frame) = Frame::decode(rest, FRAME_LIMIT).unwrap() {
            methods.push(Method::decode(frame.payload).unwrap());
            rest = &rest[frame.encoded_len()..];
        }
        methods
    }

    #[test]
    fn it_logs_in_and_takes_the_lower_limits() {
        let mut handshake = begun();
        let mut received = start("AMQPLAIN PLAIN");
        let mut out = BytesMut::new();
        // A frame may come in pieces.
        assert_eq!(handshake.handle(&received[..9], &mut out).unwrap(), (0, Progress::Pending));
        let step = handshake.handle(&received, &mut out).unwrap();
        assert_eq!(step, (received.len(), Progress::Pending));
        let methods = sent(&out);
        let [Method::Connection(connection::Method::StartOk(start_ok))] = &methods[..] else {
            panic!("{methods:?}")
        };
        assert_eq!(start_ok.response, &b"\0ann\0s3cret"[..]);
        assert_eq!(
            start_ok.client_properties.get("connection_name").and_then(FieldValue::as_str),
            Some("orders")
        );
        received.clear();
        out.clear();
        encode_heartbeat(&mut received);
        let tune = Tune { channel_max: 2047, frame_max: 131_072, heartbeat: 60 };
        encode_method_frame(0, &tune, &mut received);
        handshake.handle(&received, &mut out).unwrap();
        let tune_ok = TuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 30 };
        assert_eq!(sent(&out)[0], Method::from(tune_ok));
        received.clear();
        encode_method_frame(0, &OpenOk {}, &mut received);
        received.extend_from_slice(b"more");
        let agreed = Agreed { channel_max: 2047, frame_max: 131_072, heartbeat: 30 };
        let step = handshake.handle(&received, &mut out).unwrap();
        assert_eq!(step, (received.len() - 4, Progress::Open(agreed)));
    }

    #[test]
    fn a_refusal_is_the_brokers_own() {
        let mut handshake = begun();
        let mut out = BytesMut::new();
        handshake.handle(&start("PLAIN"), &mut out).unwrap();
        let close = Close {
            reply_code: 403,
            reply_text: ShortString::from_static("ACCESS_REFUSED - Login was refused"),
            class_id: 0,
            method_id: 0,
        };
        let mut received = BytesMut::new();
        encode_method_frame(0, &close, &mut received);
        let HandshakeError::Refused(error) = handshake.handle(&received, &mut out).unwrap_err()
        else {
            panic!("not refused")
        };
        assert_eq!(error.code(), ReplyCode::AccessRefused);
        assert_eq!(error.to_string(), "403 ACCESS_REFUSED - Login was refused");
    }

    #[test]
    fn what_is_no_broker_is_told_apart() {
        let mut out = BytesMut::new();
        let http = begun().handle(b"HTTP/1.1 400 Bad Request\r\n", &mut out).unwrap_err();
        assert!(http.to_string().contains("HTTP/1.1 400"), "{http}");
        let older = begun().handle(b"AMQP\x01\x01\x08\x00", &mut out).unwrap_err();
        assert_eq!(older.to_string(), "the broker speaks AMQP 8.0.0, and not 0.9.1");
        let newer = begun().handle(b"AMQP\x00\x01\x00\x00", &mut out).unwrap_err();
        assert_eq!(newer, HandshakeError::OtherVersion { major: 1, minor: 0, revision: 0 });
        let echo = begun().handle(&PROTOCOL_HEADER, &mut out).unwrap_err();
        assert!(matches!(echo, HandshakeError::NotAmqp { .. }), "{echo}");
        let sasl = begun().handle(&start("EXTERNAL"), &mut out).unwrap_err();
        assert_eq!(sasl, HandshakeError::NoMechanism { offered: "EXTERNAL".to_owned() });
        let early = {
            let mut bytes = BytesMut::new();
            encode_method_frame(0, &OpenOk {}, &mut bytes);
            begun().handle(&bytes, &mut out).unwrap_err()
        };
        let method = MethodId::CONNECTION_OPEN_OK;
        let expected = PeerFault::UnexpectedMethod { channel: 0, method };
        assert_eq!(early, HandshakeError::Fault(expected));
    }

    #[test]
    fn a_login_never_shows_its_password() {
        assert!(!format!("{:?}", begun()).contains("s3cret"));
    }
}
