//! Data folders that earlier versions have written are read by all later ones.
//!
//! `fixtures/store-format-1` was written by the test below that is ignored, on the day that the format
//! was first kept. It is never written again: a later format gets a folder of its own.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use springhare_amqp::{
    BasicProperties, DeliveryMode, FieldTable, FieldValue, Message, ShortString,
};
use springhare_broker::{
    BasicConsumeOptions, Broker, Channel, Clock, ExchangeDeclareOptions, Multiple, NoAck, Policy,
    Publish, QueueDeclareOptions, Requeue, User, store,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store-format-1");

/// How long after the first message all are read.
const LATER: Duration = Duration::from_secs(60);

fn start(folder: &Path, clock: Clock) -> Result<Broker> {
    Ok(Broker::builder().data(folder).clock(clock).start()?)
}

fn queue(arguments: &[(&str, FieldValue)]) -> Result<QueueDeclareOptions> {
    let mut table = FieldTable::new();
    for (name, value) in arguments {
        table.insert(*name, value.clone())?;
    }
    Ok(QueueDeclareOptions { durable: true, arguments: table, ..Default::default() })
}

async fn publish(broker: &Broker, exchange: &str, key: &str, message: Message) -> Result {
    let publish = Publish {
        exchange: ShortString::new(exchange)?,
        routing_key: ShortString::new(key)?,
        mandatory: false,
        message,
    };
    Ok(broker.publisher().publish(publish).await?)
}

fn message(body: &str) -> Message {
    let delivery_mode = Some(DeliveryMode::Persistent);
    let properties = BasicProperties { delivery_mode, ..BasicProperties::default() };
    Message::new(body.to_owned()).with_properties(properties)
}

fn with_header(body: &str, name: &str, value: FieldValue) -> Result<Message> {
    let mut message = message(body);
    message.properties.headers.get_or_insert_default().insert(name, value)?;
    Ok(message)
}

/// Takes everything out of a queue, each as its body and what else is told of it.
async fn drain(channel: &Channel, queue: &str) -> Result<Vec<String>> {
    let mut drained = Vec::new();
    while let Some(got) = channel.basic_get(queue, NoAck::Yes).await? {
        let message = &got.delivery.message.message;
        let body = String::from_utf8_lossy(&message.body);
        let count = message.properties.header("x-delivery-count").and_then(FieldValue::as_i64);
        drained.push(match count {
            Some(count) => format!("{body} {count}"),
            None => body.into_owned(),
        });
    }
    Ok(drained)
}

/// Something of everything that is kept.
async fn write(broker: &Broker) -> Result {
    broker.set_user(User::new("alice", "secret")).await?;
    broker.set_policy("/", Policy::new("long", "^never$").set("max-length", 7)).await?;
    let channel = broker.connect("writer")?.open_channel()?;
    for (name, arguments) in [
        ("classic", &[("x-max-length", FieldValue::I32(100))][..]),
        ("quorum", &[("x-queue-type", "quorum".into())]),
        ("stream", &[("x-queue-type", "stream".into())]),
        ("dead", &[]),
        (
            "dying",
            &[("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", "dead".into())],
        ),
        ("deleted", &[]),
    ] {
        channel.queue_declare(name, queue(arguments)?).await?;
    }
    let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare("all", "fanout", exchange).await?;
    let mut arguments = FieldTable::new();
    arguments.insert("x-delayed-type", "direct")?;
    let exchange = ExchangeDeclareOptions { durable: true, arguments, ..Default::default() };
    channel.exchange_declare("later", "x-delayed-message", exchange).await?;
    for name in ["classic", "quorum", "stream", "deleted"] {
        channel.queue_bind(name, "all", "", FieldTable::new()).await?;
    }
    channel.queue_bind("classic", "later", "classic", FieldTable::new()).await?;

    for body in ["taken", "kept"] {
        publish(broker, "all", "", message(body)).await?;
    }
    publish(broker, "", "dying", message("died")).await?;
    publish(broker, "later", "classic", with_header("delayed", "x-delay", 30_000.into())?).await?;
    let copies: FieldValue = vec![FieldValue::from("quorum")].into();
    publish(broker, "", "classic", with_header("copied", "CC", copies)?).await?;
    let mut short = message("expires");
    short.properties.expiration = Some(ShortString::from_static("1000"));
    publish(broker, "", "classic", short).await?;

    let got = channel.basic_get("classic", NoAck::No).await?.ok_or("a message")?;
    channel.basic_ack(got.delivery.delivery_tag, Multiple::One).await?;
    let got = channel.basic_get("quorum", NoAck::No).await?.ok_or("a message")?;
    channel.basic_reject(got.delivery.delivery_tag, Requeue::Yes).await?;
    let got = channel.basic_get("dying", NoAck::No).await?.ok_or("a message")?;
    channel.basic_reject(got.delivery.delivery_tag, Requeue::No).await?;
    channel.queue_delete("deleted", Default::default()).await?;
    channel.tx_select().await?;
    channel.basic_publish("", "dead", Default::default(), message("in a transaction")).await?;
    channel.tx_commit().await?;
    Ok(())
}

/// Writes two folders as they are found after a crash: one, and one that was started on again.
async fn write_both(written: &Path, moved: &Path) -> Result {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (clock, hand) = Clock::manual();
    let broker = start(folder, clock.clone())?;
    write(&broker).await?;
    copy(folder, written)?;
    broker.stop();

    // What little the first segment has is moved, and its file is removed.
    hand.advance(Duration::from_secs(2));
    let broker = start(folder, clock.clone())?;
    publish(&broker, "", "dead", message("after a restart")).await?;
    while folder.join("00000001.log").exists() {
        tokio::task::yield_now().await;
    }
    copy(folder, moved)
}

async fn check(folder: &Path, dead: &[&str]) -> Result {
    let (clock, hand) = Clock::manual();
    hand.advance(LATER);
    let looked_at = store::check(folder)?;
    assert!(looked_at.damages.is_empty(), "{looked_at:?}");
    let broker = start(folder, clock)?;
    // What is due is done when the hand moves.
    hand.advance(Duration::from_millis(1));
    let recovered = broker.recovered().ok_or("a report")?;
    assert!(!recovered.was_clean && recovered.damages.is_empty(), "{recovered:?}");
    let channel = broker.connect("reader")?.open_channel()?;
    assert_eq!(drain(&channel, "classic").await?, ["kept", "copied", "delayed"]);
    assert_eq!(drain(&channel, "quorum").await?, ["taken 1", "kept", "copied"]);
    assert_eq!(drain(&channel, "dead").await?, dead);
    assert_eq!(drain(&channel, "dying").await?, [""; 0]);
    assert!(channel.queue_declare_passive("deleted").await.is_err());

    let channel = broker.connect("reader")?.open_channel()?;
    let mut arguments = FieldTable::new();
    arguments.insert("x-stream-offset", "first")?;
    let options = BasicConsumeOptions { arguments, ..BasicConsumeOptions::default() };
    channel.basic_qos(10, springhare_broker::QosScope::Consumer).await?;
    let mut consumer = channel.basic_consume("stream", "", options).await?;
    for body in ["taken", "kept"] {
        let delivery = consumer.recv().await.ok_or("a delivery")?;
        assert_eq!(delivery.message.message.body, body);
    }
    let definitions = broker.export_definitions();
    for part in ["alice", "\"long\"", "^never$", "x-dead-letter-routing-key", "x-delayed-type"] {
        assert!(definitions.contains(part), "{part} in {definitions}");
    }
    Ok(())
}

/// Copies the files that are there while a broker runs.
fn copy(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        match fs::copy(&path, to.join(path.file_name().unwrap_or_default())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => drop(copied?),
        }
    }
    Ok(())
}

/// A broker that was ended while it wrote what [`write`] writes.
const WRITTEN: (&str, &[&str]) = ("written", &["died", "in a transaction"]);

/// The same, after another one has moved it.
const MOVED: (&str, &[&str]) = ("moved", &["died", "in a transaction", "after a restart"]);

#[tokio::test]
async fn format_1_is_read() -> Result {
    for (name, dead) in [WRITTEN, MOVED] {
        let folder = tempfile::tempdir()?;
        copy(&Path::new(FIXTURES).join(name), folder.path())?;
        check(folder.path(), dead).await?;
    }
    Ok(())
}

/// What is written today is read too, and as the fixtures are.
#[tokio::test]
async fn todays_format_is_read() -> Result {
    let folder = tempfile::tempdir()?;
    let [written, moved] = [WRITTEN, MOVED].map(|(name, _)| folder.path().join(name));
    write_both(&written, &moved).await?;
    check(&written, WRITTEN.1).await?;
    check(&moved, MOVED.1).await
}

#[tokio::test]
#[ignore = "writes the fixtures, once for each format"]
async fn write_the_fixtures() -> Result {
    let folders = [WRITTEN, MOVED].map(|(name, _)| Path::new(FIXTURES).join(name));
    write_both(&folders[0], &folders[1]).await?;
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            // What is allocated and not used need not be kept.
            let path = entry?.path();
            let mut bytes = fs::read(&path)?;
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            // A few zeros more, since a record may end with some.
            bytes.truncate(used + 16);
            match used {
                0 => fs::remove_file(path)?,
                _ => fs::write(path, bytes)?,
            }
        }
    }
    Ok(())
}
