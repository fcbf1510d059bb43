use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use springhare_amqp::client::Refused;

use super::mailbox::Mailbox;
use super::state::{Shared, State};
use super::user_channel::UserChannel;
use crate::connection::LinkError;

/// An open connection; dropping it closes it.
pub(super) struct OpenedConnection {
    pub(super) shared: Arc<Shared>,
}

impl Drop for OpenedConnection {
    fn drop(&mut self) {
        self.shared.lock().client.close();
        self.shared.wake_driver();
    }
}

/// A user's channel at the broker, which keeps its connection open; dropping it closes it.
pub(super) struct OpenedChannel {
    pub(super) connection: Arc<OpenedConnection>,
    /// Another channel's, once this one is closed.
    pub(super) number: u16,
    pub(super) user: Arc<UserChannel>,
}

impl OpenedChannel {
    /// Gives a command on the channel, while it is open.
    pub(super) fn command<T>(
        &self,
        command: impl FnOnce(&mut State, u16) -> Result<T, Refused>,
    ) -> Result<T, LinkError> {
        let mut state = self.connection.shared.lock();
        // Told under this lock, and before the number is given to another channel.
        if let Some(reason) = self.user.close_reason() {
            return Err(reason);
        }
        let done = command(&mut state, self.number)
            .map_err(|refused| link_error(refused, state.closed(), self.user.close_reason()))?;
        drop(state);
        self.connection.shared.wake_driver();
        Ok(done)
    }

    /// Waits until a message may be sent on the connection.
    pub(super) async fn room(&self) {
        poll_fn(|cx| {
            let mut state = self.connection.shared.lock();
            if state.takes_messages() || self.user.close_reason().is_some() {
                return Poll::Ready(());
            }
            state.wait_for_room(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// A consumer of the channel is dropped: it holds nobody up any more, and what it had goes back.
    pub(super) fn abandon(&self, mailbox: &Mailbox) {
        let handed_back = mailbox.abandon();
        // On a closed channel there is nothing to end.
        let _ = self.command(|state, number| {
            state.abandon_consumer(number, mailbox, handed_back);
            Ok(())
        });
        self.connection.shared.wake_driver();
    }
}

impl Drop for OpenedChannel {
    fn drop(&mut self) {
        // One that is closed already needs no closing.
        let _ = self.command(State::close_channel);
    }
}

pub(super) fn link_error(
    refused: Refused,
    connection: Option<&LinkError>,
    channel: Option<LinkError>,
) -> LinkError {
    let closed = |what| LinkError::Closed { what, reason: None };
    match refused {
        Refused::ConnectionClosed => connection.cloned().unwrap_or(closed("connection")),
        Refused::ChannelClosed => channel.unwrap_or(closed("channel")),
        refused => LinkError::Transport(Arc::new(refused)),
    }
}
