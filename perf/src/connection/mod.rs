//! A connection with one channel, on a socket that is read by blocking and written without.
//!
//! While a write can't go on, what the broker sends is read: it may be waiting for that itself.

mod input;

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use springhare_amqp::wire::method::{channel, connection};
use springhare_amqp::wire::{
    EncodeMethod, Frame, FrameKind, Method, PROTOCOL_HEADER, encode_method_frame,
};
use springhare_amqp::{FieldTable, MethodId, ShortString};
use springhare_perf::time;

pub(crate) use input::Input;

use crate::error::LoadError;

/// The channel that everything goes through.
pub(crate) const CHANNEL: u16 = 1;

/// The largest frame that is asked for, which is RabbitMQ's too.
const FRAME_MAX: u32 = 128 * 1024;
/// How long a read blocks.
const READ_LIMIT: Duration = Duration::from_millis(200);
/// How long a write waits before it looks again.
const WRITE_STEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// How long a write may stand still.
const WRITE_LIMIT: Duration = Duration::from_secs(120);

/// What a connection is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purpose {
    /// The size of its input buffer.
    pub(crate) input_bytes: usize,
    /// How long an answer may take, in seconds.
    pub(crate) answer_limit: u64,
}

impl Purpose {
    /// To move messages.
    pub(crate) const LOAD: Self = Self { input_bytes: 1024 * 1024, answer_limit: 120 };
    /// To be there.
    pub(crate) const IDLE: Self = Self { input_bytes: 16 * 1024, answer_limit: 120 };
    /// To see whether somebody is there.
    pub(crate) const READY: Self = Self { input_bytes: 16 * 1024, answer_limit: 2 };
}

/// An open connection with an open channel.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    input: Input,
    output: BytesMut,
    answer_limit: u64,
}

impl Connection {
    /// Connects, logs in as `guest` to the virtual host `/`, and opens the channel.
    pub(crate) fn open(address: SocketAddr, purpose: Purpose) -> Result<Self, LoadError> {
        let connected = TcpStream::connect(address).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(READ_LIMIT))?;
            Ok(stream)
        });
        let stream = connected.map_err(|source| LoadError::Connect { address, source })?;
        let input = Input::new(purpose.input_bytes, FRAME_MAX as usize);
        let output = BytesMut::from(&PROTOCOL_HEADER[..]);
        let mut connection = Self { stream, input, output, answer_limit: purpose.answer_limit };
        connection.log_in()?;
        connection.call(&channel::Open, MethodId::CHANNEL_OPEN_OK)?;
        Ok(connection)
    }

    fn log_in(&mut self) -> Result<(), LoadError> {
        self.flush()?;
        self.wait_for(MethodId::CONNECTION_START)?;
        let start_ok = connection::StartOk {
            client_properties: FieldTable::new(),
            mechanism: ShortString::from_static("PLAIN"),
            response: Bytes::from_static(b"\0guest\0guest"),
            locale: ShortString::from_static("en_US"),
        };
        encode_method_frame(0, &start_ok, &mut self.output);
        self.flush()?;
        let Method::Connection(connection::Method::Tune(tune)) =
            self.wait_for(MethodId::CONNECTION_TUNE)?
        else {
            return Err(self.no_answer(MethodId::CONNECTION_TUNE));
        };
        let frame_max = if tune.frame_max == 0 { FRAME_MAX } else { tune.frame_max.min(FRAME_MAX) };
        let channel_max = tune.channel_max;
        let tune_ok = connection::TuneOk { channel_max, frame_max, heartbeat: 0 };
        encode_method_frame(0, &tune_ok, &mut self.output);
        let open = connection::Open { virtual_host: ShortString::from_static("/") };
        encode_method_frame(0, &open, &mut self.output);
        self.flush()?;
        self.wait_for(MethodId::CONNECTION_OPEN_OK)?;
        self.input.frame_max = frame_max as usize;
        Ok(())
    }

    /// The largest frame that was agreed on, in bytes.
    pub(crate) fn frame_max(&self) -> usize {
        self.input.frame_max
    }

    /// Appends a method to what the next [`flush`](Self::flush) sends.
    pub(crate) fn push<M: EncodeMethod>(&mut self, method: &M) {
        encode_method_frame(CHANNEL, method, &mut self.output);
    }

    /// Sends a method and waits for its answer.
    pub(crate) fn call<M: EncodeMethod>(
        &mut self,
        method: &M,
        answer: MethodId,
    ) -> Result<Method, LoadError> {
        self.push(method);
        self.flush()?;
        self.wait_for(answer)
    }

    /// Reads until this method comes, and drops all else.
    pub(crate) fn wait_for(&mut self, expected: MethodId) -> Result<Method, LoadError> {
        let end = time::now() + time::nanoseconds(Duration::from_secs(self.answer_limit));
        loop {
            while let Some(frame) = self.input.next_frame()? {
                if let Some(method) = method(frame)?
                    && method.id() == expected
                {
                    return Ok(method);
                }
            }
            if time::now() > end {
                return Err(self.no_answer(expected));
            }
            self.fill()?;
        }
    }

    fn no_answer(&self, expected: MethodId) -> LoadError {
        let expected = expected.name().unwrap_or("method");
        LoadError::NoAnswer { expected, seconds: self.answer_limit }
    }

    /// What was received, and what is to be sent: for a reader that answers.
    pub(crate) fn halves(&mut self) -> (&mut Input, &mut BytesMut) {
        (&mut self.input, &mut self.output)
    }

    /// Waits for bytes, 200 ms at most; returns how many came.
    pub(crate) fn fill(&mut self) -> Result<usize, LoadError> {
        self.receive(RecvFlags::empty())
    }

    /// Takes the bytes that have arrived; returns how many.
    pub(crate) fn fill_at_once(&mut self) -> Result<usize, LoadError> {
        self.receive(RecvFlags::DONTWAIT)
    }

    fn receive(&mut self, flags: RecvFlags) -> Result<usize, LoadError> {
        let spare = self.input.spare();
        if spare.is_empty() {
            return Ok(0);
        }
        match recv(&self.stream, spare, flags) {
            Ok((_, 0)) => Err(LoadError::PeerClosed),
            Ok((_, count)) => {
                self.input.received(count);
                Ok(count)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(LoadError::Socket(error.into())),
        }
    }

    /// Sends what was appended, all of it.
    pub(crate) fn flush(&mut self) -> Result<(), LoadError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let mut output = mem::take(&mut self.output);
        let sent = self.send(&output);
        output.clear();
        self.output = output;
        sent
    }

    /// Sends these bytes, all of them.
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Result<(), LoadError> {
        let mut stands_since = None;
        while !bytes.is_empty() {
            match send(&self.stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    stands_since = None;
                }
                Err(Errno::AGAIN | Errno::INTR) => {
                    let now = time::now();
                    let since = *stands_since.get_or_insert(now);
                    if now - since > time::nanoseconds(WRITE_LIMIT) {
                        return Err(LoadError::Socket(io::ErrorKind::TimedOut.into()));
                    }
                    self.wait_to_send()?;
                }
                Err(error) => return Err(LoadError::Socket(error.into())),
            }
        }
        Ok(())
    }

    fn wait_to_send(&mut self) -> Result<(), LoadError> {
        let mut interest = PollFlags::OUT;
        if !self.input.spare().is_empty() {
            interest |= PollFlags::IN;
        }
        let mut polled = [PollFd::new(&self.stream, interest)];
        match poll(&mut polled, Some(&WRITE_STEP)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(LoadError::Socket(error.into())),
        }
        let [polled] = polled;
        if polled.revents().contains(PollFlags::IN) {
            self.fill_at_once()?;
        }
        Ok(())
    }

    /// Closes the connection, with AMQP's handshake.
    pub(crate) fn close(mut self) -> Result<(), LoadError> {
        let close = connection::Close {
            reply_code: 200,
            reply_text: ShortString::from_static("done"),
            class_id: 0,
            method_id: 0,
        };
        encode_method_frame(0, &close, &mut self.output);
        self.flush()?;
        match self.wait_for(MethodId::CONNECTION_CLOSE_OK) {
            Ok(_) | Err(LoadError::PeerClosed) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The method in a frame, none when the frame is of another kind.
///
/// # Errors
///
/// [`LoadError::Closed`] when the broker closes the channel or the connection.
pub(crate) fn method(frame: Frame<'_>) -> Result<Option<Method>, LoadError> {
    if frame.kind != FrameKind::Method {
        return Ok(None);
    }
    match Method::decode(frame.payload)? {
        Method::Connection(connection::Method::Close(close)) => {
            Err(LoadError::Closed { code: close.reply_code, text: close.reply_text })
        }
        Method::Channel(channel::Method::Close(close)) => {
            Err(LoadError::Closed { code: close.reply_code, text: close.reply_text })
        }
        method => Ok(Some(method)),
    }
}
