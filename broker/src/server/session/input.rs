use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use crate::protocol::Connection;

/// What a new connection reads at a time.
const CHUNK_MIN_BYTES: usize = 4 << 10;

/// What a connection reads at a time that sends more than that.
const CHUNK_MAX_BYTES: usize = 128 << 10;

/// The bytes that were read and are not done with.
#[derive(Debug)]
pub(super) struct Input {
    buffer: BytesMut,
    /// How much the next read asks for: more after a read that was filled.
    chunk: usize,
}

/// What a read brought.
#[derive(Debug)]
pub(super) enum Received {
    /// Whole frames.
    Burst(Bytes),
    /// Not enough for a frame.
    Part,
    /// The peer's end.
    End,
}

impl Default for Input {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), chunk: CHUNK_MIN_BYTES }
    }
}

impl Input {
    pub(super) fn poll_receive<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        protocol: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Received>> {
        let wanted = self.chunk.saturating_sub(self.buffer.len()).max(CHUNK_MIN_BYTES);
        self.buffer.reserve(wanted);
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(poll_read_buf(Pin::new(socket), cx, &mut self.buffer))?;
        if read == 0 {
            return Poll::Ready(Ok(Received::End));
        }
        if read >= room {
            self.chunk = (self.chunk * 4).min(CHUNK_MAX_BYTES);
        }
        let whole = protocol.whole(&self.buffer);
        Poll::Ready(Ok(if whole == 0 {
            Received::Part
        } else {
            Received::Burst(self.buffer.split_to(whole).freeze())
        }))
    }

    /// Keeps what was not done of a burst: `whole` and the protocol may differ about a burst that
    /// changes the size of frames.
    pub(super) fn put_back(&mut self, burst: &Bytes, done: usize) {
        if let Some(rest) = burst.get(done..).filter(|rest| !rest.is_empty()) {
            let mut buffer = BytesMut::from(rest);
            buffer.extend_from_slice(&self.buffer);
            self.buffer = buffer;
        }
    }

    /// Gives the buffer back: the connection idles.
    pub(super) fn release(&mut self) {
        if self.buffer.is_empty() {
            *self = Self::default();
        }
    }
}
