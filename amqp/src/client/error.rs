use crate::wire::{DecodeError, FrameError};
use crate::{AmqpError, MethodId, ReplyCode};

/// Why a broker did not let the client in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// What answers does not speak AMQP.
    #[error("what answers there is no AMQP broker: it sent {received:?}")]
    NotAmqp {
        /// The first bytes that it sent, as text.
        received: String,
    },
    /// It speaks another version of AMQP.
    #[error("the broker speaks AMQP {major}.{minor}.{revision}, and not 0.9.1")]
    OtherVersion {
        /// Its version.
        major: u8,
        /// Its version.
        minor: u8,
        /// Its version.
        revision: u8,
    },
    /// None of the ways to log in that it offers is known here.
    #[error("the broker offers to log in by {offered}, and not by PLAIN")]
    NoMechanism {
        /// What it offers, separated by spaces.
        offered: String,
    },
    /// It refuses user and password (403), or the virtual host (530, 541).
    #[error("{0}")]
    Refused(AmqpError),
    /// It does not keep to the protocol.
    #[error(transparent)]
    Fault(#[from] PeerFault),
}

/// What a broker did that the protocol does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// Bytes that are no frame.
    #[error("the broker sent what is no frame: {0}")]
    Frame(#[from] FrameError),
    /// A frame whose payload can't be read.
    #[error("the broker sent a frame that can't be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// A method that has no place here.
    #[error(
        "the broker sent {} on channel {channel}, which nobody expected",
        method.name().unwrap_or("an unknown method")
    )]
    UnexpectedMethod {
        /// The channel.
        channel: u16,
        /// The method.
        method: MethodId,
    },
    /// A content out of order, or of another size than its header says.
    #[error("the broker sent a content on channel {channel} that is {what}")]
    Content {
        /// The channel.
        channel: u16,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A content that is larger than this side takes.
    #[error(
        "the broker sent a body of {size} bytes on channel {channel}, and {max} are taken at most"
    )]
    TooLarge {
        /// The channel.
        channel: u16,
        /// Its size, in bytes.
        size: u64,
        /// The largest that is taken, in bytes.
        max: u64,
    },
    /// A frame on a channel that is not open.
    #[error("the broker sent a frame on channel {channel}, which is not open")]
    UnknownChannel {
        /// The channel.
        channel: u16,
    },
    /// A reply code that AMQP does not have.
    #[error("the broker closed with the code {code}, which AMQP does not have: {text}")]
    UnknownCode {
        /// The code.
        code: u16,
        /// The text that came with it.
        text: String,
    },
}

impl PeerFault {
    /// The code that the connection is closed with.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        match self {
            Self::Frame(_) => ReplyCode::FrameError,
            Self::Unreadable(_) => ReplyCode::SyntaxError,
            Self::UnexpectedMethod { .. } | Self::UnknownCode { .. } => ReplyCode::CommandInvalid,
            Self::Content { .. } => ReplyCode::UnexpectedFrame,
            Self::UnknownChannel { .. } => ReplyCode::ChannelError,
            Self::TooLarge { .. } => ReplyCode::NotAllowed,
        }
    }
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The connection is closed, or is being closed.
    #[error("the connection is closed")]
    ConnectionClosed,
    /// The channel is closed, or is being closed.
    #[error("the channel is closed")]
    ChannelClosed,
    /// As many channels are open as were agreed on.
    #[error("all {max} channels of the connection are open")]
    NoChannelLeft {
        /// The limit that was agreed on (`channel-max`).
        max: u16,
    },
    /// A method's arguments or a message's properties are larger than a frame, and can't be split.
    #[error(
        "the arguments or properties take {size} bytes, and a frame {max} at most: make the \
         headers smaller"
    )]
    TooLargeForAFrame {
        /// The size of the frame that it would be, in bytes.
        size: usize,
        /// The size of frames that was agreed on (`frame-max`).
        max: usize,
    },
}

/// The broker's error of a close method.
pub(super) fn closed_by(
    code: u16,
    text: &str,
    class: u16,
    method: u16,
) -> Result<AmqpError, PeerFault> {
    let Some(reply) = ReplyCode::from_code(code) else {
        return Err(PeerFault::UnknownCode { code, text: text.to_owned() });
    };
    let prefix = text.strip_prefix(reply.name()).and_then(|rest| rest.strip_prefix(" - "));
    Ok(AmqpError::new(reply, MethodId { class, method }, prefix.unwrap_or(text)))
}
