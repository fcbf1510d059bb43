use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock};

use lapin::options::ExchangeDeclareOptions;
use lapin::{Confirmation, ExchangeKind};
use springhare::connection::LinkError;
use springhare_amqp::{AmqpError, ErrorScope, MethodId, ShortString};
use springhare_broker::{ChannelEvent, ConfirmOutcome, Multiple};
use tokio::sync::mpsc;

use super::{ConnectionState, convert, locked};

/// What a channel shares with its consumers and its connection.
pub(super) struct ChannelState {
    channel: lapin::Channel,
    connection: Arc<ConnectionState>,
    reason: OnceLock<AmqpError>,
    /// Gone once the closure was told.
    events: Mutex<Option<mpsc::UnboundedSender<ChannelEvent>>>,
    /// Tags that this side cancelled and whose consumers have not seen it yet.
    cancelled: Mutex<HashSet<ShortString>>,
}

impl fmt::Debug for ChannelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelState").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl ChannelState {
    /// A state, and where its channel's events come out.
    pub(super) fn new(
        channel: lapin::Channel,
        connection: &Arc<ConnectionState>,
    ) -> (Self, mpsc::UnboundedReceiver<ChannelEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let state = Self {
            channel,
            connection: Arc::clone(connection),
            reason: OnceLock::new(),
            events: Mutex::new(Some(sender)),
            cancelled: Mutex::default(),
        };
        (state, receiver)
    }

    pub(super) fn lapin(&self) -> &lapin::Channel {
        &self.channel
    }

    pub(super) fn reason(&self) -> Option<AmqpError> {
        self.reason.get().cloned()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.reason.get().is_some() || !self.channel.status().connected()
    }

    pub(super) fn cancels(&self, tag: ShortString) {
        locked(&self.cancelled).insert(tag);
    }

    /// Whether this side cancelled the consumer, and not the broker.
    pub(super) fn took_cancelled(&self, tag: &ShortString) -> bool {
        locked(&self.cancelled).remove(tag)
    }

    /// Records what closed the channel, and tells it as its last event.
    pub(super) fn close(&self, reason: AmqpError) {
        if self.reason.set(reason.clone()).is_ok() {
            self.tell(ChannelEvent::Closed(reason));
            self.end_events();
        }
    }

    pub(super) fn end_events(&self) {
        locked(&self.events).take();
    }

    pub(super) fn tell(&self, event: ChannelEvent) {
        if let Some(events) = &*locked(&self.events) {
            // Refused only when nobody can ask for events any more.
            let _ = events.send(event);
        }
    }

    async fn error(&self, error: lapin::Error, method: MethodId) -> LinkError {
        if let Some(error) = convert::amqp_error(&error, method) {
            match error.scope() {
                ErrorScope::Channel => {
                    self.connection.claim(self, Some(&error)).await;
                    self.close(error.clone());
                }
                ErrorScope::Connection => self.connection.close(&error),
            }
            return LinkError::Amqp(error);
        }
        match error.kind() {
            lapin::ErrorKind::InvalidChannelState(..) | lapin::ErrorKind::InvalidChannel(_) => {
                self.closed_before(method).await
            }
            lapin::ErrorKind::InvalidConnectionState(_) => {
                LinkError::Closed { what: "connection", reason: self.reason() }
            }
            _ => LinkError::Transport(Arc::new(error)),
        }
    }

    /// The channel was closed when the call came: by the error of the call itself, if it was not
    /// known before.
    async fn closed_before(&self, method: MethodId) -> LinkError {
        let is_known = self.reason.get().is_some() || locked(&self.events).is_none();
        if !is_known && let Some(error) = self.connection.claim(self, None).await {
            let explanation = error.text().trim_start_matches(error.code().name());
            let explanation = explanation.trim_start_matches(" - ");
            let error = AmqpError::new(error.code(), method, explanation);
            self.close(error.clone());
            return LinkError::Amqp(error);
        }
        LinkError::Closed { what: "channel", reason: self.reason() }
    }

    pub(super) async fn call<T>(
        &self,
        method: MethodId,
        call: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, LinkError> {
        match call.await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.error(error, method).await),
        }
    }

    /// For a method without an answer: waits until the broker has worked it off, so that its
    /// error is this call's.
    pub(super) async fn call_unanswered<T>(
        &self,
        method: MethodId,
        call: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, LinkError> {
        let sent = self.call(method, call).await?;
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let direct = ExchangeKind::Direct;
        let barrier =
            self.channel.exchange_declare("amq.direct".into(), direct, options, Default::default());
        self.call(method, barrier).await?;
        Ok(sent)
    }

    pub(super) async fn confirm(
        &self,
        sequence: u64,
        confirm: lapin::PublisherConfirm,
    ) -> Result<(), LinkError> {
        let (outcome, returned) = match self.call(MethodId::BASIC_PUBLISH, confirm).await? {
            Confirmation::Ack(returned) => (ConfirmOutcome::Ack, returned),
            Confirmation::Nack(returned) => (ConfirmOutcome::Nack, returned),
            Confirmation::NotRequested => return Ok(()),
        };
        // lapin only knows a return that came before the confirm.
        if let Some(returned) = returned {
            self.tell(ChannelEvent::Returned(Box::new(convert::returned(returned))));
        }
        let (delivery_tag, multiple) = (sequence, Multiple::One);
        self.tell(ChannelEvent::Confirmed { delivery_tag, multiple, outcome });
        Ok(())
    }
}
