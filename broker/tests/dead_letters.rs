//! Dead letters, length limits and expiry of a whole broker, in a time that is driven by hand.
//! What RabbitMQ does too stands in the contract suite, in real time.

use std::time::Duration;

use springhare_amqp::{AmqpError, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, ChannelEvent, Clock, ConfirmOutcome,
    Connection, ConsumerEnd, GetOk, ManualClock, Multiple, NoAck, Policy, QueueDeclareOptions,
    QueueDeleteOptions, Requeue,
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

/// What keeps its dead letters until all queues have them, and has some at once.
fn at_least_once(exchange: &str) -> [(&'static str, FieldValue); 5] {
    [
        ("x-queue-type", "quorum".into()),
        ("x-overflow", "reject-publish".into()),
        ("x-dead-letter-strategy", "at-least-once".into()),
        ("x-dead-letter-exchange", exchange.into()),
        ("x-message-ttl", 10.into()),
    ]
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
    let [_, key] = to("later");
    host.declare("q", &[&at_least_once("")[..], &[key]].concat()).await?;
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
async fn at_least_once_doubles_nothing_for_the_queues_that_have_it() -> Result {
    let host = Host::new()?;
    let full = [("x-max-length", 0.into()), ("x-overflow", "reject-publish".into())];
    host.declare("full", &full).await?;
    // This one refuses too, and has a use for what it refuses.
    let [exchange, key] = to("end");
    let passing_on = ("x-overflow", "reject-publish-dlx".into());
    host.declare("passing on", &[exchange, key, ("x-max-length", 0.into()), passing_on]).await?;
    host.declare("open", &[]).await?;
    host.declare("end", &[]).await?;
    for queue in ["full", "passing on", "open"] {
        host.channel.queue_bind(queue, "amq.fanout", "", FieldTable::new()).await?;
    }
    host.declare("q", &at_least_once("amq.fanout")).await?;
    host.publish("q", "m").await?;
    host.hand.advance(Duration::from_secs(60));
    assert_eq!((host.count("open").await?, host.count("end").await?), (1, 1));
    assert_eq!((host.bodies("open").await?.len(), host.bodies("end").await?.len()), (1, 1));
    assert!(host.broker.memory_used() > 0, "one queue does not have it yet");
    host.channel.queue_delete("full", Default::default()).await?;
    host.hand.advance(Duration::from_secs(2));
    assert_eq!((host.broker.memory_used(), host.count("open").await?), (0, 0));
    Ok(())
}

#[tokio::test]
async fn what_waits_for_an_exchange_goes_with_the_policy_that_named_it() -> Result {
    let host = Host::new()?;
    let all = at_least_once("none");
    let named = all.into_iter().filter(|(name, _)| *name != "x-dead-letter-exchange");
    host.declare("q", &named.collect::<Vec<_>>()).await?;
    let policy = Policy::new("p", "^q$").set("dead-letter-exchange", "none");
    host.broker.set_policy("/", policy).await?;
    host.publish("q", "m").await?;
    host.hand.advance(Duration::from_secs(5));
    assert!(host.broker.memory_used() > 0);
    host.broker.clear_policy("/", "p").await?;
    assert_eq!(host.broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn a_policy_that_shortens_a_queue_that_refuses_takes_nothing_from_it() -> Result {
    let host = Host::new()?;
    host.declare("q", &[("x-overflow", "reject-publish".into())]).await?;
    for body in ["a", "b", "c"] {
        host.publish("q", body).await?;
    }
    host.broker.set_policy("/", Policy::new("p", "^q$").set("max-length", 1)).await?;
    assert_eq!(host.bodies("q").await?, ["a", "b", "c"]);
    Ok(())
}

/// Each death repeats the keys of `CC`.
#[tokio::test]
async fn headers_that_outgrow_a_frame_end_a_message() -> Result {
    let host = Host::new()?;
    host.declare("q0", &[]).await?;
    for (at, exchange) in ["x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"].into_iter().enumerate() {
        host.channel.exchange_declare(exchange, "fanout", Default::default()).await?;
        host.channel.queue_bind(&format!("q{at}"), exchange, "", FieldTable::new()).await?;
        let to = ("x-dead-letter-exchange", exchange.into());
        host.declare(&format!("q{}", at + 1), &[to, ("x-max-length", 0.into())]).await?;
    }
    let keys = (0..100).map(|n| FieldValue::from(format!("{n:0>200}"))).collect();
    let mut message = Message::new("m");
    message.properties.set_header(ShortString::from_static("CC"), FieldValue::Array(keys));
    for (queue, arrives) in [("q3", true), ("q8", false)] {
        host.channel.basic_publish("", queue, Default::default(), message.clone()).await?;
        let got = host.get("q0").await?;
        assert_eq!(got.is_some(), arrives, "{queue}");
        let longest = got.map_or(0, |got| got.delivery.message.message.properties.encoded_len());
        assert!(longest <= 128 << 10);
    }
    Ok(())
}

/// Headers of this process may be deeper than anybody reads: their message tells of its deaths all
/// the same, and does not go round.
#[tokio::test]
async fn the_deepest_message_that_can_be_decoded_tells_of_its_deaths() -> Result {
    let host = Host::new()?;
    for (queue, next) in [("a", "b"), ("b", "a")] {
        let [exchange, key] = to(next);
        host.declare(queue, &[exchange, key, ("x-max-length", 0.into())]).await?;
    }
    // The headers are a level too.
    let arrays = springhare_amqp::wire::TABLE_DEPTH_MAX - 1;
    let message = |arrays| {
        let nested = (0..arrays).fold(FieldValue::Void, |inner, _| FieldValue::Array(vec![inner]));
        let mut message = Message::new("m");
        message.properties.set_header(ShortString::from_static("deep"), nested);
        message
    };
    host.channel.basic_publish("", "a", Default::default(), message(arrays)).await?;
    assert_eq!(host.broker.memory_used(), 0);
    let deeper = host.channel.basic_publish("", "a", Default::default(), message(arrays + 1)).await;
    assert!(deeper.is_err(), "nobody could decode it");
    Ok(())
}

#[tokio::test]
async fn dead_letters_keep_the_order_of_their_queue_and_need_no_deep_stack() -> Result {
    let host = Host::new()?;
    host.declare("dead", &[]).await?;
    let [exchange, key] = to("dead");
    host.declare("full", &[exchange, key, ("x-max-length", 0.into())]).await?;
    let [exchange, key] = to("full");
    host.declare("q", &[exchange, key, ("x-message-ttl", 10.into())]).await?;
    for number in 0..50_000 {
        host.publish("q", &number.to_string()).await?;
    }
    let hand = host.hand.clone();
    let small = std::thread::Builder::new().stack_size(128 << 10);
    let expiring = small.spawn(move || hand.advance(Duration::from_secs(1)))?;
    assert!(expiring.join().is_ok());
    let numbers = host.bodies("dead").await?;
    assert!(numbers.into_iter().eq((0..50_000).map(|number| number.to_string())));
    Ok(())
}

#[tokio::test]
async fn a_retry_with_a_delay_counts_once_it_is_ready() -> Result {
    let host = Host::new()?;
    let retry = [
        ("x-queue-type", "quorum".into()),
        ("x-max-length", 1.into()),
        ("x-delayed-retry-type", "all".into()),
        ("x-delayed-retry-min", 10.into()),
        ("x-delayed-retry-max", 10.into()),
    ];
    host.declare("q", &retry).await?;
    host.publish("q", "a").await?;
    let got = host.channel.basic_get("q", NoAck::No).await?.ok_or("a message")?;
    host.channel.basic_nack(got.delivery.delivery_tag, Multiple::One, Requeue::Yes).await?;
    let other = host.broker.connect("other")?.open_channel()?;
    let if_empty = QueueDeleteOptions { if_empty: true, ..Default::default() };
    let refused = other.queue_delete("q", if_empty).await.unwrap_err();
    assert_eq!(refused.to_string(), "406 PRECONDITION_FAILED - queue 'q' in vhost '/' not empty");
    host.publish("q", "b").await?;
    host.hand.advance(Duration::from_secs(1));
    assert_eq!(host.bodies("q").await?, ["b"]);
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
