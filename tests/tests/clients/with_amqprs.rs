//! `amqprs`.

use amqprs::callbacks::ChannelCallback;
use amqprs::channel::{
    BasicAckArguments, BasicCancelArguments, BasicConsumeArguments, BasicGetArguments,
    BasicNackArguments, BasicPublishArguments, BasicQosArguments, BasicRejectArguments, Channel,
    ConfirmSelectArguments, ConsumerMessage, ExchangeDeclareArguments, QueueBindArguments,
    QueueDeclareArguments, QueueDeleteArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::{
    Ack, BasicProperties, Cancel, CloseChannel, DecimalValue, FieldTable, FieldValue, GetOk, Nack,
    Return,
};
use springhare_tests::{eventually, within_limit};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::broker::{
    CHANNELS, FRAME_MAX, HEARTBEAT, IDLE, TestBroker, assert_same_body, body, inequivalent_durable,
    no_queue, unique,
};

on_both_brokers!(
    queues_exchanges_and_bindings,
    confirms_and_returns,
    prefetch_acks_and_requeues,
    getting,
    errors_that_close_a_channel,
    a_wrong_password,
    body_sizes,
    headers_and_properties,
    a_consumer_whose_queue_is_deleted,
    heartbeats,
    a_thousand_channels,
);

/// What the broker says on a channel without having been asked.
#[derive(Debug, PartialEq)]
enum Told {
    Closed { code: u16, text: String },
    Cancelled { consumer_tag: String },
    Confirmed { delivery_tag: u64, multiple: bool },
    Returned { code: u16, text: String, exchange: String, routing_key: String, body: Vec<u8> },
}

struct Listener(UnboundedSender<Told>);

#[async_trait::async_trait]
impl ChannelCallback for Listener {
    async fn close(
        &mut self,
        _: &Channel,
        close: CloseChannel,
    ) -> Result<(), amqprs::error::Error> {
        let told = Told::Closed { code: close.reply_code(), text: close.reply_text().clone() };
        self.0.send(told).unwrap();
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, cancel: Cancel) -> Result<(), amqprs::error::Error> {
        let told = Told::Cancelled { consumer_tag: cancel.consumer_tag().clone() };
        self.0.send(told).unwrap();
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, amqprs::error::Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        let (delivery_tag, multiple) = (ack.delivery_tag(), ack.mutiple());
        self.0.send(Told::Confirmed { delivery_tag, multiple }).unwrap();
    }

    async fn publish_nack(&mut self, _: &Channel, nack: Nack) {
        panic!("a message was refused: {nack:?}");
    }

    async fn publish_return(
        &mut self,
        _: &Channel,
        returned: Return,
        _: BasicProperties,
        body: Vec<u8>,
    ) {
        let told = Told::Returned {
            code: returned.reply_code(),
            text: returned.reply_text().clone(),
            exchange: returned.exchange().clone(),
            routing_key: returned.routing_key().clone(),
            body,
        };
        self.0.send(told).unwrap();
    }
}

fn arguments(broker: &TestBroker, password: &str, heartbeat: u16) -> OpenConnectionArguments {
    let (host, port) = (broker.address().ip().to_string(), broker.address().port());
    OpenConnectionArguments::new(&host, port, "guest", password).heartbeat(heartbeat).finish()
}

async fn connect(broker: &TestBroker) -> Connection {
    let arguments = arguments(broker, "guest", 60);
    let connection = within_limit("a connection", Connection::open(&arguments)).await.unwrap();
    assert_eq!(usize::try_from(connection.frame_max()).unwrap(), FRAME_MAX);
    connection
}

async fn close(connection: Connection) {
    within_limit("a clean close", connection.close()).await.unwrap();
}

async fn open(connection: &Connection) -> Channel {
    within_limit("a channel", connection.open_channel(None)).await.unwrap()
}

/// A channel, and what the broker says on it.
async fn listened(connection: &Connection) -> (Channel, UnboundedReceiver<Told>) {
    let channel = open(connection).await;
    let (sender, receiver) = unbounded_channel();
    channel.register_callback(Listener(sender)).await.unwrap();
    (channel, receiver)
}

async fn told(listener: &mut UnboundedReceiver<Told>) -> Told {
    within_limit("word from the broker", listener.recv()).await.unwrap()
}

async fn declare(channel: &Channel, arguments: QueueDeclareArguments) -> (String, u32, u32) {
    channel.queue_declare(arguments).await.unwrap().unwrap()
}

async fn own_queue(channel: &Channel) -> String {
    declare(channel, QueueDeclareArguments::exclusive_server_named()).await.0
}

async fn ready(channel: &Channel, queue: &str) -> u32 {
    declare(channel, QueueDeclareArguments::new(queue).passive(true).finish()).await.1
}

async fn wait_until_ready(channel: &Channel, queue: &str, count: u32) {
    let ask = async || (ready(channel, queue).await == count).then_some(());
    eventually(&format!("{count} messages are ready"), ask).await;
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: impl Into<Vec<u8>>) {
    let arguments = BasicPublishArguments::new(exchange, key).mandatory(true).finish();
    channel.basic_publish(BasicProperties::default(), body.into(), arguments).await.unwrap();
}

async fn get(channel: &Channel, queue: &str) -> (GetOk, BasicProperties, Vec<u8>) {
    let arguments = BasicGetArguments::new(queue).no_ack(true).finish();
    let ask = async || channel.basic_get(arguments.clone()).await.unwrap();
    eventually("there is a message", ask).await
}

type Deliveries = UnboundedReceiver<ConsumerMessage>;

async fn consume(channel: &Channel, queue: &str) -> (String, Deliveries) {
    channel.basic_consume_rx(BasicConsumeArguments::new(queue, "")).await.unwrap()
}

/// The next delivery: its tag, whether it was delivered before, and its body.
async fn next(deliveries: &mut Deliveries) -> (u64, bool, Vec<u8>) {
    let message = within_limit("a delivery", deliveries.recv()).await.unwrap();
    let delivery = message.deliver.unwrap();
    (delivery.delivery_tag(), delivery.redelivered(), message.content.unwrap())
}

async fn queues_exchanges_and_bindings(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = open(&connection).await;
    let name = unique("amqprs");
    for _ in 0..2 {
        let arguments = QueueDeclareArguments::new(&name).exclusive(true).finish();
        assert_eq!(declare(&channel, arguments).await, (name.clone(), 0, 0));
    }
    let named = own_queue(&channel).await;
    assert!(named.starts_with("amq.gen-"), "{named}");
    let exchange = unique("amqprs");
    let arguments = ExchangeDeclareArguments::new(&exchange, "topic").auto_delete(true).finish();
    channel.exchange_declare(arguments).await.unwrap();
    channel.queue_bind(QueueBindArguments::new(&named, &exchange, "stock.*")).await.unwrap();
    publish(&channel, &exchange, "stock.tea", "yes").await;
    let (message, _, body) = get(&channel, &named).await;
    assert_eq!((message.exchange(), &**message.routing_key()), (&exchange, "stock.tea"));
    assert_eq!(body, b"yes");
    close(connection).await;
}

async fn confirms_and_returns(broker: &TestBroker) {
    let connection = connect(broker).await;
    let (channel, mut listener) = listened(&connection).await;
    channel.confirm_select(ConfirmSelectArguments::new(false)).await.unwrap();
    let queue = own_queue(&channel).await;
    for number in 0..100 {
        publish(&channel, "", &queue, number.to_string()).await;
    }
    let mut unconfirmed: Vec<u64> = (1..=100).collect();
    while !unconfirmed.is_empty() {
        let told = told(&mut listener).await;
        let Told::Confirmed { delivery_tag, multiple } = told else { panic!("{told:?}") };
        assert!(unconfirmed.contains(&delivery_tag) || multiple);
        unconfirmed.retain(|tag| *tag != delivery_tag && !(multiple && *tag < delivery_tag));
    }
    assert_eq!(ready(&channel, &queue).await, 100);

    let missing = unique("nowhere");
    publish(&channel, "amq.direct", &missing, "back").await;
    let expected = Told::Returned {
        code: 312,
        text: "NO_ROUTE".to_owned(),
        exchange: "amq.direct".to_owned(),
        routing_key: missing,
        body: b"back".to_vec(),
    };
    assert_eq!(told(&mut listener).await, expected);
    let confirmed = Told::Confirmed { delivery_tag: 101, multiple: false };
    assert_eq!(told(&mut listener).await, confirmed);
    close(connection).await;
}

async fn prefetch_acks_and_requeues(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = open(&connection).await;
    let queue = own_queue(&channel).await;
    for number in 0..10 {
        publish(&channel, "", &queue, number.to_string()).await;
    }
    wait_until_ready(&channel, &queue, 10).await;
    channel.basic_qos(BasicQosArguments::new(0, 3, false)).await.unwrap();
    let (consumer_tag, mut deliveries) = consume(&channel, &queue).await;
    let mut got = 0;
    while got < 10 {
        let mut last = 0;
        for _ in 0..3.min(10 - got) {
            let (tag, _, body) = next(&mut deliveries).await;
            assert_eq!(body, got.to_string().as_bytes());
            got += 1;
            last = tag;
        }
        assert_eq!(ready(&channel, &queue).await, 10 - got);
        channel.basic_ack(BasicAckArguments::new(last, true)).await.unwrap();
    }

    publish(&channel, "", &queue, "again").await;
    let (tag, redelivered, _) = next(&mut deliveries).await;
    assert!(!redelivered);
    channel.basic_nack(BasicNackArguments::new(tag, false, true)).await.unwrap();
    let (tag, redelivered, body) = next(&mut deliveries).await;
    assert!(redelivered);
    assert_eq!(body, b"again");
    channel.basic_reject(BasicRejectArguments::new(tag, false)).await.unwrap();
    channel.basic_cancel(BasicCancelArguments::new(&consumer_tag)).await.unwrap();
    assert_eq!(ready(&channel, &queue).await, 0);
    close(connection).await;
}

async fn getting(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = open(&connection).await;
    let queue = own_queue(&channel).await;
    let arguments = BasicGetArguments::new(&queue);
    assert!(channel.basic_get(arguments.clone()).await.unwrap().is_none());
    publish(&channel, "", &queue, "one").await;
    publish(&channel, "", &queue, "two").await;
    wait_until_ready(&channel, &queue, 2).await;
    let (message, _, body) = channel.basic_get(arguments.clone()).await.unwrap().unwrap();
    assert_eq!((message.message_count(), &body[..]), (1, &b"one"[..]));
    let acknowledged = BasicAckArguments::new(message.delivery_tag(), false);
    channel.basic_ack(acknowledged).await.unwrap();
    assert_eq!(get(&channel, &queue).await.2, b"two");
    assert!(channel.basic_get(arguments).await.unwrap().is_none());
    close(connection).await;
}

async fn errors_that_close_a_channel(broker: &TestBroker) {
    let connection = connect(broker).await;
    let (channel, mut listener) = listened(&connection).await;
    let missing = unique("missing");
    let arguments = QueueDeclareArguments::new(&missing).passive(true).finish();
    // The library answers the call with an error of its own, or not at all.
    let told = tokio::select! {
        told = told(&mut listener) => told,
        Ok(answer) = channel.queue_declare(arguments) => panic!("declared {answer:?}"),
    };
    assert_eq!(told, Told::Closed { code: 404, text: no_queue(&missing) });

    let (channel, mut listener) = listened(&connection).await;
    let name = unique("amqprs");
    declare(&channel, QueueDeclareArguments::new(&name)).await;
    let arguments = QueueDeclareArguments::new(&name).durable(true).finish();
    let told = tokio::select! {
        told = self::told(&mut listener) => told,
        Ok(answer) = channel.queue_declare(arguments) => panic!("declared {answer:?}"),
    };
    assert_eq!(told, Told::Closed { code: 406, text: inequivalent_durable(&name) });

    let channel = open(&connection).await;
    channel.queue_delete(QueueDeleteArguments::new(&name)).await.unwrap();
    close(connection).await;
}

/// `amqprs` does not ask to be told why: the broker may only close the socket.
async fn a_wrong_password(broker: &TestBroker) {
    let arguments = arguments(broker, "wrong", 60);
    let refused = within_limit("the refusal", Connection::open(&arguments)).await;
    assert!(refused.is_err());
}

async fn body_sizes(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = open(&connection).await;
    let queue = own_queue(&channel).await;
    for size in broker.body_sizes() {
        let sent = body(size);
        publish(&channel, "", &queue, sent.clone()).await;
        assert_same_body(&get(&channel, &queue).await.2, &sent);
    }
    close(connection).await;
}

fn headers() -> Vec<(&'static str, FieldValue)> {
    let text = |text: &str| FieldValue::S(text.try_into().unwrap());
    let mut inner = FieldTable::new();
    inner.insert("deep".try_into().unwrap(), text("yes"));
    let list = vec![FieldValue::I(1), text("two"), FieldValue::F(inner.clone())];
    vec![
        ("text", text("grüße")),
        ("bytes", FieldValue::x(vec![0, 255].try_into().unwrap())),
        ("boolean", FieldValue::t(true)),
        ("i8", FieldValue::b(-7)),
        ("u8", FieldValue::B(200)),
        ("i16", FieldValue::s(-300)),
        ("u16", FieldValue::u(40_000)),
        ("i32", FieldValue::I(-100_000)),
        ("u32", FieldValue::i(3_000_000_000)),
        ("i64", FieldValue::l(-(1 << 40))),
        ("float", FieldValue::f(1.5)),
        ("double", FieldValue::d(1.1)),
        ("decimal", FieldValue::D(DecimalValue::new(2, 325))),
        ("time", FieldValue::T(1_700_000_000)),
        ("table", FieldValue::F(inner)),
        ("list", FieldValue::A(list.try_into().unwrap())),
        ("void", FieldValue::V),
    ]
}

async fn headers_and_properties(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = open(&connection).await;
    let queue = own_queue(&channel).await;
    let mut table = FieldTable::new();
    for (name, value) in headers() {
        table.insert(name.try_into().unwrap(), value);
    }
    let sent = BasicProperties::default()
        .with_content_type("text/plain")
        .with_content_encoding("identity")
        .with_headers(table)
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id("correlation")
        .with_reply_to("answers")
        .with_expiration("60000")
        .with_message_id("message")
        .with_timestamp(1_700_000_000)
        .with_message_type("kind")
        .with_user_id("guest")
        .with_app_id("checks")
        .finish();
    let arguments = BasicPublishArguments::new("", &queue);
    channel.basic_publish(sent.clone(), Vec::new(), arguments).await.unwrap();
    let (_, got, _) = get(&channel, &queue).await;
    for (name, value) in headers() {
        let header = got.headers().and_then(|headers| headers.get(&name.try_into().unwrap()));
        assert_eq!(header, Some(&value), "header {name}");
    }
    let texts = |properties: &BasicProperties| {
        [
            properties.content_type().cloned(),
            properties.content_encoding().cloned(),
            properties.correlation_id().cloned(),
            properties.reply_to().cloned(),
            properties.expiration().cloned(),
            properties.message_id().cloned(),
            properties.message_type().cloned(),
            properties.user_id().cloned(),
            properties.app_id().cloned(),
        ]
    };
    assert_eq!(texts(&got), texts(&sent));
    let numbers = (got.delivery_mode(), got.priority(), got.timestamp());
    assert_eq!(numbers, (Some(2), Some(3), Some(1_700_000_000)));
    close(connection).await;
}

async fn a_consumer_whose_queue_is_deleted(broker: &TestBroker) {
    let connection = connect(broker).await;
    let (channel, mut listener) = listened(&connection).await;
    let queue = own_queue(&channel).await;
    let (consumer_tag, _deliveries) = consume(&channel, &queue).await;
    let other = open(&connection).await;
    other.queue_delete(QueueDeleteArguments::new(&queue)).await.unwrap();
    assert_eq!(told(&mut listener).await, Told::Cancelled { consumer_tag });
    // The channel goes on.
    own_queue(&channel).await;
    close(connection).await;
}

async fn heartbeats(broker: &TestBroker) {
    let arguments = arguments(broker, "guest", HEARTBEAT);
    let connection = within_limit("a connection", Connection::open(&arguments)).await.unwrap();
    assert_eq!(connection.heartbeat(), HEARTBEAT);
    let idle = tokio::time::timeout(IDLE, connection.listen_network_io_failure()).await;
    assert!(idle.is_err(), "the idle connection was closed");
    let channel = open(&connection).await;
    own_queue(&channel).await;
    close(connection).await;
}

async fn a_thousand_channels(broker: &TestBroker) {
    let connection = connect(broker).await;
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        channels.push(open(&connection).await);
    }
    for channel in [&channels[0], &channels[499], &channels[channels.len() - 1]] {
        let queue = own_queue(channel).await;
        publish(channel, "", &queue, "tea").await;
        assert_eq!(get(channel, &queue).await.2, b"tea");
    }
    for channel in channels.drain(..10) {
        within_limit("a channel's close", channel.close()).await.unwrap();
    }
    close(connection).await;
}
