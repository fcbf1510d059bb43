//! Two at once on one channel: whichever comes first, nothing is lost and nothing is left.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};

use springhare_amqp::{AmqpError, Message};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, ChannelEvent, Multiple, NoAck,
    QueueDeclareOptions, Requeue,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const ROUNDS: usize = 2_000;

/// The operations of a channel never wait in these tests.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        // A yield to tokio's budget is no wait.
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

fn open(broker: &Broker) -> Result<Channel, AmqpError> {
    broker.connect("test")?.open_channel()
}

fn declare(channel: &Channel, queue: &str) -> Result<(), AmqpError> {
    now(channel.queue_declare(queue, QueueDeclareOptions::default())).map(|_| ())
}

fn publish(channel: &Channel, body: &str) -> Result<Option<u64>, AmqpError> {
    let options = BasicPublishOptions::default();
    now(channel.basic_publish("", "q", options, Message::new(body.to_owned())))
}

/// Runs both at the same time, and each round with another lead of the one over the other.
fn at_once<A: Send, B: Send>(
    round: usize,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    let barrier = Arc::new(Barrier::new(2));
    std::thread::scope(|scope| {
        let theirs = Arc::clone(&barrier);
        let second = scope.spawn(move || {
            theirs.wait();
            for _ in 0..(round * 7) % 400 {
                std::hint::spin_loop();
            }
            second()
        });
        barrier.wait();
        for _ in 0..(round * 13) % 400 {
            std::hint::spin_loop();
        }
        let first = first();
        (first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[test]
fn a_consumer_that_starts_as_its_channel_closes_leaves_the_queue() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;
    declare(&keeper, "q")?;
    for round in 0..ROUNDS {
        let connection = broker.connect("test")?;
        let channel = connection.open_channel()?;
        let exclusive = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let (started, _) = at_once(
            round,
            || now(channel.basic_consume("q", "t", exclusive)).map(drop),
            || now(channel.close()),
        );
        let counted = now(keeper.queue_declare_passive("q"))?.consumer_count;
        assert_eq!(counted, 0, "round {round}: {started:?}");
        assert!(connection.is_open(), "round {round}: a closed channel is no connection's fault");
    }
    Ok(())
}

#[test]
fn what_is_received_as_the_channel_closes_comes_back() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;
    declare(&keeper, "q")?;
    for _ in 0..3 {
        publish(&keeper, "m")?;
    }
    for round in 0..ROUNDS {
        let channel = open(&broker)?;
        let mut consumer = now(channel.basic_consume("q", "t", BasicConsumeOptions::default()))?;
        let _ = at_once(
            round,
            || {
                while let Poll::Ready(Some(_)) =
                    pin!(consumer.recv()).poll(&mut Context::from_waker(Waker::noop()))
                {
                }
            },
            || now(channel.close()),
        );
        let ready = now(keeper.queue_declare_passive("q"))?.message_count;
        assert_eq!(ready, 3, "round {round}");
    }
    Ok(())
}

#[test]
fn what_is_received_as_the_consumer_is_cancelled_can_be_settled() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;
    declare(&keeper, "q")?;
    declare(&keeper, "other")?;
    for _ in 0..3 {
        publish(&keeper, "m")?;
    }
    for round in 0..ROUNDS {
        let channel = open(&broker)?;
        let mut consumer = now(channel.basic_consume("q", "t", BasicConsumeOptions::default()))?;
        let (received, _) = at_once(
            round,
            || {
                let mut tags = Vec::new();
                while let Poll::Ready(Some(delivery)) =
                    pin!(consumer.recv()).poll(&mut Context::from_waker(Waker::noop()))
                {
                    tags.push(delivery.delivery_tag);
                }
                tags
            },
            || now(channel.basic_cancel("t")),
        );
        let _other = now(channel.basic_consume("other", "u", BasicConsumeOptions::default()))?;
        for tag in received {
            now(channel.basic_nack(tag, Multiple::One, Requeue::Yes))?;
        }
        let ready = now(keeper.queue_declare_passive("q"))?.message_count;
        assert_eq!(ready, 3, "round {round}");
    }
    Ok(())
}

#[test]
fn every_message_of_two_publishers_on_one_channel_is_confirmed() -> Result {
    let broker = Broker::builder().start()?;
    for round in 0..ROUNDS {
        let channel = open(&broker)?;
        declare(&channel, "q")?;
        now(channel.confirm_select())?;
        let (first, second) = at_once(round, || publish(&channel, "a"), || publish(&channel, "b"));
        let mut numbers = [first?, second?];
        numbers.sort_unstable();
        assert_eq!(numbers, [Some(1), Some(2)]);
        let mut confirmed = 0;
        while confirmed < 2 {
            let mut event = pin!(channel.next_event());
            let event = event.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match event {
                Poll::Ready(Some(ChannelEvent::Confirmed { delivery_tag, multiple, .. })) => {
                    let in_order = delivery_tag == confirmed + 1;
                    assert!(in_order || multiple == Multiple::UpTo, "round {round}: {event:?}");
                    assert!(delivery_tag > confirmed, "round {round}: {event:?}");
                    confirmed = delivery_tag;
                }
                _ => panic!("round {round}: {confirmed} confirmed, then {event:?}"),
            }
        }
        now(channel.queue_purge("q"))?;
    }
    Ok(())
}

#[test]
fn nothing_follows_the_closed_event() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;
    declare(&keeper, "q")?;
    for round in 0..ROUNDS {
        let channel = open(&broker)?;
        now(channel.confirm_select())?;
        let _ =
            at_once(round, || publish(&channel, "m"), || now(channel.basic_ack(7, Multiple::One)));
        let mut events = Vec::new();
        while let Some(event) = now(channel.next_event()) {
            events.push(event);
        }
        let last = events.last();
        assert!(matches!(last, Some(ChannelEvent::Closed(_))), "round {round}: {events:?}");
    }
    Ok(())
}

/// What a channel had comes back all at once, so that another consumer gets it in its order.
#[test]
fn what_a_closed_channel_had_on_several_consumers_comes_back_in_order() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;
    declare(&keeper, "q")?;
    let channel = open(&broker)?;
    let mut consumers = Vec::new();
    for _ in 0..2 {
        consumers.push(now(channel.basic_consume("q", "", BasicConsumeOptions::default()))?);
    }
    for body in ["0", "1", "2", "3", "4", "5"] {
        publish(&keeper, body)?;
    }
    // The second has received, the first has not.
    if let Some(second) = consumers.get_mut(1) {
        now(second.recv()).ok_or("a delivery")?;
    }
    let mut heir = now(keeper.basic_consume("q", "heir", BasicConsumeOptions::default()))?;
    now(channel.close())?;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let delivery = now(heir.recv()).ok_or("a delivery")?;
        seen.push(String::from_utf8_lossy(&delivery.message.message.body).into_owned());
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5"]);
    Ok(())
}

#[test]
fn a_message_got_as_the_channel_closes_is_not_lost() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;
    declare(&keeper, "q")?;
    for round in 0..ROUNDS {
        publish(&keeper, "m")?;
        let channel = open(&broker)?;
        let (got, _) = at_once(
            round,
            || now(channel.basic_get("q", NoAck::Yes)).ok().flatten(),
            || now(channel.close()),
        );
        let ready = now(keeper.queue_declare_passive("q"))?.message_count;
        assert_eq!(ready + u64::from(got.is_some()), 1, "round {round}");
        now(keeper.queue_purge("q"))?;
    }
    Ok(())
}

#[test]
fn a_commit_is_seen_whole_by_each_queue() -> Result {
    let broker = Broker::builder().start()?;
    let (channel, watcher) = (open(&broker)?, open(&broker)?);
    declare(&watcher, "q")?;
    now(channel.tx_select())?;
    for round in 0..ROUNDS {
        for _ in 0..20 {
            publish(&channel, "m")?;
        }
        let (committed, seen) = at_once(
            round,
            || now(channel.tx_commit()),
            || now(watcher.queue_declare_passive("q")).map(|declared| declared.message_count),
        );
        committed?;
        let seen = seen?;
        assert!(seen == 0 || seen == 20, "{seen} messages in round {round}");
        assert_eq!(now(watcher.queue_purge("q"))?, 20);
    }
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}

#[test]
fn a_transaction_leaves_nothing_when_its_channel_closes() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;
    declare(&keeper, "q")?;
    for round in 0..ROUNDS {
        publish(&keeper, "m")?;
        let channel = open(&broker)?;
        now(channel.tx_select())?;
        let got = now(channel.basic_get("q", NoAck::No))?.ok_or("a message")?;
        now(channel.basic_ack(got.delivery.delivery_tag, Multiple::One))?;
        publish(&channel, "1")?;
        let (committed, _) = at_once(
            round,
            || publish(&channel, "2").and_then(|_| now(channel.tx_commit())),
            || now(channel.close()),
        );
        let ready = now(keeper.queue_declare_passive("q"))?.message_count;
        // The ack and the messages, or neither.
        assert_eq!(ready, if committed.is_ok() { 2 } else { 1 }, "round {round}");
        now(keeper.queue_purge("q"))?;
        assert_eq!(broker.memory_used(), 0, "round {round}");
    }
    Ok(())
}
