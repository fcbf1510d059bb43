use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// What a new connection reads at a time.
const CHUNK_MIN_BYTES: usize = 4 << 10;

/// What a connection reads at a time that sends more than that.
const CHUNK_MAX_BYTES: usize = 256 << 10;

/// The bytes that were read and are not done with.
#[derive(Debug)]
pub(super) struct Input {
    buffer: BytesMut,
    /// How much the next read asks for: more after a read that was filled.
    chunk: usize,
    rest: Rest,
}

/// What is left of the bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// A part of a frame, or nothing.
    Part,
    /// Perhaps whole frames: there was no room for their answers.
    Whole,
}

/// How far a session came with what was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) bytes: usize,
    pub(super) rest: Rest,
}

impl Default for Input {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), chunk: CHUNK_MIN_BYTES, rest: Rest::Part }
    }
}

impl Input {
    /// Reads what has come, unless there is something left to do; false at the peer's end.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.rest == Rest::Whole {
            return Poll::Ready(Ok(true));
        }
        // Room for the rest of a frame that is larger than a chunk, too.
        self.buffer.reserve(self.chunk.saturating_sub(self.buffer.len()).max(CHUNK_MIN_BYTES));
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(poll_read_buf(Pin::new(socket), cx, &mut self.buffer))?;
        if read >= room {
            self.chunk = (self.chunk * 4).min(CHUNK_MAX_BYTES);
        }
        Poll::Ready(Ok(read > 0))
    }

    /// Takes the bytes, which [`put_back`](Self::put_back) gives back.
    pub(super) fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.buffer)
    }

    /// Keeps what is not done of the bytes that were taken.
    pub(super) fn put_back(&mut self, mut bytes: BytesMut, done: Done) {
        bytes.advance(done.bytes.min(bytes.len()));
        self.buffer = bytes;
        self.rest = done.rest;
    }

    /// Gives the buffer back: the connection idles.
    pub(super) fn release(&mut self) {
        if self.buffer.len() < CHUNK_MIN_BYTES && self.rest == Rest::Part {
            let mut buffer = BytesMut::new();
            buffer.extend_from_slice(&self.buffer);
            *self = Self { buffer, ..Self::default() };
        }
    }
}
