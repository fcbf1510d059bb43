//! The wire format of AMQP 0-9-1: bytes to frames, methods and contents, and back.
//!
//! Nothing here waits, reads or writes a socket: the caller has the bytes, and a [`BytesMut`]
//! that takes the answer. Decoding never trusts a length, and allocates in proportion to the
//! bytes that are there. What of a frame's order is allowed is not known here.
//!
//! # Layout
//!
//! `decode_error` → `reader`, `writer` → `table` → `method` (one file a class), `content`,
//! `last_properties`; `frame` and `body` stand alone.
//!
//! [`BytesMut`]: bytes::BytesMut

mod body;
mod content;
mod decode_error;
mod frame;
mod last_properties;
pub mod method;
mod reader;
mod table;
mod writer;

pub use body::{BodyAssembly, BodyOverSize};
pub use content::{ContentHeader, encode_body_frame, encode_header_frame};
pub use decode_error::DecodeError;
pub use frame::{
    FRAME_END, FRAME_MIN_SIZE, FRAME_OVERHEAD, Frame, FrameError, FrameKind, PROTOCOL_HEADER,
    PayloadStart, encode_heartbeat,
};
pub use last_properties::LastProperties;
pub use method::{EncodeMethod, Method, encode_method_frame};
pub use table::{FIELD_VALUE_MEMORY_MAX, TABLE_DEPTH_MAX, decode_table, encode_table};

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;
