//! A fan-out shares one body: what an extra queue costs has no body in it.

use springhare_amqp::{AmqpError, FieldTable, Message};
use springhare_broker::{
    BasicPublishOptions, Broker, Channel, ExchangeDeclareOptions, QueueDeclareOptions,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const MESSAGES: u64 = 1_000;
const BODY_BYTES: usize = 64 * 1024;

async fn fan_out(channel: &Channel, exchange: &str, queues: usize) -> Result<(), AmqpError> {
    channel.exchange_declare(exchange, "fanout", ExchangeDeclareOptions::default()).await?;
    for queue in 0..queues {
        let name = format!("{exchange}.{queue}");
        channel.queue_declare(&name, QueueDeclareOptions::default()).await?;
        channel.queue_bind(&name, exchange, "", FieldTable::new()).await?;
    }
    Ok(())
}

/// Publishes and says how many allocations and bytes that took.
async fn publish(channel: &Channel, exchange: &str) -> Result<(u64, u64), AmqpError> {
    let before = dhat::HeapStats::get();
    for _ in 0..MESSAGES {
        let message = Message::new(vec![7; BODY_BYTES]);
        channel.basic_publish(exchange, "", BasicPublishOptions::default(), message).await?;
    }
    let after = dhat::HeapStats::get();
    Ok((after.total_blocks - before.total_blocks, after.total_bytes - before.total_bytes))
}

#[tokio::test]
async fn ten_queues_hold_no_more_bodies_than_one() -> Result<(), Box<dyn std::error::Error>> {
    let _profiler = dhat::Profiler::builder().testing().build();
    let broker = Broker::builder().start()?;
    let channel = broker.connect("bench")?.open_channel()?;
    fan_out(&channel, "one", 1).await?;
    fan_out(&channel, "ten", 10).await?;
    let (blocks_of_one, bytes_of_one) = publish(&channel, "one").await?;
    let (blocks_of_ten, bytes_of_ten) = publish(&channel, "ten").await?;
    // Nine more queues, each with its list of places; a body is 64 KiB.
    let extra_blocks = blocks_of_ten.saturating_sub(blocks_of_one);
    let extra_bytes = bytes_of_ten.saturating_sub(bytes_of_one);
    assert!(extra_blocks / MESSAGES <= 2, "{extra_blocks} more allocations");
    let per_message_and_queue = extra_bytes / MESSAGES / 9;
    assert!(per_message_and_queue < 200, "{per_message_and_queue} bytes a message and queue");
    Ok(())
}
