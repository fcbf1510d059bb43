//! The errors of the wire, in RabbitMQ's words.
//!
//! RabbitMQ prints what it could not read as Erlang does; so do we, since people search for these
//! texts.

use springhare_amqp::wire::{DecodeError, FRAME_OVERHEAD, FrameError};
use springhare_amqp::{AmqpError, MethodId, ReplyCode};

use super::content::Expected;
use crate::model::erlang::{Binary, Octets};

/// How much of a frame's payload a text shows.
const SHOWN_OCTETS: usize = 16;

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

fn with_octets(kind: u8, payload: &[u8], reason: std::fmt::Arguments<'_>) -> AmqpError {
    let explanation = octets(kind, payload, reason);
    AmqpError::new(ReplyCode::FrameError, MethodId::NONE, explanation)
}

/// `type 3, all octets = <<"x">>`, as RabbitMQ describes a frame.
fn octets(kind: u8, payload: &[u8], after: std::fmt::Arguments<'_>) -> String {
    match payload.get(..SHOWN_OCTETS) {
        Some(first) if payload.len() > SHOWN_OCTETS => {
            format!("type {kind}, first {SHOWN_OCTETS} octets = {}{after}", Binary(first))
        }
        _ => format!("type {kind}, all octets = {}{after}", Binary(payload)),
    }
}

/// 505 for a frame that has no place where it came.
pub(super) fn unexpected_frame(kind: u8, payload: &[u8]) -> AmqpError {
    let explanation = octets(kind, payload, format_args!(""));
    AmqpError::new(ReplyCode::UnexpectedFrame, MethodId::NONE, explanation)
}

/// 501 for a heartbeat that carries something.
pub(super) fn heartbeat_with_payload(kind: u8, payload: &[u8]) -> AmqpError {
    with_octets(kind, payload, format_args!(": unknown_frame"))
}

/// The error of a method that can't be read. RabbitMQ drops the connection for one that it does
/// not know; a reason helps more.
pub(super) fn method(error: &DecodeError, payload: &[u8]) -> AmqpError {
    let Some(([c0, c1, m0, m1], arguments)) = payload.split_first_chunk::<4>() else {
        return with_octets(1, payload, format_args!(": unknown_frame"));
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
        return with_octets(2, payload, format_args!(": unknown_frame"));
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
