//! A delivery for unit tests, from no broker: `DeliveryContext::for_test().body("tea").build()`.

use std::sync::Arc;

use bytes::Bytes;
use springhare_amqp::{BasicProperties, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{Clock, Delivery, PublishedMessage};

use super::{ConsumerScope, DeliveryContext, Served};
use crate::connection::{Link, LinkConnection, LinkError, LinkFuture};
use crate::convert::MessageConverters;
use crate::events::BrokerEvents;
use crate::listener::key_path::KeyPath;
use crate::middleware::TemplateMiddleware;
use crate::state::StateRegistry;
use crate::template::{RabbitTemplate, TemplateDefaults, TemplateLinks};

#[derive(Default)]
pub(crate) struct ForTest {
    message: Message,
    exchange: ShortString,
    routing_key: ShortString,
    failed_before: u32,
    key_paths: Vec<KeyPath>,
    states: StateRegistry,
    converters: MessageConverters,
}

impl DeliveryContext {
    pub(crate) fn for_test() -> ForTest {
        ForTest::default()
    }
}

impl ForTest {
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.message.body = body.into();
        self
    }

    pub(crate) fn properties(mut self, change: impl FnOnce(&mut BasicProperties)) -> Self {
        change(&mut self.message.properties);
        self
    }

    pub(crate) fn content_type(self, content_type: &str) -> Self {
        let content_type = Some(ShortString::truncated(content_type));
        self.properties(|properties| properties.content_type = content_type)
    }

    pub(crate) fn header(self, name: &str, value: impl Into<FieldValue>) -> Self {
        self.properties(|properties| {
            let headers = properties.headers.get_or_insert_with(FieldTable::new);
            headers.insert(name, value).unwrap();
        })
    }

    pub(crate) fn route(mut self, exchange: &str, routing_key: &str) -> Self {
        self.exchange = ShortString::truncated(exchange);
        self.routing_key = ShortString::truncated(routing_key);
        self
    }

    /// A listener with this key.
    pub(crate) fn keyed(mut self, exchange: &str, key: &str) -> Self {
        let (_, path) = KeyPath::parse(&ShortString::truncated(exchange), key).unwrap();
        self.key_paths.extend(path);
        self
    }

    pub(crate) fn failed_before(mut self, times: u32) -> Self {
        self.failed_before = times;
        self
    }

    pub(crate) fn manage<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.manage(value).unwrap();
        self
    }

    pub(crate) fn converters(mut self, converters: MessageConverters) -> Self {
        self.converters = converters;
        self
    }

    pub(crate) fn build(self) -> DeliveryContext {
        let link: Arc<dyn Link> = Arc::new(NoBroker(Clock::system()));
        let links = TemplateLinks {
            publishing: Arc::clone(&link),
            channels: link,
            observer: None,
            events: BrokerEvents::for_test(),
        };
        let scope = ConsumerScope {
            queue: ShortString::from_static("test"),
            consumer_tag: ShortString::from_static("ctag-test"),
            channel: crate::test::delivery().channel,
            template: RabbitTemplate::new(
                links,
                self.converters.clone(),
                TemplateMiddleware::default(),
                TemplateDefaults::default(),
            ),
            states: Arc::new(self.states),
            observing: None,
        };
        let served = Served {
            anonymous: false,
            settled_before: false,
            handler: None,
            listener_id: "test::listener".into(),
            converters: self.converters,
            key_paths: self.key_paths.into(),
        };
        let mut cx = DeliveryContext::new(scope, Arc::new(served));
        cx.deliver(Delivery {
            delivery_tag: 1,
            redelivered: self.failed_before > 0,
            delivery_count: self.failed_before,
            message: Arc::new(PublishedMessage::new(self.exchange, self.routing_key, self.message)),
        });
        cx
    }
}

/// A link to nowhere.
#[derive(Debug)]
struct NoBroker(Clock);

impl Link for NoBroker {
    fn describe(&self) -> String {
        "nowhere".to_owned()
    }

    fn clock(&self) -> &Clock {
        &self.0
    }

    fn connect<'a>(&'a self, _name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async { Err(LinkError::Closed { what: "connection", reason: None }) })
    }
}
