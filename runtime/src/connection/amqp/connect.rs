//! From an address to an open connection: TCP, TLS, handshake, within the address's time.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use springhare_amqp::client::{Agreed, Handshake, HandshakeError, Login, Progress};
use springhare_broker::Clock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tls::{self, TlsOptionsError};
use crate::connection::{AmqpAddress, Product};

/// What is read at a time while logging in, in bytes.
const HANDSHAKE_READ_BYTES: usize = 4 << 10;

/// The largest frame that is agreed to, in bytes: what RabbitMQ proposes.
const FRAME_MAX_BYTES: u32 = 128 << 10;

/// What the first bytes of a TLS alert are: `alert`, and a version from 3.0 to 3.3.
const TLS_ALERT: &str = "\\u{15}\\u{3}";

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody answers at this host and port.
    #[error(
        "{source}; is the broker running, and are host and port right (5672, and 5671 for amqps)?"
    )]
    Unreachable {
        /// What the system said.
        source: io::Error,
    },
    /// It took longer than the address allows.
    #[error(
        "it took longer than {after:?}; is the host right, and the broker alive? The address's \
         `connection_timeout` allows more"
    )]
    TimedOut {
        /// How long it was tried.
        after: Duration,
    },
    /// The address's certificates or key can't be used.
    #[error(transparent)]
    TlsOptions(TlsOptionsError),
    /// TLS failed: the broker's certificate can't be trusted or is another host's, the broker
    /// wants a certificate, or it speaks no TLS at all.
    #[error(
        "TLS failed: {source}; `cacertfile` names the authority to trust, `certfile` and `keyfile` \
         the client's own certificate, `server_name_indication` the name in the broker's; a port \
         without TLS is reached by amqp://"
    )]
    Tls {
        /// What failed.
        source: io::Error,
    },
    /// The broker speaks TLS, and was spoken to without.
    #[error("it speaks TLS there; use amqps://, or the port without TLS (mostly 5672)")]
    TlsExpected,
    /// The broker refuses user and password.
    #[error(
        "the broker refuses user '{user}' or the password: {source}; correct them in the address \
         (a `guest` may log in from the broker's own machine only)"
    )]
    CredentialsRefused {
        /// The user.
        user: String,
        /// What the broker said.
        source: HandshakeError,
    },
    /// The broker refuses the virtual host: it does not exist, or the user may not use it.
    #[error(
        "the broker refuses virtual host '{virtual_host}': {source}; correct the address's path \
         (`/` is written %2F), or create it and give user '{user}' permissions"
    )]
    VirtualHostRefused {
        /// The virtual host.
        virtual_host: String,
        /// The user.
        user: String,
        /// What the broker said.
        source: HandshakeError,
    },
    /// The broker refuses the connection for another reason: it is starting or stopping, or has no
    /// room for more.
    #[error("the broker refuses the connection: {0}; its log says more")]
    Refused(HandshakeError),
    /// What answers there does not speak AMQP 0-9-1, or breaks it.
    #[error(
        "{0}; is it the port for AMQP (mostly 5672), and not that of a management API (15672)?"
    )]
    NoBroker(HandshakeError),
    /// The other side closed the connection in the middle of the login.
    #[error(
        "the connection was closed while logging in; it may have no room for more connections, \
         speak TLS only, or be no AMQP broker"
    )]
    Ended,
    /// The connection broke while logging in.
    #[error("the connection broke while logging in: {source}")]
    Broken {
        /// What the system said.
        source: io::Error,
    },
}

impl ConnectError {
    /// Whether the broker refused the user, the password or the virtual host.
    #[must_use]
    pub fn is_login_refused(&self) -> bool {
        matches!(self, Self::CredentialsRefused { .. } | Self::VirtualHostRefused { .. })
    }
}

/// A socket, with TLS or without.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A connection that was opened.
pub(super) struct Opened {
    pub(super) socket: Box<dyn Socket>,
    pub(super) agreed: Agreed,
    pub(super) product: Product,
    /// What came after the handshake.
    pub(super) received: BytesMut,
}

/// Opens a connection of so many channels at the most, which the broker shows under `name`.
pub(super) async fn open(
    address: &AmqpAddress,
    name: &str,
    channels: u16,
    clock: &Clock,
) -> Result<Opened, ConnectError> {
    let after = address.connection_timeout();
    tokio::select! {
        opened = open_untimed(address, name, channels) => opened,
        () = clock.sleep(after) => Err(ConnectError::TimedOut { after }),
    }
}

async fn open_untimed(
    address: &AmqpAddress,
    name: &str,
    channels: u16,
) -> Result<Opened, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { source };
    // First, so that a file that is missing is told before the broker is there.
    let tls = match address.tls() {
        None => None,
        Some(options) => {
            let connector = tls::connector(options).map_err(ConnectError::TlsOptions)?;
            Some((connector, options.parsed_server_name().clone()))
        }
    };
    let tcp = TcpStream::connect((address.host(), address.port())).await.map_err(unreachable)?;
    // Frames are gathered here; holding them back once more only adds to their way.
    tcp.set_nodelay(true).map_err(unreachable)?;
    let socket: Box<dyn Socket> = match tls {
        None => Box::new(tcp),
        Some((connector, name)) => {
            let failed = |source| ConnectError::Tls { source };
            Box::new(connector.connect(name, tcp).await.map_err(failed)?)
        }
    };
    log_in(socket, address, name, channels).await
}

async fn log_in(
    mut socket: Box<dyn Socket>,
    address: &AmqpAddress,
    name: &str,
    channels: u16,
) -> Result<Opened, ConnectError> {
    let broken = |source| ConnectError::Broken { source };
    let login = Login {
        user: address.user().to_owned(),
        password: address.password().reveal().to_owned(),
        virtual_host: address.virtual_host().clone(),
        connection_name: name.to_owned(),
        channel_max: channels,
        frame_max: FRAME_MAX_BYTES,
        heartbeat: address.heartbeat(),
    };
    let mut output = BytesMut::new();
    let mut handshake = Handshake::new(login, &mut output);
    let mut received = BytesMut::new();
    loop {
        socket.write_all_buf(&mut output).await.map_err(broken)?;
        socket.flush().await.map_err(broken)?;
        received.reserve(HANDSHAKE_READ_BYTES);
        if socket.read_buf(&mut received).await.map_err(broken)? == 0 {
            return Err(ConnectError::Ended);
        }
        let step = handshake.handle(&received, &mut output);
        let (done, progress) = step.map_err(|error| refused(address, error))?;
        received.advance(done);
        if let Progress::Open(agreed) = progress {
            let product = handshake.product().map(Product::named).unwrap_or_default();
            return Ok(Opened { socket, agreed, product, received });
        }
    }
}

fn refused(address: &AmqpAddress, error: HandshakeError) -> ConnectError {
    use springhare_amqp::ReplyCode;
    match &error {
        HandshakeError::NotAmqp { received } if received.starts_with(TLS_ALERT) => {
            ConnectError::TlsExpected
        }
        HandshakeError::Refused(refusal) if refusal.code() == ReplyCode::AccessRefused => {
            ConnectError::CredentialsRefused { user: address.user().to_owned(), source: error }
        }
        HandshakeError::Refused(refusal)
            if matches!(refusal.code(), ReplyCode::NotAllowed | ReplyCode::InvalidPath) =>
        {
            ConnectError::VirtualHostRefused {
                virtual_host: address.virtual_host().to_string(),
                user: address.user().to_owned(),
                source: error,
            }
        }
        HandshakeError::Refused(_) => ConnectError::Refused(error),
        _ => ConnectError::NoBroker(error),
    }
}
