//! What is in a data folder survives its broker, whether that ends in order or not.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use springhare_amqp::{
    BasicProperties, DeliveryMode, FieldTable, FieldValue, Message, ShortString,
};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, BrokerConfig, Channel, Clock, Durability,
    Error, ExchangeDeclareOptions, Multiple, NoAck, Publish, QueueDeclareOptions,
    QueueDeleteOptions, StoreError,
};
use tempfile::TempDir;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Everything that an operator defines, and what is declared with it.
fn definitions() -> Result<&'static str> {
    let page = include_str!("../../docs/policies-and-definitions.md");
    let json = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    Ok(json.ok_or("an example")?)
}

fn start(folder: &Path) -> Result<Broker, Error> {
    Broker::builder().data(folder).start()
}

fn open(broker: &Broker) -> Result<Channel> {
    Ok(broker.connect("test")?.open_channel()?)
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
}

fn of_type(queue_type: &str) -> Result<QueueDeclareOptions> {
    let mut arguments = FieldTable::new();
    arguments.insert("x-queue-type", queue_type)?;
    Ok(QueueDeclareOptions { arguments, ..durable() })
}

fn message(body: &str, mode: DeliveryMode) -> Message {
    let properties = BasicProperties { delivery_mode: Some(mode), ..BasicProperties::default() };
    Message { properties: properties.into(), ..Message::new(body.to_owned()) }
}

/// Publishes and waits for the confirm.
async fn publish(broker: &Broker, queue: &str, message: Message) -> Result {
    let publish = Publish {
        exchange: ShortString::EMPTY,
        routing_key: ShortString::new(queue)?,
        mandatory: true,
        message,
    };
    Ok(broker.publisher().publish(publish).await?)
}

async fn publish_persistent(broker: &Broker, queue: &str, bodies: &[&str]) -> Result {
    for body in bodies {
        publish(broker, queue, message(body, DeliveryMode::Persistent)).await?;
    }
    Ok(())
}

/// Takes everything out of the queue: bodies, with an `R` behind the redelivered ones.
async fn drain(channel: &Channel, queue: &str) -> Result<Vec<String>> {
    let mut drained = Vec::new();
    while let Some(got) = channel.basic_get(queue, NoAck::Yes).await? {
        let body = String::from_utf8_lossy(&got.delivery.message.message.body).into_owned();
        drained.push(if got.delivery.redelivered { format!("{body} R") } else { body });
    }
    Ok(drained)
}

/// What a crash leaves behind: the files as they are now, in another folder.
fn crashed(folder: &Path) -> Result<TempDir> {
    let copy = tempfile::tempdir()?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
    }
    Ok(copy)
}

#[tokio::test]
async fn what_was_defined_and_published_is_there_after_a_restart() -> Result {
    let folder = tempfile::tempdir()?;
    let broker = start(folder.path())?;
    broker.import_definitions(definitions()?).await?;
    let channel = open(&broker)?;
    channel.queue_declare("classic", durable()).await?;
    channel.queue_declare("quorum", of_type("quorum")?).await?;
    channel.queue_declare("stream", of_type("stream")?).await?;
    channel.queue_declare("gone", durable()).await?;
    channel.queue_declare("transient", QueueDeclareOptions::default()).await?;
    let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare("x", "topic", exchange).await?;
    channel.queue_bind("classic", "x", "a.*", FieldTable::new()).await?;
    for queue in ["classic", "quorum", "stream", "transient"] {
        publish_persistent(&broker, queue, &["one", "two"]).await?;
        publish(&broker, queue, message("three", DeliveryMode::Transient)).await?;
    }
    channel.queue_delete("gone", QueueDeleteOptions::default()).await?;
    assert!(channel.basic_get("classic", NoAck::Yes).await?.is_some(), "one is taken");
    channel.queue_delete("transient", QueueDeleteOptions::default()).await?;
    let before = broker.export_definitions();
    broker.stop();

    let broker = start(folder.path())?;
    assert_eq!(broker.export_definitions(), before);
    let recovered = broker.recovered().ok_or("a report")?;
    assert!(recovered.was_clean, "{recovered:?}");
    assert_eq!((recovered.messages, recovered.torn_bytes), (7, 0), "{recovered:?}");
    let channel = open(&broker)?;
    assert_eq!(drain(&channel, "classic").await?, ["two"]);
    assert_eq!(drain(&channel, "quorum").await?, ["one", "two", "three"]);
    let options = BasicPublishOptions::default();
    channel.basic_publish("x", "a.b", options, Message::new("bound")).await?;
    assert_eq!(drain(&channel, "classic").await?, ["bound"]);

    let mut arguments = FieldTable::new();
    arguments.insert("x-stream-offset", "first")?;
    let options = BasicConsumeOptions { arguments, ..BasicConsumeOptions::default() };
    channel.basic_qos(10, springhare_broker::QosScope::Consumer).await?;
    let mut consumer = channel.basic_consume("stream", "", options).await?;
    for body in ["one", "two", "three"] {
        let delivery = consumer.recv().await.ok_or("a delivery")?;
        assert_eq!(delivery.message.message.body, body);
    }
    Ok(())
}

#[tokio::test]
async fn what_was_confirmed_is_there_after_a_crash() -> Result {
    let folder = tempfile::tempdir()?;
    let broker = start(folder.path())?;
    let channel = open(&broker)?;
    channel.queue_declare("q", durable()).await?;
    publish_persistent(&broker, "q", &["a", "b", "c"]).await?;
    let unsettled = channel.basic_get("q", NoAck::No).await?;
    assert!(unsettled.is_some());
    let copy = crashed(folder.path())?;

    let after = start(copy.path())?;
    let recovered = after.recovered().ok_or("a report")?;
    assert!(!recovered.was_clean && recovered.damages.is_empty(), "{recovered:?}");
    assert_eq!(recovered.messages, 3);
    assert_eq!(drain(&open(&after)?, "q").await?, ["a R", "b R", "c R"]);
    // The first one knows nothing of that.
    channel.close().await?;
    assert_eq!(drain(&open(&broker)?, "q").await?, ["a R", "b", "c"]);
    Ok(())
}

/// Deliveries are not in the log: what may have been delivered before a crash is marked for as long as
/// it lives, however often the broker is stopped in order since.
#[tokio::test]
async fn what_may_have_been_delivered_before_a_crash_stays_marked() -> Result {
    let folder = tempfile::tempdir()?;
    let broker = start(folder.path())?;
    open(&broker)?.queue_declare("q", durable()).await?;
    publish_persistent(&broker, "q", &["before"]).await?;
    let copy = crashed(folder.path())?;

    let broker = start(copy.path())?;
    publish_persistent(&broker, "q", &["after"]).await?;
    broker.stop();
    for _ in 0..2 {
        let broker = start(copy.path())?;
        assert!(broker.recovered().ok_or("a report")?.was_clean);
        broker.stop();
    }
    assert_eq!(drain(&open(&start(copy.path())?)?, "q").await?, ["before R", "after"]);
    Ok(())
}

#[tokio::test]
async fn what_was_delivered_and_not_acknowledged_at_a_stop_stays_marked() -> Result {
    let folder = tempfile::tempdir()?;
    let broker = start(folder.path())?;
    let channel = open(&broker)?;
    for (name, options) in [("classic", durable()), ("quorum", of_type("quorum")?)] {
        channel.queue_declare(name, options).await?;
        publish_persistent(&broker, name, &["a", "b"]).await?;
        assert!(channel.basic_get(name, NoAck::No).await?.is_some());
    }
    broker.stop();
    start(folder.path())?.stop();
    let broker = start(folder.path())?;
    for name in ["classic", "quorum"] {
        assert_eq!(drain(&open(&broker)?, name).await?, ["a R", "b"], "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_transaction_survives_whole_or_not_at_all() -> Result {
    let folder = tempfile::tempdir()?;
    let broker = start(folder.path())?;
    let channel = open(&broker)?;
    for queue in ["from", "to"] {
        channel.queue_declare(queue, durable()).await?;
    }
    publish_persistent(&broker, "from", &["a", "b"]).await?;
    channel.tx_select().await?;
    for body in ["a", "b"] {
        let got = channel.basic_get("from", NoAck::No).await?.ok_or("a message")?;
        let options = BasicPublishOptions::default();
        let passed_on = message(body, DeliveryMode::Persistent);
        channel.basic_publish("", "to", options, passed_on).await?;
        channel.basic_ack(got.delivery.delivery_tag, Multiple::One).await?;
    }
    let before = crashed(folder.path())?;
    channel.tx_commit().await?;
    let after = crashed(folder.path())?;
    for (copy, from, to) in
        [(before, ["a R", "b R"].as_slice(), [].as_slice()), (after, &[], &["a R", "b R"])]
    {
        let broker = start(copy.path())?;
        let channel = open(&broker)?;
        assert_eq!(drain(&channel, "from").await?, from);
        assert_eq!(drain(&channel, "to").await?, to);
    }
    Ok(())
}

#[tokio::test]
async fn times_go_on_while_no_broker_runs() -> Result {
    let folder = tempfile::tempdir()?;
    let (clock, hand) = Clock::manual();
    let start = || Broker::builder().data(folder.path()).clock(clock.clone()).start();
    let broker = start()?;
    let channel = open(&broker)?;
    channel.queue_declare("q", durable()).await?;
    let mut arguments = FieldTable::new();
    arguments.insert("x-delayed-type", "direct")?;
    let options = ExchangeDeclareOptions { durable: true, arguments, ..Default::default() };
    channel.exchange_declare("later", "x-delayed-message", options).await?;
    channel.queue_bind("q", "later", "q", FieldTable::new()).await?;
    let mut short = message("short", DeliveryMode::Persistent);
    short.properties.expiration = Some(ShortString::from_static("1000"));
    publish(&broker, "q", short).await?;
    let mut delayed = message("delayed", DeliveryMode::Persistent);
    let headers = delayed.properties.headers.get_or_insert_default();
    headers.insert("x-delay", FieldValue::from(5000))?;
    let publish = Publish {
        exchange: ShortString::from_static("later"),
        routing_key: ShortString::from_static("q"),
        mandatory: false,
        message: delayed,
    };
    broker.publisher().publish(publish).await?;
    broker.stop();

    hand.advance(Duration::from_secs(2));
    let broker = start()?;
    assert_eq!(drain(&open(&broker)?, "q").await?, [""; 0]);
    broker.stop();

    hand.advance(Duration::from_secs(4));
    let broker = start()?;
    hand.advance(Duration::from_millis(1));
    assert_eq!(drain(&open(&broker)?, "q").await?, ["delayed"]);
    Ok(())
}

/// A table in a table, and so on: so many levels.
fn nested(levels: usize) -> Result<FieldTable> {
    let mut table = FieldTable::new();
    for _ in 1..levels {
        let inner = std::mem::take(&mut table);
        table.insert("deeper", FieldValue::Table(inner))?;
    }
    Ok(table)
}

#[tokio::test]
async fn what_is_nested_too_deep_to_be_read_again_is_refused() -> Result {
    const DEEPEST: usize = springhare_amqp::wire::TABLE_DEPTH_MAX;
    let folder = tempfile::tempdir()?;
    let broker = start(folder.path())?;
    let with_headers = |levels| -> Result<Message> {
        let mut deep = message("deep", DeliveryMode::Persistent);
        *deep.properties.headers.get_or_insert_default() = nested(levels)?;
        Ok(deep)
    };
    for (levels, name, is_taken) in [(DEEPEST, "q", true), (DEEPEST + 1, "deeper", false)] {
        let queue = QueueDeclareOptions { arguments: nested(levels)?, ..durable() };
        let declared = open(&broker)?.queue_declare(name, queue).await;
        assert_eq!(declared.is_ok(), is_taken, "{declared:?}");
        let arguments = nested(levels)?;
        let exchange = ExchangeDeclareOptions { durable: true, arguments, ..Default::default() };
        let declared = open(&broker)?.exchange_declare(name, "fanout", exchange).await;
        assert_eq!(declared.is_ok(), is_taken, "{declared:?}");
        let bound = open(&broker)?.queue_bind("q", "amq.fanout", "", nested(levels)?).await;
        assert_eq!(bound.is_ok(), is_taken, "{bound:?}");
        let published = publish(&broker, "q", with_headers(levels)?).await;
        assert_eq!(published.is_ok(), is_taken, "{published:?}");
    }
    let before = broker.export_definitions();
    broker.stop();
    let broker = start(folder.path())?;
    assert_eq!(broker.export_definitions(), before);
    assert_eq!(drain(&open(&broker)?, "q").await?, ["deep"]);
    Ok(())
}

#[tokio::test]
async fn one_broker_has_a_folder_until_it_ends() -> Result {
    let folder = tempfile::tempdir()?;
    let first = start(folder.path())?;
    assert_eq!(first.data(), Some(folder.path()));
    let refused = start(folder.path()).map(drop).unwrap_err();
    assert!(matches!(refused, Error::Store(StoreError::InUse { .. })), "{refused}");
    // Whoever still has a channel of it does not keep it.
    let channel = open(&first)?;
    drop(first);
    let second = start(folder.path())?;
    assert!(!channel.is_open());

    // One that does not start gives it back.
    second.stop();
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let refused = Broker::builder().data(folder.path()).listen(taken.local_addr()?).start();
    assert!(matches!(refused, Err(Error::CannotListen { .. })));
    start(folder.path())?;
    Ok(())
}

#[tokio::test]
async fn a_broker_that_promises_less_keeps_the_same() -> Result {
    let folder = tempfile::tempdir()?;
    let broker = || Broker::builder().data(folder.path().join("data"));
    let in_memory = broker().durability(Durability::Memory).start()?;
    assert_eq!(in_memory.data(), None);
    assert_eq!(fs::read_dir(&folder)?.count(), 0, "nothing is written");

    let os = broker().durability(Durability::Os).start()?;
    open(&os)?.queue_declare("q", durable()).await?;
    publish_persistent(&os, "q", &["a"]).await?;
    let copy = crashed(&folder.path().join("data"))?;
    assert_eq!(drain(&open(&start(copy.path())?)?, "q").await?, ["a R"]);
    os.stop();
    let disk = broker().start()?;
    assert_eq!(drain(&open(&disk)?, "q").await?, ["a"]);
    Ok(())
}

#[test]
fn a_limit_above_what_a_folder_can_keep_is_refused() -> Result {
    const TOO_MUCH: usize = (2 << 30) + 1;
    let folder = tempfile::tempdir()?;
    let (mut messages, mut transactions) = (BrokerConfig::default(), BrokerConfig::default());
    messages.max_message_size = TOO_MUCH;
    transactions.transaction_max_bytes = TOO_MUCH;
    for (name, config) in [("max_message_size", messages), ("transaction_max_bytes", transactions)]
    {
        let broker = || Broker::builder().config(config.clone());
        let refused = broker().data(folder.path().join("data")).start().map(drop).unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
        assert_eq!(fs::read_dir(&folder)?.count(), 0, "nothing was made");
        broker().start()?;
    }
    Ok(())
}

#[test]
fn a_folder_of_something_else_is_left_alone() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("notes.txt");
    fs::write(&file, "mine")?;
    for path in [folder.path(), &file] {
        let refused = start(path).map(drop).unwrap_err();
        assert!(refused.to_string().contains(&path.display().to_string()), "{refused}");
    }
    assert_eq!(fs::read_dir(&folder)?.count(), 1);
    Ok(())
}

#[tokio::test]
async fn more_than_fits_memory_is_there_after_a_restart() -> Result {
    const MESSAGES: usize = 2000;
    let folder = tempfile::tempdir()?;
    let mut config = BrokerConfig::default();
    config.memory_paging_watermark = 100_000;
    let start = || Broker::builder().data(folder.path()).config(config.clone()).start();
    let broker = start()?;
    let channel = open(&broker)?;
    channel.queue_declare("q", durable()).await?;
    channel.confirm_select().await?;
    for number in 0..MESSAGES {
        let body = format!("{number:>1000}");
        let options = BasicPublishOptions::default();
        channel.basic_publish("", "q", options, message(&body, DeliveryMode::Persistent)).await?;
    }
    let mut confirmed = 0;
    while confirmed < MESSAGES {
        match channel.next_event().await {
            Some(springhare_broker::ChannelEvent::Confirmed { delivery_tag, .. }) => {
                confirmed = usize::try_from(delivery_tag)?;
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
    broker.stop();

    let broker = start()?;
    let channel = open(&broker)?;
    for number in 0..MESSAGES {
        let got = channel.basic_get("q", NoAck::Yes).await?.ok_or("a message")?;
        assert_eq!(got.delivery.message.message.body, format!("{number:>1000}"));
    }
    assert!(channel.basic_get("q", NoAck::Yes).await?.is_none());
    Ok(())
}
