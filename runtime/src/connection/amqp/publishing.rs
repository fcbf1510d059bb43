//! The channels that a connection publishes on, and what is on its way on them.
//!
//! All publishes of a channel go to one exchange: where that is missing, the broker closes just
//! the channel of those who named it. A channel begins with `confirm.select` and a passive
//! declaration of its exchange, so that an exchange that was never there is known for certain
//! before any message is looked at. A message that the broker may refuse for its own sake, such as
//! a very large one, goes alone.

use std::collections::HashMap;
use std::time::Duration;

use springhare_amqp::client::{Confirms, Connection, Refused};
use springhare_amqp::wire::method::{basic, confirm, exchange};
use springhare_amqp::{AmqpError, Message, MethodId, Property, ReplyCode, ShortString};
use springhare_broker::{Publish, ReturnedMessage};
use tokio::sync::oneshot;

use crate::connection::{LinkError, PublishError, PublishResult, is_refusable};

/// The most channels that are open for publishing; the one that was idle for longest makes room.
const CHANNELS_MAX: usize = 64;
/// The most publishes on their way; more wait.
const IN_FLIGHT_MAX: usize = 10_000;
/// The most bytes that wait to be sent before publishes wait too.
const OUTPUT_MAX_BYTES: usize = 4 << 20;

/// A channel that is older is replaced once the broker refuses something on it (`basic.nack`).
/// RabbitMQ refuses all that comes on a channel after a quorum queue's leader was lost under it, though
/// another leads by then; on another channel it takes the same. Where it refuses for the queue's sake
/// another channel changes nothing, so it is not done for each.
const REPLACED_AFTER: Duration = Duration::from_secs(1);

/// Publishing on a connection.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    channels: HashMap<u16, PublishingChannel>,
    by_exchange: HashMap<ShortString, u16>,
    in_flight: usize,
    /// The time when something was received last.
    now: Duration,
    /// A publish found no channel: there is no room before one is idle or closed.
    lacks_channel: bool,
    /// The closes that are not answered: each gives a channel's number back.
    closing: usize,
}

#[derive(Debug)]
struct PublishingChannel {
    /// None for a channel of messages that go alone.
    exchange: Option<ShortString>,
    confirms: Confirms<InFlight>,
    /// Both on the connection's clock.
    opened_at: Duration,
    last_used: Duration,
}

/// A publish without its confirm.
#[derive(Debug)]
struct InFlight {
    routing_key: ShortString,
    exchange: ShortString,
    /// What a return is recognized by; none where there can be no return.
    message: Option<Message>,
    returned: Option<Box<ReturnedMessage>>,
    /// None when nobody waits for the confirm.
    waiter: Option<oneshot::Sender<PublishResult>>,
}

/// What became of a publish that was handed over.
#[derive(Debug)]
pub(super) enum HandOver {
    /// It is on its way, on this channel.
    Sent(u16),
    /// There is no room now: it is to be tried again.
    NoRoom(Publish),
    /// The connection is closed.
    NotSent(Publish, LinkError),
    Failed(PublishError),
}

impl Publishing {
    /// The channel that a message would go on, if one is open for it.
    pub(super) fn path(&self, publish: &Publish) -> Option<u16> {
        if goes_alone(publish) { None } else { self.by_exchange.get(&publish.exchange).copied() }
    }

    /// Whether a publish could be taken that had to wait.
    pub(super) fn has_room(&self, client: &Connection) -> bool {
        !self.lacks_channel && self.in_flight < IN_FLIGHT_MAX && has_output_room(client)
    }

    /// Something is received at this time on the connection's clock.
    pub(super) fn received(&mut self, now: Duration) {
        self.now = now;
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    /// The close of a channel that made room is answered.
    pub(super) fn close_is_done(&mut self) {
        self.closing = self.closing.saturating_sub(1);
        self.lacks_channel = false;
    }

    /// Whether this channel is one of publishing.
    pub(super) fn has(&self, channel: u16) -> bool {
        self.channels.contains_key(&channel)
    }

    /// Sends a publish, if there is room for it.
    pub(super) fn publish(
        &mut self,
        client: &mut Connection,
        publish: Publish,
        waiter: Option<oneshot::Sender<PublishResult>>,
    ) -> HandOver {
        if !self.has_room(client) {
            return HandOver::NoRoom(publish);
        }
        let number = match self.channel_for(client, &publish) {
            Ok(Some(number)) => number,
            Ok(None) => {
                self.lacks_channel = true;
                return HandOver::NoRoom(publish);
            }
            Err(refused) => return HandOver::Failed(not_sent(refused)),
        };
        let Publish { exchange, routing_key, mandatory, message } = publish;
        let method = basic::Publish {
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
            mandatory,
            immediate: false,
        };
        if let Err(refused) = client.publish(number, &method, &message) {
            return HandOver::Failed(not_sent(refused));
        }
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.last_used = self.now;
            let message = mandatory.then_some(message);
            let in_flight = InFlight { routing_key, exchange, message, returned: None, waiter };
            channel.confirms.published(in_flight);
            self.in_flight += 1;
        }
        HandOver::Sent(number)
    }

    /// An open channel for the message; none when all are busy.
    fn channel_for(
        &mut self,
        client: &mut Connection,
        publish: &Publish,
    ) -> Result<Option<u16>, Refused> {
        let alone = goes_alone(publish);
        let open = if alone {
            let idle = |channel: &PublishingChannel| {
                channel.exchange.is_none() && channel.confirms.is_empty()
            };
            self.channels.iter().find(|(_, channel)| idle(channel)).map(|(number, _)| *number)
        } else {
            self.by_exchange.get(&publish.exchange).copied()
        };
        if open.is_some() {
            return Ok(open);
        }
        if self.channels.len() >= CHANNELS_MAX && !self.close_idle(client)? {
            return Ok(None);
        }
        let number = match client.open_channel() {
            Ok(number) => number,
            Err(Refused::NoChannelLeft { .. }) if self.closing > 0 || !self.channels.is_empty() => {
                // Its number is free once the close is answered; one is enough.
                if self.closing == 0 {
                    self.close_idle(client)?;
                }
                return Ok(None);
            }
            Err(refused) => return Err(refused),
        };
        client.call(number, &confirm::Select { no_wait: false })?;
        if !alone && !publish.exchange.is_empty() {
            let exchange = publish.exchange.clone();
            let is_it_there = exchange::Declare { exchange, passive: true, ..Default::default() };
            client.call(number, &is_it_there)?;
        }
        let exchange = (!alone).then(|| publish.exchange.clone());
        if let Some(exchange) = &exchange {
            self.by_exchange.insert(exchange.clone(), number);
        }
        let (confirms, now) = (Confirms::default(), self.now);
        let channel = PublishingChannel { exchange, confirms, opened_at: now, last_used: now };
        self.channels.insert(number, channel);
        Ok(Some(number))
    }

    /// Closes the channel that has been idle for longest; false if none is idle.
    fn close_idle(&mut self, client: &mut Connection) -> Result<bool, Refused> {
        let idle = self.channels.iter().filter(|(_, channel)| channel.confirms.is_empty());
        let oldest = idle.min_by_key(|(_, channel)| channel.last_used).map(|(number, _)| *number);
        let Some(number) = oldest else { return Ok(false) };
        client.close_channel(number)?;
        self.closing += 1;
        self.remove(number);
        Ok(true)
    }

    fn remove(&mut self, number: u16) -> Option<PublishingChannel> {
        let channel = self.channels.remove(&number)?;
        if let Some(exchange) = &channel.exchange
            && self.by_exchange.get(exchange) == Some(&number)
        {
            self.by_exchange.remove(exchange);
        }
        self.in_flight -= channel.confirms.len();
        Some(channel)
    }

    /// A message came back. It is the first that it can be: returns come in the order of the
    /// publishes, and of two that are the same either may be meant.
    pub(super) fn returned(&mut self, number: u16, returned: basic::Return, message: Message) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let is_candidate = |in_flight: &InFlight| {
            in_flight.returned.is_none()
                && in_flight.message.is_some()
                && in_flight.routing_key == returned.routing_key
                && in_flight.exchange == returned.exchange
        };
        let is_it = |in_flight: &InFlight| in_flight.message.as_ref() == Some(&message);
        let exact = channel.confirms.iter_mut().position(|one| is_candidate(one) && is_it(one));
        let position =
            exact.or_else(|| channel.confirms.iter_mut().position(|one| is_candidate(one)));
        let Some(position) = position else {
            tracing::warn!(
                exchange = &*returned.exchange,
                routing_key = &*returned.routing_key,
                "the broker returned a message that is not on its way"
            );
            return;
        };
        if let Some(in_flight) = channel.confirms.iter_mut().nth(position) {
            in_flight.returned = Some(Box::new(returned_message(returned, message)));
        }
    }

    /// Publishes are confirmed, or refused with this error.
    pub(super) fn confirmed(
        &mut self,
        number: u16,
        delivery_tag: u64,
        multiple: bool,
        refused: Option<&AmqpError>,
    ) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let mut done = 0;
        let mut settle = |in_flight: InFlight| {
            done += 1;
            in_flight.settle(refused);
        };
        if multiple {
            channel.confirms.confirmed_up_to(delivery_tag).for_each(&mut settle);
        } else if let Some(in_flight) = channel.confirms.confirmed(delivery_tag) {
            settle(in_flight);
        }
        self.in_flight -= done;
        let age = self.now.saturating_sub(channel.opened_at);
        if refused.is_some()
            && age >= REPLACED_AFTER
            && let Some(exchange) = &channel.exchange
            && self.by_exchange.get(exchange) == Some(&number)
        {
            // The next publish opens another. This one is closed when there is need of its number.
            self.by_exchange.remove(exchange);
        }
        if channel.confirms.is_empty() {
            self.lacks_channel = false;
        }
    }

    /// The broker closed the channel with this error.
    pub(super) fn channel_closed(&mut self, number: u16, error: &AmqpError) {
        let Some(mut channel) = self.remove(number) else { return };
        self.lacks_channel = false;
        // A check that failed came before all the messages. Else the last one is at fault or comes
        // after the one that is, and those before it may have been taken.
        let is_everyones = error.method() == MethodId::EXCHANGE_DECLARE || forbids_exchange(error);
        let is_of_a_message = error.method() == MethodId::BASIC_PUBLISH;
        let last = channel.confirms.len();
        for (index, in_flight) in (1..).zip(channel.confirms.confirmed_up_to(0)) {
            in_flight.fail(if is_everyones || (is_of_a_message && index == last) {
                refusal(error.clone())
            } else {
                let reason = Some(error.clone());
                PublishError::Unknown(LinkError::Closed { what: "channel", reason })
            });
        }
    }

    /// The connection is lost.
    pub(super) fn connection_lost(&mut self, error: &LinkError) {
        for mut channel in std::mem::take(self).channels.into_values() {
            for in_flight in channel.confirms.confirmed_up_to(0) {
                in_flight.fail(PublishError::Unknown(error.clone()));
            }
        }
    }
}

impl InFlight {
    fn settle(self, refused: Option<&AmqpError>) {
        let result = match (self.returned, refused) {
            (Some(returned), _) => Err(PublishError::Unroutable(returned)),
            (None, Some(error)) => Err(PublishError::Refused(error.clone())),
            (None, None) => Ok(()),
        };
        match (self.waiter, result) {
            // Who gave the wait up does not miss it.
            (Some(waiter), result) => drop(waiter.send(result)),
            (None, Ok(())) => {}
            (None, Err(error)) => tell_unheard(&error),
        }
    }

    fn fail(self, error: PublishError) {
        match self.waiter {
            Some(waiter) => drop(waiter.send(Err(error))),
            None => tell_unheard(&error),
        }
    }
}

/// Whether not too much waits to be sent.
pub(super) fn has_output_room(client: &Connection) -> bool {
    client.output_len() < OUTPUT_MAX_BYTES
}

/// The failure of a message whose confirm nobody waits for.
fn tell_unheard(error: &PublishError) {
    tracing::warn!(%error, "a message that was sent unconfirmed was not taken");
}

/// Whether the broker may refuse the message for its own sake, which would close the channel under
/// all others on it.
fn goes_alone(publish: &Publish) -> bool {
    let reply_to = publish.message.properties.text(Property::ReplyTo);
    is_refusable(&publish.message)
        || reply_to.is_some_and(|queue| queue.starts_with("amq.rabbitmq.reply-to"))
}

/// Whether nobody may publish to the exchange: it is internal, or not this user's. A topic that is
/// forbidden is the matter of those who name it.
fn forbids_exchange(error: &AmqpError) -> bool {
    error.code() == ReplyCode::AccessRefused && !error.text().contains("access to topic")
}

fn not_sent(refused: Refused) -> PublishError {
    match refused {
        // The error that a broker would raise, which the caller can act upon.
        Refused::TooLargeForAFrame { .. } => PublishError::Refused(AmqpError::new(
            ReplyCode::FrameError,
            MethodId::BASIC_PUBLISH,
            refused,
        )),
        refused => PublishError::NotSent(LinkError::Transport(std::sync::Arc::new(refused))),
    }
}

fn refusal(error: AmqpError) -> PublishError {
    match error.code() {
        ReplyCode::NotFound => PublishError::NoExchange(error),
        _ => PublishError::Refused(error),
    }
}

pub(super) fn returned_message(returned: basic::Return, message: Message) -> ReturnedMessage {
    ReturnedMessage {
        reply_code: ReplyCode::from_code(returned.reply_code).unwrap_or(ReplyCode::NoRoute),
        reply_text: returned.reply_text,
        exchange: returned.exchange,
        routing_key: returned.routing_key,
        message,
    }
}
