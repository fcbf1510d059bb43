//! The errors of the wire, in RabbitMQ's words.
//!
//! RabbitMQ prints what it could not read as Erlang does; so do we, since people search for these
//! texts.

use springhare_amqp::wire::{
    DecodeError, FRAME_OVERHEAD, Frame, FrameError, FrameKind, PayloadStart,
};
use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::content::Expected;
use crate::model::erlang::Octets;

/// Class, weight and body size.
const CONTENT_HEADER_MIN: usize = 12;

/// How many of a method's arguments are printed; a reply text has room for fewer.
const SHOWN_ARGUMENTS: usize = 255;

/// 501 for a frame that can't be read.
pub(super) fn frame(error: &FrameError) -> AmqpError {
    let error = match *error {
        // The limit has 8 bytes to spare, of which the text does not speak.
        FrameError::TooLarge { kind, channel, size, max } => {
            let max = max.saturating_sub(FRAME_OVERHEAD);
            FrameError::TooLarge { kind, channel, size, max }
        }
        other => other,
    };
    AmqpError::new(ReplyCode::FrameError, MethodId::NONE, error)
}

/// 501 for a frame whose kind fits, and whose payload does not.
fn unknown_frame(kind: FrameKind, payload: &[u8]) -> AmqpError {
    let (kind, payload) = (kind.value(), PayloadStart::of(payload));
    let explanation = format_args!("type {kind}, {payload}: unknown_frame");
    AmqpError::new(ReplyCode::FrameError, MethodId::NONE, explanation)
}

/// 505 for a frame that has no place where it came.
pub(super) fn unexpected_frame(frame: &Frame<'_>) -> AmqpError {
    let (kind, payload) = (frame.kind.value(), PayloadStart::of(frame.payload));
    let explanation = format_args!("type {kind}, {payload}");
    AmqpError::new(ReplyCode::UnexpectedFrame, MethodId::NONE, explanation)
}

/// 501 for a heartbeat that carries something.
pub(super) fn heartbeat_with_payload(payload: &[u8]) -> AmqpError {
    unknown_frame(FrameKind::Heartbeat, payload)
}

/// The error of a method that can't be read. RabbitMQ drops the connection for one that it does
/// not know; a reason helps more.
pub(super) fn method(error: &DecodeError, payload: &[u8]) -> AmqpError {
    let Some(([c0, c1, m0, m1], arguments)) = payload.split_first_chunk::<4>() else {
        return unknown_frame(FrameKind::Method, payload);
    };
    let class = u16::from_be_bytes([*c0, *c1]);
    let method = u16::from_be_bytes([*m0, *m1]);
    let id = MethodId { class, method };
    match error {
        DecodeError::UnknownMethod { .. } => {
            AmqpError::new(ReplyCode::CommandInvalid, id, "unimplemented method")
        }
        DecodeError::NotUtf8 { .. } => {
            AmqpError::new(ReplyCode::FrameError, MethodId::NONE, "Malformed UTF-8 in shortstr")
        }
        _ => {
            let shown = arguments.get(..SHOWN_ARGUMENTS).unwrap_or(arguments);
            let explanation = format_args!("cannot decode {}", Octets(shown));
            AmqpError::new(ReplyCode::FrameError, id, explanation)
        }
    }
}

/// 505 for a frame that is not the next of a content.
pub(super) fn out_of_order(expected: Expected) -> AmqpError {
    let explanation = match expected {
        Expected::Method => "expected method frame, got non method frame instead",
        Expected::Header => {
            "expected content header for class 60, got non content header frame instead"
        }
        Expected::Body => "expected content body, got non content body frame instead",
    };
    let id = match expected {
        Expected::Method => MethodId::NONE,
        Expected::Header | Expected::Body => MethodId::BASIC_PUBLISH,
    };
    AmqpError::new(ReplyCode::UnexpectedFrame, id, explanation)
}

/// 505 for the header of a content of another class.
pub(super) fn other_class(class: u16) -> AmqpError {
    let explanation =
        format!("expected content header for class 60, got one for class {class} instead");
    AmqpError::new(ReplyCode::UnexpectedFrame, MethodId::BASIC_PUBLISH, explanation)
}

/// 501 for a content header that can't be read.
pub(super) fn content_header(payload: &[u8]) -> AmqpError {
    if payload.len() < CONTENT_HEADER_MIN {
        return unknown_frame(FrameKind::Header, payload);
    }
    let shown = payload.get(..SHOWN_ARGUMENTS).unwrap_or(payload);
    let explanation = format_args!("cannot decode {}", Octets(shown));
    AmqpError::new(ReplyCode::FrameError, MethodId::BASIC_PUBLISH, explanation)
}

/// 406 for a wrong delivery mode, 501 for properties that can't be read.
pub(super) fn properties(error: &DecodeError, payload: &[u8]) -> AmqpError {
    match error {
        DecodeError::UnknownDeliveryMode { value } => AmqpError::new(
            ReplyCode::PreconditionFailed,
            MethodId::BASIC_PUBLISH,
            format_args!("invalid message: {{delivery_mode_unknown,{value}}}"),
        ),
        _ => content_header(payload),
    }
}

/// 406 for a message that is larger than the broker takes.
pub(super) fn too_large(size: u64, max: usize) -> AmqpError {
    let explanation = format!("message size {size} is larger than configured max size {max}");
    AmqpError::new(ReplyCode::PreconditionFailed, MethodId::BASIC_PUBLISH, explanation)
}

/// 501 for more of a body than its header announced.
pub(super) fn body_over_size(announced: usize) -> AmqpError {
    let explanation =
        format!("content body is larger than the {announced} bytes that its header announced");
    AmqpError::new(ReplyCode::FrameError, MethodId::BASIC_PUBLISH, explanation)
}
