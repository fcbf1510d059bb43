//! `lapin`.

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, DecimalValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, Error,
    ErrorKind, ExchangeKind,
};
use springhare_tests::{eventually, within_limit};

use crate::broker::{
    CHANNELS, FRAME_MAX, HEARTBEAT, IDLE, LOGIN_REFUSED, TestBroker, assert_same_body, body,
    inequivalent_durable, no_queue, unique,
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

async fn connect(broker: &TestBroker) -> Connection {
    let url = broker.url("guest", 60);
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let connection = within_limit("a connection", connecting).await.unwrap();
    assert_eq!(usize::try_from(connection.configuration().frame_max()).unwrap(), FRAME_MAX);
    connection
}

async fn close(connection: Connection) {
    within_limit("a clean close", connection.close(200, "done".into())).await.unwrap();
    assert!(!connection.status().connected());
}

fn short(text: &str) -> ShortString {
    text.into()
}

async fn own_queue(channel: &Channel) -> ShortString {
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let declared = channel.queue_declare(short(""), options, FieldTable::default()).await;
    declared.unwrap().name().clone()
}

async fn ready(channel: &Channel, queue: &ShortString) -> u32 {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let declared = channel.queue_declare(queue.clone(), options, FieldTable::default()).await;
    declared.unwrap().message_count()
}

async fn wait_until_ready(channel: &Channel, queue: &ShortString, count: u32) {
    let ask = async || (ready(channel, queue).await == count).then_some(());
    eventually(&format!("{count} messages are ready"), ask).await;
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    payload: &[u8],
    properties: BasicProperties,
) -> Confirmation {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let (exchange, key) = (short(exchange), short(key));
    let sent = channel.basic_publish(exchange, key, options, payload, properties).await;
    within_limit("a confirm", sent.unwrap()).await.unwrap()
}

async fn send(channel: &Channel, queue: &ShortString, payload: &[u8]) {
    publish(channel, "", queue.as_str(), payload, BasicProperties::default()).await;
}

async fn get(channel: &Channel, queue: &ShortString) -> BasicGetMessage {
    let options = BasicGetOptions { no_ack: true };
    let ask = async || channel.basic_get(queue.clone(), options).await.unwrap();
    eventually("there is a message", ask).await
}

async fn consume(channel: &Channel, queue: &ShortString) -> Consumer {
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    channel.basic_consume(queue.clone(), short(""), options, none).await.unwrap()
}

async fn next(consumer: &mut Consumer) -> Delivery {
    within_limit("a delivery", consumer.next()).await.unwrap().unwrap()
}

async fn queues_exchanges_and_bindings(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    let name = unique("lapin");
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    for _ in 0..2 {
        let declared = channel.queue_declare(short(&name), options, FieldTable::default());
        let declared = declared.await.unwrap();
        assert_eq!(declared.name().as_str(), name);
        assert_eq!((declared.message_count(), declared.consumer_count()), (0, 0));
    }
    let named = own_queue(&channel).await;
    assert!(named.as_str().starts_with("amq.gen-"), "{named}");
    let exchange = unique("lapin");
    let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    let (kind, none) = (ExchangeKind::Topic, FieldTable::default());
    channel.exchange_declare(short(&exchange), kind, options, none.clone()).await.unwrap();
    let (options, pattern) = (QueueBindOptions::default(), short("stock.*"));
    channel.queue_bind(named.clone(), short(&exchange), pattern, options, none).await.unwrap();
    publish(&channel, &exchange, "weather.tea", b"no", BasicProperties::default()).await;
    publish(&channel, &exchange, "stock.tea", b"yes", BasicProperties::default()).await;
    let message = get(&channel, &named).await.delivery;
    assert_eq!(message.exchange.as_str(), exchange);
    assert_eq!((message.routing_key.as_str(), &message.data[..]), ("stock.tea", &b"yes"[..]));
    close(connection).await;
}

async fn confirms_and_returns(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let queue = own_queue(&channel).await;
    for number in 0..100 {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let payload = number.to_string();
        let exchange = short("");
        let sent =
            channel.basic_publish(exchange, queue.clone(), options, payload.as_bytes(), properties);
        // The confirm is waited for with all the others.
        drop(sent.await.unwrap());
    }
    let returned = within_limit("all confirms", channel.wait_for_confirms()).await.unwrap();
    assert!(returned.is_empty());
    assert_eq!(ready(&channel, &queue).await, 100);

    let missing = unique("nowhere");
    let properties = BasicProperties::default();
    let confirmed = publish(&channel, "amq.direct", &missing, b"back", properties).await;
    let Confirmation::Ack(Some(returned)) = confirmed else { panic!("{confirmed:?}") };
    assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
    let delivery = &returned.delivery;
    assert_eq!(delivery.exchange.as_str(), "amq.direct");
    assert_eq!((delivery.routing_key.as_str(), &delivery.data[..]), (&*missing, &b"back"[..]));
    close(connection).await;
}

async fn prefetch_acks_and_requeues(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    let queue = own_queue(&channel).await;
    for number in 0..10 {
        send(&channel, &queue, number.to_string().as_bytes()).await;
    }
    wait_until_ready(&channel, &queue, 10).await;
    channel.basic_qos(3, BasicQosOptions::default()).await.unwrap();
    let mut consumer = consume(&channel, &queue).await;
    let mut got = 0;
    while got < 10 {
        let batch = 3.min(10 - got);
        let mut last = None;
        for _ in 0..batch {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.data, got.to_string().as_bytes());
            got += 1;
            last = Some(delivery);
        }
        assert_eq!(ready(&channel, &queue).await, 10 - got);
        last.unwrap().ack(BasicAckOptions { multiple: true }).await.unwrap();
    }

    send(&channel, &queue, b"again").await;
    let first = next(&mut consumer).await;
    assert!(!first.redelivered);
    let requeue = BasicNackOptions { multiple: false, requeue: true };
    first.nack(requeue).await.unwrap();
    let second = next(&mut consumer).await;
    assert!(second.redelivered);
    assert_eq!(second.data, b"again");
    second.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
    assert_eq!(ready(&channel, &queue).await, 0);
    close(connection).await;
}

async fn getting(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    let queue = own_queue(&channel).await;
    let options = BasicGetOptions::default();
    assert!(channel.basic_get(queue.clone(), options).await.unwrap().is_none());
    send(&channel, &queue, b"one").await;
    send(&channel, &queue, b"two").await;
    wait_until_ready(&channel, &queue, 2).await;
    let message = channel.basic_get(queue.clone(), options).await.unwrap().unwrap();
    assert_eq!((message.message_count, &message.delivery.data[..]), (1, &b"one"[..]));
    message.delivery.ack(BasicAckOptions::default()).await.unwrap();
    assert_eq!(get(&channel, &queue).await.delivery.data, b"two");
    assert!(channel.basic_get(queue, options).await.unwrap().is_none());
    close(connection).await;
}

/// The code and text of a protocol error.
fn code_and_text(error: &Error) -> (u16, &str) {
    let ErrorKind::ProtocolError(error) = error.kind() else { panic!("{error:?}") };
    (error.get_id(), error.get_message().as_str())
}

async fn errors_that_close_a_channel(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    let missing = unique("missing");
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let declaring = channel.queue_declare(short(&missing), options, FieldTable::default());
    let error = within_limit("the error", declaring).await.unwrap_err();
    assert_eq!(code_and_text(&error), (404, &*no_queue(&missing)));
    assert!(!channel.status().connected());

    let channel = connection.create_channel().await.unwrap();
    let name = unique("lapin");
    let transient = QueueDeclareOptions::default();
    channel.queue_declare(short(&name), transient, FieldTable::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..transient };
    let declaring = channel.queue_declare(short(&name), durable, FieldTable::default());
    let error = within_limit("the error", declaring).await.unwrap_err();
    assert_eq!(code_and_text(&error), (406, &*inequivalent_durable(&name)));

    let channel = connection.create_channel().await.unwrap();
    channel.queue_delete(short(&name), QueueDeleteOptions::default()).await.unwrap();
    close(connection).await;
}

async fn a_wrong_password(broker: &TestBroker) {
    let url = broker.url("wrong", 60);
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let error = within_limit("the refusal", connecting).await.unwrap_err();
    assert_eq!(code_and_text(&error), (403, LOGIN_REFUSED));
}

async fn body_sizes(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    let queue = own_queue(&channel).await;
    for size in broker.body_sizes() {
        let sent = body(size);
        send(&channel, &queue, &sent).await;
        assert_same_body(&get(&channel, &queue).await.delivery.data, &sent);
    }
    close(connection).await;
}

fn headers() -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut inner = FieldTable::default();
    inner.insert(short("deep"), text("yes"));
    let list = vec![AMQPValue::LongInt(1), AMQPValue::FieldTable(inner.clone()), AMQPValue::Void];
    let values = [
        ("text", text("grüße")),
        ("bytes", AMQPValue::ByteArray(vec![0, 255].into())),
        ("boolean", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(-7)),
        ("u8", AMQPValue::ShortShortUInt(200)),
        ("i16", AMQPValue::ShortInt(-300)),
        ("u16", AMQPValue::ShortUInt(40_000)),
        ("i32", AMQPValue::LongInt(-100_000)),
        ("u32", AMQPValue::LongUInt(3_000_000_000)),
        ("i64", AMQPValue::LongLongInt(-(1 << 40))),
        ("float", AMQPValue::Float(1.5)),
        ("double", AMQPValue::Double(1.1)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 325 })),
        ("time", AMQPValue::Timestamp(1_700_000_000)),
        ("table", AMQPValue::FieldTable(inner)),
        ("list", AMQPValue::FieldArray(list.into())),
        ("void", AMQPValue::Void),
    ];
    let mut headers = FieldTable::default();
    for (name, value) in values {
        headers.insert(short(name), value);
    }
    headers
}

async fn headers_and_properties(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    let queue = own_queue(&channel).await;
    let properties = BasicProperties::default()
        .with_content_type(short("text/plain"))
        .with_content_encoding(short("identity"))
        .with_headers(headers())
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id(short("correlation"))
        .with_reply_to(short("answers"))
        .with_expiration(short("60000"))
        .with_message_id(short("message"))
        .with_timestamp(1_700_000_000)
        .with_type(short("kind"))
        .with_user_id(short("guest"))
        .with_app_id(short("checks"))
        .with_cluster_id(short("cluster"));
    publish(&channel, "", queue.as_str(), b"", properties.clone()).await;
    assert_eq!(get(&channel, &queue).await.delivery.properties, properties);
    close(connection).await;
}

async fn a_consumer_whose_queue_is_deleted(broker: &TestBroker) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.unwrap();
    let queue = own_queue(&channel).await;
    let mut consumer = consume(&channel, &queue).await;
    let other = connection.create_channel().await.unwrap();
    other.queue_delete(queue, QueueDeleteOptions::default()).await.unwrap();
    assert!(within_limit("the consumer's end", consumer.next()).await.is_none());
    // The channel goes on.
    own_queue(&channel).await;
    close(connection).await;
}

async fn heartbeats(broker: &TestBroker) {
    let url = broker.url("guest", HEARTBEAT);
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let connection = within_limit("a connection", connecting).await.unwrap();
    assert_eq!(connection.configuration().heartbeat(), HEARTBEAT);
    let mut errors = connection.events_listener().boxed();
    let ended = async {
        loop {
            if let lapin::Event::Error(error) = errors.next().await.unwrap() {
                return error;
            }
        }
    };
    let idle = tokio::time::timeout(IDLE, ended).await;
    assert!(idle.is_err(), "the idle connection was closed: {idle:?}");
    // A dropped channel is closed, which would come between the connection and its close.
    let channel = connection.create_channel().await.unwrap();
    own_queue(&channel).await;
    close(connection).await;
}

async fn a_thousand_channels(broker: &TestBroker) {
    let connection = connect(broker).await;
    let opening = (0..CHANNELS).map(|_| connection.create_channel());
    let channels = within_limit("the channels", try_join_all(opening)).await.unwrap();
    for channel in [&channels[0], &channels[499], &channels[channels.len() - 1]] {
        let queue = own_queue(channel).await;
        send(channel, &queue, b"tea").await;
        assert_eq!(get(channel, &queue).await.delivery.data, b"tea");
    }
    for channel in channels.iter().step_by(100) {
        channel.close(200, short("done")).await.unwrap();
    }
    close(connection).await;
}
