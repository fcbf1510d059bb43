//! The task of a connection: reads and writes its socket, and keeps its time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use springhare_amqp::{AmqpError, HeartbeatStep, MethodId, ReplyCode};
use springhare_broker::{Clock, Sleep};
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use super::connect::{Opened, Socket};
use super::state::Shared;
use crate::connection::LinkError;

/// What is read at a time, in bytes.
const READ_MIN_BYTES: usize = 8 << 10;
/// The same while there is more to read than that.
const READ_MAX_BYTES: usize = 256 << 10;
/// A larger buffer is given back once it is empty.
const KEPT_BYTES: usize = 1 << 20;
/// How long the broker has to answer the close of a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the driver works on.
pub(super) struct Driver {
    shared: Arc<Shared>,
    socket: Box<dyn Socket>,
    clock: Clock,
    received: BytesMut,
    /// Taken from the machine's output, and being sent.
    sending: BytesMut,
    /// Something was written that the socket may hold back still: TLS does.
    is_unflushed: bool,
    /// How much the next read asks for.
    read_bytes: usize,
    timer: Option<(Duration, Sleep)>,
    /// When the connection is given up that was told to close.
    close_deadline: Option<Duration>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, opened: Opened, clock: Clock) -> Self {
        Self {
            shared,
            socket: opened.socket,
            clock,
            received: opened.received,
            sending: BytesMut::new(),
            is_unflushed: false,
            read_bytes: READ_MIN_BYTES,
            timer: None,
            close_deadline: None,
        }
    }

    /// Runs until the connection is over, and tells everyone who waits on it.
    pub(super) async fn run(mut self) {
        if let Err(error) = std::future::poll_fn(|cx| self.poll(cx)).await {
            self.lose(error);
        }
        // The socket is closed by the drop; TLS says goodbye first, if it can at once.
        let _ =
            std::future::poll_fn(|cx| Pin::new(&mut self.socket).poll_shutdown(cx)).now_or_never();
    }

    fn lose(&self, error: io::Error) {
        let address = &self.shared.address;
        let explanation = format_args!("the connection to {address} was lost: {error}");
        let lost = AmqpError::new(ReplyCode::ConnectionForced, MethodId::NONE, explanation);
        let mut state = self.shared.lock();
        state.client.abandon();
        state.lost(&LinkError::Transport(Arc::new(error)), Some(&lost));
    }

    /// Ready when the connection is closed, or lost.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.register_driver(cx.waker());
        self.handle()?;
        loop {
            let has_read = self.poll_read(cx)?.is_ready();
            let has_time = self.poll_time(cx)?.is_ready();
            let has_written = self.poll_write(cx)?.is_ready();
            self.tell_publishers();
            if self.is_over() {
                return Poll::Ready(Ok(()));
            }
            if !has_read && !has_time && !has_written {
                return Poll::Pending;
            }
        }
    }

    fn is_over(&self) -> bool {
        let state = self.shared.lock();
        state.closed().is_some()
            && state.client.output_len() == 0
            && self.sending.is_empty()
            && !self.is_unflushed
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        {
            let mut state = self.shared.lock();
            if state.closed().is_some() {
                return Poll::Pending;
            }
            if state.is_reading_paused() {
                // What it sends meanwhile is not seen: it can't be blamed for silence.
                state.client.received(self.clock.now());
                return Poll::Pending;
            }
        }
        let room = self.read_bytes.saturating_sub(self.received.len()).max(READ_MIN_BYTES);
        self.received.reserve(room);
        let room = self.received.capacity() - self.received.len();
        let read = ready!(poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.received))?;
        if read == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the broker closed it without a word",
            )));
        }
        if read >= room {
            self.read_bytes = (self.read_bytes * 4).min(READ_MAX_BYTES);
        }
        {
            let (mut state, now) = (self.shared.lock(), self.clock.now());
            state.client.received(now);
            state.publishing.received(now);
        }
        self.handle()?;
        Poll::Ready(Ok(()))
    }

    /// Gives the machine what was received, and tells what comes of it.
    fn handle(&mut self) -> io::Result<()> {
        let mut state = self.shared.lock();
        loop {
            let handled = state.client.handle(&self.received);
            state.dispatch();
            match handled {
                Ok(0) => return Ok(()),
                Ok(done) => self.received.advance(done),
                Err(fault) => {
                    // The close that says so is sent as far as that goes at once.
                    let output = state.client.output().split();
                    drop(state);
                    self.sending.extend_from_slice(&output);
                    let _ = std::future::poll_fn(|cx| self.poll_send(cx)).now_or_never();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
                }
            }
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = self.clock.now();
        let step = {
            let mut state = self.shared.lock();
            // A broker that closed has to take what is left within that time, too.
            if !state.client.is_open() {
                let deadline =
                    *self.close_deadline.get_or_insert(now.saturating_add(CLOSE_TIMEOUT));
                if now >= deadline {
                    return Poll::Ready(Err(timed_out("its close took too long")));
                }
                HeartbeatStep::Wait(Some(deadline))
            } else {
                state.client.tick(now)
            }
        };
        let until = match step {
            HeartbeatStep::Wait(Some(until)) => until,
            HeartbeatStep::Dead => {
                return Poll::Ready(Err(timed_out("it sent no heartbeat for two intervals")));
            }
            _ => return Poll::Pending,
        };
        let timer = match &mut self.timer {
            Some((at, timer)) if *at <= until => timer,
            other => &mut other.insert((until, self.clock.sleep(until.saturating_sub(now)))).1,
        };
        ready!(Pin::new(timer).poll(cx));
        self.timer = None;
        Poll::Ready(Ok(()))
    }

    /// Sends what there is to send; ready if it sent anything.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut has_sent = false;
        loop {
            if self.sending.is_empty() && !self.is_unflushed {
                if self.sending.capacity() > KEPT_BYTES {
                    self.sending = BytesMut::new();
                }
                let mut state = self.shared.lock();
                if state.client.output_len() == 0 {
                    break;
                }
                std::mem::swap(state.client.output(), &mut self.sending);
            }
            match self.poll_send(cx)? {
                Poll::Ready(()) => has_sent = true,
                Poll::Pending => break,
            }
        }
        if has_sent {
            self.shared.lock().client.sent(self.clock.now());
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sending.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.sending))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.advance(sent);
            self.is_unflushed = true;
        }
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.is_unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn tell_publishers(&self) {
        let waiting = self.shared.lock().take_waiting();
        for waker in waiting.into_values() {
            waker.wake();
        }
    }
}

/// However the task ends, with its runtime for one: nobody waits for it any more.
impl Drop for Driver {
    fn drop(&mut self) {
        let is_over = self.shared.lock().closed().is_some();
        if !is_over {
            self.lose(io::Error::other("the task that served it has ended"));
        }
        self.tell_publishers();
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}
