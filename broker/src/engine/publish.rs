use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use springhare_amqp::wire::DecodeError;
use springhare_amqp::{AmqpError, Message, MethodId, Property, ReplyCode, ShortString};

use super::channel_cell::ChannelCell;
use super::connection_cell::ConnectionCell;
use super::entering::Entrance;
use super::queue_cell::QueueRef;
use super::virtual_host::VirtualHost;
use super::{random, reply_to};
use crate::model::carbon_copies::CarbonCopies;
use crate::model::channel::{RoutedPublish, Unroutable};
use crate::model::definition::Resource;
use crate::model::expiration;
use crate::model::message::PublishedMessage;
use crate::model::routed_message::RoutedMessage;
use crate::model::routes::Routes;
use crate::model::stored::Lsn;
use crate::model::topology::Topology;
use crate::store::Failure;

/// A message on its way in: where to, and what.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// The exchange; empty for the default exchange.
    pub exchange: ShortString,
    /// The routing key; with the default exchange, the queue's name.
    pub routing_key: ShortString,
    /// Whether it is an error that the message reaches no queue.
    pub mandatory: bool,
    /// Properties and body.
    pub message: Message,
}

/// A mandatory message that reached no queue (`basic.return`).
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnedMessage {
    /// Why: 312, [`ReplyCode::NoRoute`].
    pub reply_code: ReplyCode,
    /// RabbitMQ's text: `NO_ROUTE`.
    pub reply_text: ShortString,
    /// The exchange that it was published to.
    pub exchange: ShortString,
    /// The routing key that it was published with.
    pub routing_key: ShortString,
    /// The message as it was published.
    pub message: Message,
}

/// Where messages go that are published alike.
#[derive(Debug, Clone)]
pub(crate) struct Destined {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) mandatory: bool,
}

/// The properties that the broker looks at before a message is in its queues.
const LOOKED_AT: &[Property] =
    &[Property::Headers, Property::Expiration, Property::ReplyTo, Property::UserId];

/// What became of a message that was published.
#[derive(Debug)]
pub(crate) enum Published {
    /// In all queues that it was routed to, possibly none.
    Routed,
    /// Mandatory, and it reached no queue.
    Returned(Box<ReturnedMessage>),
    /// Held by its channel's transaction.
    Deferred,
}

/// What became of messages that were published.
#[derive(Debug)]
#[must_use = "who published is to hear of it"]
pub(crate) struct Finished {
    /// The places of those that a full queue refused, or that the store could not take, counted from the
    /// first that was published.
    pub(crate) refused: Vec<usize>,
    /// What has to be synced for the others to be safe.
    pub(crate) end: Lsn,
    /// Why the store could not take some of those that were refused.
    pub(crate) failure: Option<Failure>,
}

/// Publishes one message after the other on one snapshot of the topology.
///
/// Messages that go the same way are gathered, so that each of their queues is locked once for
/// all of them. [`flush`](Self::flush) hands over the last ones; until then nothing is promised.
#[derive(Debug)]
pub(crate) struct Publishing<'v> {
    virtual_host: &'v VirtualHost,
    /// The channel that the messages come by; none for a publisher without one.
    channel: Option<&'v ChannelCell>,
    /// Whose permissions are asked for; none for this process.
    connection: Option<&'v ConnectionCell>,
    takes_effect: Effect,
    topology: Arc<Topology<QueueRef>>,
    /// Where messages go that have this exchange and key; none when more than these counts.
    way: Option<(ShortString, ShortString)>,
    routes: Routes<QueueRef>,
    /// Messages that go along `routes`.
    gathered: SmallVec<[Arc<PublishedMessage>; 1]>,
    /// How many messages were given to be published.
    count: usize,
    /// The places among these of those that a full queue refused.
    refused: Vec<usize>,
    /// What has to be synced for the others to be safe.
    end: Lsn,
    /// Why the store took none of the last ones that it was to take.
    failure: Option<Failure>,
}

/// When a message that is published is in its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Now,
    /// Its channel has a transaction.
    AtCommit,
}

impl<'v> Publishing<'v> {
    /// Publishes without a channel.
    pub(crate) fn on(virtual_host: &'v VirtualHost) -> Self {
        Self::new(virtual_host, None, Effect::Now)
    }

    /// Publishes what comes by a channel: in its transaction, if it has one, and with the
    /// address of its reply consumer.
    pub(crate) fn by(channel: &'v ChannelCell) -> Self {
        let effect = if channel.is_transactional() { Effect::AtCommit } else { Effect::Now };
        Self::new(channel.virtual_host(), Some(channel), effect)
    }

    /// As [`by`](Self::by), if the connection's user may.
    pub(crate) fn of(connection: &'v ConnectionCell, channel: &'v ChannelCell) -> Self {
        Self { connection: Some(connection), ..Self::by(channel) }
    }

    fn new(
        virtual_host: &'v VirtualHost,
        channel: Option<&'v ChannelCell>,
        takes_effect: Effect,
    ) -> Self {
        Self {
            topology: virtual_host.topology(),
            virtual_host,
            channel,
            connection: None,
            takes_effect,
            way: None,
            routes: Routes::default(),
            gathered: SmallVec::new(),
            count: 0,
            refused: Vec::new(),
            end: Lsn::NONE,
            failure: None,
        }
    }

    /// Publishes a message.
    ///
    /// # Errors
    ///
    /// 404 without the exchange, 403 for an internal exchange, 406 for a message that is too
    /// large or has a wrong property, asks for direct replies that nobody consumes, or is more
    /// than the transaction may hold; nothing is published then.
    pub(crate) fn publish(&mut self, publish: Publish) -> Result<Published, AmqpError> {
        let published = self.take(publish);
        if published.is_err() {
            // What is gathered came one after the other.
            self.flush();
        }
        self.count += 1;
        published
    }

    fn take(&mut self, mut publish: Publish) -> Result<Published, AmqpError> {
        check_size(&publish.message, self.virtual_host)?;
        let has_copies = CarbonCopies::are_in(&publish.message.properties);
        let is_known_way = !has_copies && self.goes_the_same_way(&publish);
        if !is_known_way {
            self.flush();
            self.check_exchange(&publish)?;
        }
        reply_to::address_replies(&mut publish.message, self.channel)?;
        self.check_user_id(&publish.message)?;
        check_expiration(&publish.message)?;
        let Publish { exchange, routing_key, mandatory, mut message } = publish;
        let copies = if has_copies { self.take_copies(&exchange, &mut message)? } else { None };
        let message = PublishedMessage::new(exchange, routing_key, message).with_copies(copies);
        if !is_known_way {
            self.route(&message)?;
        }
        if let Some(channel) = self.channel.filter(|_| self.takes_effect == Effect::AtCommit) {
            self.defer(message, mandatory, channel)?;
            return Ok(Published::Deferred);
        }
        let message = Arc::new(message);
        if self.routes.is_empty() || !message.copies().is_empty() {
            // A direct reply reaches no queue, and so a mandatory one comes back all the same.
            self.virtual_host.reply(&message);
        }
        if self.routes.is_empty() && self.routes.delays().is_empty() {
            return Ok(if mandatory {
                Published::Returned(Box::new(unroutable(Arc::unwrap_or_clone(message))))
            } else {
                Published::Routed
            });
        }
        match self.virtual_host.delay(&message, self.routes.delays(), None) {
            Ok(end) => self.end = self.end.max(end),
            Err(not_delayed) => {
                self.refused.push(self.count);
                self.failure = not_delayed.failure().or(self.failure.take());
            }
        }
        if !self.routes.is_empty() {
            self.gathered.push(message);
        }
        Ok(Published::Routed)
    }

    /// Publishes a message to the exchange and with the key of the last one, and is done with it
    /// without another look, where nothing but these says where it goes.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub(crate) fn publish_again(
        &mut self,
        message: Message,
        again: &Destined,
    ) -> Result<Published, AmqpError> {
        let Destined { exchange, routing_key, mandatory } = again;
        let (exchange, routing_key) = (exchange.clone(), routing_key.clone());
        let is_plain = self.takes_effect == Effect::Now
            && self.way.is_some()
            && !self.routes.is_empty()
            && !message.properties.has_any(LOOKED_AT);
        if !is_plain {
            let publish = Publish { exchange, routing_key, mandatory: *mandatory, message };
            return self.publish(publish);
        }
        self.gathered.push(Arc::new(PublishedMessage::new(exchange, routing_key, message)));
        self.count += 1;
        Ok(Published::Routed)
    }

    /// Leaves a message that was routed to its channel until the commit.
    fn defer(
        &self,
        message: PublishedMessage,
        mandatory: bool,
        channel: &ChannelCell,
    ) -> Result<(), AmqpError> {
        let has_copies = !message.copies().is_empty();
        let message = Arc::new(message);
        // A direct reply goes at once, as on RabbitMQ.
        let is_reply = (self.routes.is_empty() || has_copies) && self.virtual_host.reply(&message);
        let queues: Arc<[ShortString]> = if is_reply && !has_copies {
            Arc::default()
        } else if message.exchange.is_empty() {
            // RabbitMQ looks for the queues at the commit: they may be declared until then.
            let names: BTreeSet<&str> = message.routing_keys().collect();
            names.into_iter().flat_map(ShortString::new).collect()
        } else {
            self.routes.queues().iter().map(|queue| queue.name().clone()).collect()
        };
        let delays = self.routes.delays().to_vec();
        let is_returned = mandatory && delays.is_empty();
        if queues.is_empty() && delays.is_empty() && !is_returned {
            return Ok(());
        }
        let unroutable = if is_returned { Unroutable::Return } else { Unroutable::Drop };
        channel.defer_publish(RoutedPublish { message, queues, delays, unroutable })
    }

    /// Hands the gathered messages to their queues, once the journal has them.
    pub(crate) fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        // What was gathered came one after the other, and last.
        let first = self.count - self.gathered.len();
        let Self { virtual_host, routes, gathered, refused, .. } = self;
        let messages = gathered.iter().map(|message| (&**message, None));
        let entrance = match Entrance::open(virtual_host, routes.queues(), messages) {
            Ok(entrance) => entrance,
            Err(failure) => {
                refused.extend(first..self.count);
                gathered.clear();
                self.failure = Some(failure);
                return;
            }
        };
        self.end = self.end.max(entrance.end());
        let copies = routes.len();
        entrance.through(|at, queue, references| {
            let refused = |place| refused.push(first + place);
            if copies == 1 {
                queue.enqueue(references.entering(at, gathered.drain(..), copies), refused);
            } else {
                let messages = gathered.iter().map(Arc::clone);
                queue.enqueue(references.entering(at, messages, copies), refused);
            }
        });
        gathered.clear();
    }

    /// Flushes; what became of all that was published.
    pub(crate) fn finish(mut self) -> Finished {
        self.flush();
        let Self { mut refused, end, failure, .. } = self;
        if !refused.is_empty() {
            // One may have been refused by several.
            refused.sort_unstable();
            refused.dedup();
        }
        Finished { refused, end, failure }
    }

    /// Whether the message goes where the last one went.
    fn goes_the_same_way(&self, publish: &Publish) -> bool {
        self.way.as_ref().is_some_and(|(exchange, routing_key)| {
            *routing_key == publish.routing_key && *exchange == publish.exchange
        })
    }

    /// Checks that the exchange may be published to, which no way leads to from now on.
    fn check_exchange(&mut self, publish: &Publish) -> Result<(), AmqpError> {
        let Publish { exchange, routing_key, .. } = publish;
        self.way = None;
        self.routes.clear();
        if let Some(connection) = self.connection {
            connection.authorize_publish(exchange, routing_key)?;
        }
        let Some(known) = self.topology.exchange(exchange) else {
            return Err(no_exchange(exchange, self.virtual_host));
        };
        if known.internal {
            let exchange = Resource::exchange(exchange, self.virtual_host.name());
            return Err(AmqpError::new(
                ReplyCode::AccessRefused,
                MethodId::BASIC_PUBLISH,
                format_args!("cannot publish to internal {exchange}"),
            ));
        }
        Ok(())
    }

    /// Finds the way of a message, and keeps it for those that follow unless it is its own.
    fn route(&mut self, message: &PublishedMessage) -> Result<(), AmqpError> {
        let PublishedMessage { exchange, routing_key, .. } = message;
        if exchange.is_empty() && message.copies().is_empty() && reply_to::is_address(routing_key) {
            return Ok(());
        }
        let routed = RoutedMessage::of(message, random::number);
        self.topology
            .route(exchange, &routed, &mut self.routes)
            .map_err(|_| no_exchange(exchange, self.virtual_host))?;
        if !routed.was_looked_at() && routed.copies().is_empty() {
            self.way = Some((exchange.clone(), routing_key.clone()));
        }
        Ok(())
    }

    /// Reads `CC` and `BCC`, if the user may publish by all that they say.
    fn take_copies(
        &self,
        exchange: &ShortString,
        message: &mut Message,
    ) -> Result<Option<Arc<CarbonCopies>>, AmqpError> {
        let copies = CarbonCopies::take_from(&mut message.properties)
            .map_err(|error| refused(ReplyCode::PreconditionFailed, error))?;
        if let (Some(connection), Some(copies)) = (self.connection, &copies) {
            connection.authorize_copies(exchange, copies.keys())?;
        }
        Ok(copies)
    }

    fn check_user_id(&self, message: &Message) -> Result<(), AmqpError> {
        match (self.connection, message.properties.text(Property::UserId)) {
            (Some(connection), Some(user_id)) => connection.authorize_user_id(&user_id),
            _ => Ok(()),
        }
    }
}

fn check_size(message: &Message, virtual_host: &VirtualHost) -> Result<(), AmqpError> {
    let config = virtual_host.config();
    let size = message.body.len();
    if size > config.max_message_size {
        let max = config.max_message_size;
        return Err(refused(
            ReplyCode::PreconditionFailed,
            format_args!("message size {size} is larger than configured max size {max}"),
        ));
    }
    if message.properties.has(Property::Headers) {
        let max = config.frame_max;
        if message.properties.are_longer_than(max) {
            let size = message.properties.encoded_len();
            return Err(refused(
                ReplyCode::FrameError,
                format_args!(
                    "a content header of {size} bytes does not fit a frame of {max} bytes"
                ),
            ));
        }
        if message.properties.are_too_deep() {
            return Err(refused(ReplyCode::FrameError, DecodeError::TooDeep));
        }
    }
    Ok(())
}

fn check_expiration(message: &Message) -> Result<(), AmqpError> {
    let Some(text) = message.properties.text(Property::Expiration) else { return Ok(()) };
    expiration::parse(&text).map(|_| ()).map_err(|reason| {
        let explanation = format_args!("invalid expiration '{text}': {reason}");
        refused(ReplyCode::PreconditionFailed, explanation)
    })
}

fn refused(code: ReplyCode, explanation: impl std::fmt::Display) -> AmqpError {
    AmqpError::new(code, MethodId::BASIC_PUBLISH, explanation)
}

fn no_exchange(name: &ShortString, virtual_host: &VirtualHost) -> AmqpError {
    let exchange = Resource::exchange(name, virtual_host.name());
    let explanation = format_args!("no {exchange}");
    AmqpError::new(ReplyCode::NotFound, MethodId::BASIC_PUBLISH, explanation)
}

/// A mandatory message that reaches no queue.
pub(super) fn unroutable(message: PublishedMessage) -> ReturnedMessage {
    let PublishedMessage { exchange, routing_key, message, .. } = message;
    ReturnedMessage {
        reply_code: ReplyCode::NoRoute,
        reply_text: ShortString::from_static("NO_ROUTE"),
        exchange,
        routing_key,
        message,
    }
}
