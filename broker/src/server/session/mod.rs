//! A session: one connection's task, from the first byte to the last.
//!
//! It turns in one loop: look what happened elsewhere, read and do what was asked, deliver, write.
//! It goes round until nothing can be done, and then sleeps until one of the four can be. All
//! that a burst of frames asked for is done before anything is written, so that many answers are
//! one write.

mod channels;
mod consumers;
mod input;
mod linger;
mod promises;
mod requests;
#[cfg(test)]
mod tests;
mod timer;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use springhare_amqp::wire::method::{basic, connection};
use springhare_amqp::{Heartbeat, HeartbeatStep};
use tokio::io::{AsyncRead, AsyncWrite};

use self::channels::Channels;
use self::consumers::Cancelled;
use self::input::Input;
use self::linger::Linger;
use self::timer::Timer;
use super::handshakes::Handshake;
use crate::config::BrokerConfig;
use crate::engine::broker_cell::BrokerCell;
use crate::engine::signals::Signals;
use crate::engine::unfinished::UnfinishedContents;
use crate::engine::user_cell::UserCell;
use crate::protocol::{Connection, Ending, Fault, Negotiable, Output, ServerProperties};

/// How many reads are answered by one write.
const READS_A_WRITE: usize = 4;

/// A connection that had nothing to do for so long gives its buffers back.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// Who is at the other end, and at which of our addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) local: SocketAddr,
}

/// As RabbitMQ names connections.
impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.address, self.local)
    }
}

/// One connection's task.
#[derive(Debug)]
pub(super) struct Session<S> {
    socket: S,
    peer: Peer,
    broker: Arc<BrokerCell>,
    protocol: Connection,
    input: Input,
    signals: Arc<Signals>,
    /// Counts as a handshake until it is through.
    handshake: Option<Handshake>,
    user: Option<Arc<UserCell>>,
    /// Once it is open.
    channels: Option<Channels>,
    publishing: Publishing,
    /// What its unfinished contents hold, once it is open.
    unfinished: Option<UnfinishedContents>,
    heartbeat: Heartbeat,
    timer: Timer,
    linger: Linger,
    last_traffic: Duration,
    /// When a peer that is being let go is let go.
    ends_at: Option<Duration>,
    /// A refused login is answered after a pause, so that passwords can't be tried in no time.
    silent_until: Option<Duration>,
}

/// Whether the connection publishes, and is held up by a lack of memory or disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publishing {
    Never,
    Allowed,
    Blocked {
        /// Whether the peer knows.
        is_told: bool,
    },
}

/// How a session ended.
#[derive(Debug)]
enum End {
    /// Both sides have closed it, or it was let go.
    Closed,
    /// The peer went without a word.
    PeerLeft,
    /// The peer missed two heartbeats.
    HeartbeatMissed,
    /// The peer did not get through the handshake in time.
    HandshakeTimeout,
    /// Others waited for it to send the rest of a message, and it sent nothing.
    UnfinishedTimeout,
    Socket(std::io::Error),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(
        socket: S,
        peer: Peer,
        broker: Arc<BrokerCell>,
        handshake: Handshake,
    ) -> Self {
        let config = broker.shared().config();
        let protocol = Connection::new(offer(config), properties(config), config.max_message_size);
        let now = broker.shared().clock().now();
        Self {
            socket,
            peer,
            protocol,
            input: Input::default(),
            signals: Arc::default(),
            handshake: Some(handshake),
            user: None,
            channels: None,
            publishing: Publishing::Never,
            unfinished: None,
            heartbeat: Heartbeat::default(),
            timer: Timer::default(),
            linger: Linger::default(),
            last_traffic: now,
            ends_at: Some(now.saturating_add(config.handshake_timeout)),
            silent_until: None,
            broker,
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            self.take_signals(cx);
            let told = self.keep_promises();
            let read = match self.read(cx) {
                Ok(progress) => progress,
                Err(end) => {
                    // It may still read the answer to its last words.
                    let _ = self.write(cx);
                    return Poll::Ready(end);
                }
            };
            let delivered = self.deliver();
            let wrote = match self.write(cx) {
                Ok(progress) => progress,
                Err(end) => return Poll::Ready(end),
            };
            // One that does not read what TLS still has to say has until `ends_at`.
            if self.protocol.ending() == Ending::Closed
                && self.protocol.output().is_empty()
                && Pin::new(&mut self.socket).poll_shutdown(cx).is_ready()
            {
                return Poll::Ready(End::Closed);
            }
            if told || read || delivered || wrote {
                continue;
            }
            let now = self.broker.shared().clock().now();
            match self.next_step(now) {
                Step::Go => {}
                Step::End(end) => return Poll::Ready(end),
                Step::Wait(_) if self.linger.go_round() => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Wait(until) => {
                    if self.timer.poll(self.broker.shared().clock(), until, cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Looks what others did: messages for consumers, and the connection's end.
    fn take_signals(&mut self, cx: &Context<'_>) {
        let Some(channels) = &mut self.channels else { return };
        if channels.consumers.take_signals(cx.waker()) && self.protocol.is_running() {
            let reason = channels.connection.close_reason();
            if let Some(reason) = reason {
                self.fail(&Fault { channel: 0, error: reason });
            }
        }
    }

    /// Reads and does what was asked, if there is room for the answers; whether anything came.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut progress = false;
        for _ in 0..READS_A_WRITE {
            if !self.may_read(cx) {
                break;
            }
            match self.input.poll_read(&mut self.socket, cx) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Err(End::Socket(error)),
                Poll::Ready(Ok(false)) => return Err(End::PeerLeft),
                Poll::Ready(Ok(true)) => {
                    progress = true;
                    let bytes = self.input.take();
                    self.saw_traffic(bytes.len());
                    let done = self.receive(&bytes);
                    self.input.put_back(bytes, done);
                }
            }
        }
        Ok(progress)
    }

    fn saw_traffic(&mut self, bytes: usize) {
        let now = self.broker.shared().clock().now();
        self.linger.read(bytes, now);
        self.last_traffic = now;
        self.heartbeat.received(now);
    }

    fn may_read(&mut self, cx: &Context<'_>) -> bool {
        if self.protocol.ending() == Ending::Dismissed || self.silent_until.is_some() {
            return false;
        }
        if self.output_is_full() {
            return false;
        }
        if self.waits_for_disk() {
            self.is_held_up();
            return false;
        }
        let turn = self.unfinished.as_ref().map(|contents| contents.poll_turn(cx.waker()));
        if turn.is_some_and(|turn| turn.is_pending()) {
            self.is_held_up();
            return false;
        }
        if let Publishing::Blocked { is_told } = self.publishing {
            if self.broker.shared().memory().poll_room(cx.waker()).is_pending() {
                self.block_at_the_mark();
                self.is_held_up();
                return false;
            }
            self.publishing = Publishing::Allowed;
            if is_told {
                self.protocol.output().method(0, &connection::Unblocked {});
            }
        }
        true
    }

    /// It is read from no more, so it can send no sign of life that is read.
    fn is_held_up(&mut self) {
        self.heartbeat.received(self.broker.shared().clock().now());
    }

    /// Writes out what waits for consumers, while there is room; whether there was anything.
    fn deliver(&mut self) -> bool {
        let Some(channels) = &mut self.channels else { return false };
        if !self.protocol.is_running() {
            return false;
        }
        let max_bytes = self.broker.shared().config().deliveries_max_bytes;
        let frame_max = self.protocol.negotiated().frame_max;
        let mut cancelled = Vec::new();
        let output = self.protocol.output();
        let delivered = channels.consumers.deliver(output, max_bytes, frame_max, &mut cancelled);
        if self.protocol.client().is_told_of_cancels {
            for Cancelled { channel, tag } in cancelled {
                let cancel = basic::Cancel { consumer_tag: tag, no_wait: true };
                self.protocol.output().method(channel, &cancel);
            }
        }
        delivered
    }

    /// Writes what the socket takes; whether it took anything.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.silent_until.is_some() {
            return Ok(false);
        }
        let was_full = self.output_is_full();
        let output = self.protocol.output();
        let mut progress = false;
        while !output.is_empty() {
            let mut slices = Output::no_slices();
            let filled = output.slices(&mut slices);
            let slices = slices.get(..filled).unwrap_or_default();
            match Pin::new(&mut self.socket).poll_write_vectored(cx, slices) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Err(End::Socket(error)),
                Poll::Ready(Ok(0)) => return Err(End::PeerLeft),
                Poll::Ready(Ok(written)) => {
                    output.written(written);
                    progress = true;
                }
            }
        }
        // What a TLS stream keeps goes out once there is nothing more to add.
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.socket).poll_flush(cx) {
            return Err(End::Socket(error));
        }
        if progress {
            let now = self.broker.shared().clock().now();
            self.last_traffic = now;
            self.heartbeat.sent(now);
            if was_full {
                // It is read from no more, so what it takes is its sign of life.
                self.heartbeat.received(now);
            }
        }
        Ok(progress)
    }

    fn next_step(&mut self, now: Duration) -> Step {
        if self.silent_until.is_some_and(|until| now >= until) {
            self.silent_until = None;
            return Step::Go;
        }
        if let Some(ends_at) = self.ends_at
            && now >= ends_at
        {
            let handshake = self.protocol.is_shaking_hands();
            return Step::End(if handshake { End::HandshakeTimeout } else { End::Closed });
        }
        let heartbeat = match self.heartbeat.step(now) {
            HeartbeatStep::Dead => return Step::End(End::HeartbeatMissed),
            HeartbeatStep::Beat if self.protocol.is_running() => {
                if self.protocol.output().is_empty() {
                    self.protocol.output().heartbeat();
                }
                // While the peer takes nothing, one more in the queue is no sign of life.
                self.heartbeat.sent(now);
                return Step::Go;
            }
            HeartbeatStep::Beat => None,
            HeartbeatStep::Wait(until) => until,
        };
        // One that is not read from could send nothing.
        let is_read_from = !matches!(self.publishing, Publishing::Blocked { .. })
            && !self.output_is_full()
            && !self.waits_for_disk();
        let stalls_at = self.unfinished.as_ref().filter(|contents| contents.are_waited_for());
        let stalls_at = stalls_at.filter(|_| is_read_from).map(|_| {
            self.last_traffic.saturating_add(self.broker.shared().config().unfinished_timeout)
        });
        if stalls_at.is_some_and(|at| now >= at) {
            return Step::End(End::UnfinishedTimeout);
        }
        let idle_at = self.last_traffic.saturating_add(IDLE_AFTER);
        let idle_at = if now < idle_at {
            Some(idle_at)
        } else {
            self.input.release();
            self.protocol.output().release();
            None
        };
        let times = [self.ends_at, self.silent_until, heartbeat, stalls_at, idle_at];
        Step::Wait(times.into_iter().flatten().min())
    }

    fn finish(&mut self, end: &End) {
        if let Some(channels) = self.channels.take() {
            channels.connection.close(None);
        }
        self.unfinished = None;
        match end {
            End::Closed => tracing::info!(peer = %self.peer, "connection closed"),
            End::PeerLeft if self.protocol.is_running() => {
                tracing::warn!(peer = %self.peer, "the client left without closing its connection");
            }
            End::PeerLeft if self.protocol.ending() == Ending::Leaving => {
                tracing::info!(peer = %self.peer, "connection closed");
            }
            End::PeerLeft => tracing::debug!(peer = %self.peer, "the client left"),
            End::HeartbeatMissed => {
                tracing::warn!(peer = %self.peer, "missed heartbeats from the client");
            }
            End::HandshakeTimeout => {
                tracing::warn!(peer = %self.peer, "the handshake was not done in time");
            }
            End::UnfinishedTimeout => {
                tracing::warn!(
                    peer = %self.peer,
                    "the client did not go on with a message while others waited for it"
                );
            }
            End::Socket(error) => tracing::warn!(peer = %self.peer, %error, "connection lost"),
        }
    }
}

/// What comes next when nothing can be read, delivered or written.
enum Step {
    /// Round again.
    Go,
    /// Sleep, until this time if nothing else happens.
    Wait(Option<Duration>),
    End(End),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Session<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let end = ready!(self.drive(cx));
        self.finish(&end);
        Poll::Ready(())
    }
}

/// A session that is dropped before its end gives back what it holds, all the same.
impl<S> Drop for Session<S> {
    fn drop(&mut self) {
        if let Some(channels) = self.channels.take() {
            channels.connection.close(None);
        }
    }
}

fn offer(config: &BrokerConfig) -> Negotiable {
    Negotiable {
        channel_max: u16::try_from(config.channel_max).unwrap_or(u16::MAX),
        frame_max: config.frame_max,
        heartbeat: config.heartbeat,
    }
}

fn properties(config: &BrokerConfig) -> ServerProperties {
    ServerProperties {
        product: config.product.clone(),
        version: config.version.clone(),
        cluster_name: config.cluster_name.clone(),
    }
}
