//! Dead letters, length limits and expiry of a whole broker, in a time that is driven by hand.
//! What RabbitMQ does too stands in the contract suite, in real time.

use std::time::Duration;

use springhare_amqp::{AmqpError, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, ChannelEvent, Clock, ConfirmOutcome,
    Connection, ConsumerEnd, GetOk, ManualClock, Multiple, NoAck, QueueDeclareOptions, Requeue,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

struct Host {
    broker: Broker,
    hand: ManualClock,
    channel: Channel,
    _connection: Connection,
}

impl Host {
    fn new() -> Result<Self> {
        let (clock, hand) = Clock::manual();
        let broker = Broker::builder().clock(clock).start()?;
        let connection = broker.connect("test")?;
        let channel = connection.open_channel()?;
        Ok(Self { broker, hand, channel, _connection: connection })
    }

    async fn declare(
        &self,
        queue: &str,
        arguments: &[(&'static str, FieldValue)],
    ) -> Result<(), AmqpError> {
        let entries = arguments.iter().map(|(name, value)| (*name, value.clone()));
        let arguments: FieldTable =
            entries.map(|(name, value)| (ShortString::from_static(name), value)).collect();
        let options = QueueDeclareOptions { durable: true, arguments, ..Default::default() };
        self.channel.queue_declare(queue, options).await.map(drop)
    }

    async fn publish(&self, queue: &str, body: &str) -> Result<(), AmqpError> {
        let message = Message::new(body.to_owned());
        self.channel.basic_publish("", queue, BasicPublishOptions::default(), message).await?;
        Ok(())
    }

    async fn count(&self, queue: &str) -> Result<u64, AmqpError> {
        Ok(self.channel.queue_declare_passive(queue).await?.message_count)
    }

    async fn get(&self, queue: &str) -> Result<Option<GetOk>, AmqpError> {
        self.channel.basic_get(queue, NoAck::Yes).await
    }

    async fn bodies(&self, queue: &str) -> Result<Vec<String>> {
        let mut bodies = Vec::new();
        while let Some(got) = self.get(queue).await? {
            let body = &got.delivery.message.message.body;
            bodies.push(String::from_utf8(body.to_vec())?);
        }
        Ok(bodies)
    }
}

fn to(queue: &str) -> [(&'static str, FieldValue); 2] {
    [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", queue.into())]
}

fn deaths(got: &GetOk) -> Vec<(String, String, i64)> {
    let headers = &got.delivery.message.message.properties;
    let Some(FieldValue::Array(deaths)) = headers.header("x-death") else { return Vec::new() };
    let text = |death: &FieldTable, name| {
        death.get(name).and_then(FieldValue::as_str).unwrap_or_default().to_owned()
    };
    let death = |death: &FieldValue| match death {
        FieldValue::Table(death) => {
            let count = death.get("count").and_then(FieldValue::as_i64).unwrap_or_default();
            Some((text(death, "queue"), text(death, "reason"), count))
        }
        _ => None,
    };
    deaths.iter().filter_map(death).collect()
}

#[tokio::test]
async fn a_retry_loop_turns_as_long_as_somebody_rejects() -> Result {
    let host = Host::new()?;
    host.declare("work", &to("wait")).await?;
    let [exchange, key] = to("work");
    host.declare("wait", &[exchange, key, ("x-message-ttl", 1_000.into())]).await?;
    host.publish("work", "job").await?;
    for turn in 1..=50 {
        let got = host.channel.basic_get("work", NoAck::No).await?.ok_or("a message")?;
        assert_eq!(deaths(&got).first().map_or(0, |(.., count)| *count), turn - 1);
        host.channel.basic_reject(got.delivery.delivery_tag, Requeue::No).await?;
        host.hand.advance(Duration::from_millis(999));
        assert_eq!((host.count("work").await?, host.count("wait").await?), (0, 1));
        host.hand.advance(Duration::from_millis(1));
    }
    let got = host.get("work").await?.ok_or("a message")?;
    let expected = [("wait".into(), "expired".into(), 50), ("work".into(), "rejected".into(), 50)];
    assert_eq!(deaths(&got), expected);
    Ok(())
}

#[tokio::test]
async fn a_loop_that_turns_by_itself_ends() -> Result {
    let host = Host::new()?;
    for (queue, next) in [("a", "b"), ("b", "a")] {
        let [exchange, key] = to(next);
        host.declare(queue, &[exchange, key, ("x-message-ttl", 10.into())]).await?;
    }
    host.publish("a", "m").await?;
    host.hand.advance(Duration::from_millis(10));
    assert_eq!((host.count("a").await?, host.count("b").await?), (0, 1));
    host.hand.advance(Duration::from_secs(1));
    assert_eq!((host.count("a").await?, host.count("b").await?), (0, 0));
    assert_eq!(host.broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn one_message_may_go_down_a_long_chain_of_full_queues() -> Result {
    let host = Host::new()?;
    let chain = 200;
    host.declare("q0", &[]).await?;
    for at in 1..=chain {
        let [exchange, key] = to(&format!("q{}", at - 1));
        host.declare(&format!("q{at}"), &[exchange, key, ("x-max-length", 0.into())]).await?;
    }
    host.publish(&format!("q{chain}"), "m").await?;
    let got = host.get("q0").await?.ok_or("a message")?;
    assert_eq!(deaths(&got).len(), chain);
    Ok(())
}

/// No queue occurs twice in what the message may tell, so only the number of its deaths ends it.
#[tokio::test]
async fn a_chain_that_is_too_long_ends_at_a_limit() -> Result {
    let host = Host::new()?;
    let chain = 300;
    for at in 0..chain {
        let [exchange, key] = to(&format!("q{}", (at + 1) % chain));
        host.declare(&format!("q{at}"), &[exchange, key, ("x-max-length", 0.into())]).await?;
    }
    host.publish("q0", "m").await?;
    assert_eq!(host.broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn a_full_queue_refuses_and_others_have_the_message() -> Result {
    let host = Host::new()?;
    let (length, overflow) = (("x-max-length", 1.into()), ("x-overflow", "reject-publish".into()));
    host.declare("full", &[length, overflow]).await?;
    host.declare("open", &[]).await?;
    for queue in ["full", "open"] {
        host.channel.queue_bind(queue, "amq.fanout", "", FieldTable::new()).await?;
    }
    host.channel.confirm_select().await?;
    for body in ["a", "b", "c"] {
        let message = Message::new(body);
        host.channel.basic_publish("amq.fanout", "", Default::default(), message).await?;
    }
    let confirmed = |delivery_tag, multiple, outcome| {
        Some(ChannelEvent::Confirmed { delivery_tag, multiple, outcome })
    };
    assert_eq!(host.channel.next_event().await, confirmed(1, Multiple::One, ConfirmOutcome::Ack));
    assert_eq!(host.channel.next_event().await, confirmed(3, Multiple::UpTo, ConfirmOutcome::Nack));
    assert_eq!(host.bodies("full").await?, ["a"]);
    assert_eq!(host.bodies("open").await?, ["a", "b", "c"]);
    Ok(())
}

#[tokio::test]
async fn a_queue_that_nobody_uses_goes_and_tells_nobody_of_its_messages() -> Result {
    let host = Host::new()?;
    host.declare("dead", &[]).await?;
    let [exchange, key] = to("dead");
    host.declare("q", &[exchange, key, ("x-expires", 1_000.into())]).await?;
    host.publish("q", "m").await?;
    host.hand.advance(Duration::from_millis(900));
    assert_eq!(host.count("q").await?, 1, "this is a use");
    let mut consumer = host.channel.basic_consume("q", "c", BasicConsumeOptions::default()).await?;
    host.hand.advance(Duration::from_secs(60));
    assert!(consumer.recv().await.is_some());
    host.channel.basic_cancel("c").await?;
    assert_eq!(consumer.end(), Some(ConsumerEnd::CancelledByUser));
    host.hand.advance(Duration::from_millis(999));
    assert!(host.broker.memory_used() > 0);
    host.hand.advance(Duration::from_millis(1));
    let gone = host.channel.queue_declare_passive("q").await.unwrap_err();
    assert_eq!(gone.to_string(), "404 NOT_FOUND - no queue 'q' in vhost '/'");
    assert_eq!(host.broker.memory_used(), 0);
    let host = Host { channel: host.broker.connect("other")?.open_channel()?, ..host };
    assert_eq!(host.count("dead").await?, 0);
    Ok(())
}

#[tokio::test]
async fn at_least_once_keeps_what_no_queue_takes() -> Result {
    let host = Host::new()?;
    let arguments = [
        ("x-queue-type", "quorum".into()),
        ("x-overflow", "reject-publish".into()),
        ("x-dead-letter-strategy", "at-least-once".into()),
        ("x-message-ttl", 10.into()),
    ];
    let [exchange, key] = to("later");
    host.declare("q", &[&arguments[..], &[exchange, key]].concat()).await?;
    host.publish("q", "m").await?;
    host.hand.advance(Duration::from_secs(60));
    assert_eq!(host.count("q").await?, 0, "it is dead, and nowhere else");
    assert!(host.broker.memory_used() > 0);
    let full = [("x-max-length", 0.into()), ("x-overflow", "reject-publish".into())];
    host.declare("later", &full).await?;
    host.hand.advance(Duration::from_secs(2));
    assert!(host.broker.memory_used() > 0, "the queue refuses it");
    host.channel.queue_delete("later", Default::default()).await?;
    host.declare("later", &[]).await?;
    host.hand.advance(Duration::from_secs(2));
    assert_eq!(host.bodies("later").await?, ["m"]);
    assert_eq!(host.broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn a_failed_delivery_counts_and_one_too_many_kills() -> Result {
    let host = Host::new()?;
    host.declare("dead", &[]).await?;
    let [exchange, key] = to("dead");
    let quorum = ("x-queue-type", "quorum".into());
    host.declare("q", &[exchange, key, quorum, ("x-delivery-limit", 2.into())]).await?;
    host.publish("q", "m").await?;
    for _ in 0..3 {
        let channel = host.broker.connect("worker")?.open_channel()?;
        let got = channel.basic_get("q", NoAck::No).await?.ok_or("a message")?;
        // Handed back is no failure; a lost channel is one.
        channel.basic_nack(got.delivery.delivery_tag, Multiple::One, Requeue::Yes).await?;
        channel.basic_get("q", NoAck::No).await?.ok_or("a message")?;
        channel.close().await?;
    }
    assert_eq!(host.count("q").await?, 0);
    let got = host.get("dead").await?.ok_or("a dead letter")?;
    assert_eq!(deaths(&got), [("q".into(), "delivery_limit".into(), 1)]);
    Ok(())
}

/// A message that has its turn beside a broker that is stopped, or gone, does nothing.
#[tokio::test]
async fn nothing_happens_after_the_end() -> Result {
    let host = Host::new()?;
    host.declare("q", &[("x-message-ttl", 10.into()), ("x-expires", 20.into())]).await?;
    host.publish("q", "m").await?;
    host.broker.stop();
    host.hand.advance(Duration::from_secs(60));
    let Host { hand, .. } = host;
    hand.advance(Duration::from_secs(60));
    Ok(())
}
