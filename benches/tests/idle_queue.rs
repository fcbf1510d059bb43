//! An idle queue costs less than 4 KB.

use springhare_broker::{Broker, QueueDeclareOptions};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const QUEUES: usize = 10_000;

#[tokio::test]
async fn ten_thousand_idle_queues_cost_less_than_four_kilobytes_each()
-> Result<(), Box<dyn std::error::Error>> {
    let _profiler = dhat::Profiler::builder().testing().build();
    let broker = Broker::builder().start()?;
    let channel = broker.connect("bench")?.open_channel()?;
    let before = dhat::HeapStats::get().curr_bytes;
    for queue in 0..QUEUES {
        channel.queue_declare(&format!("queue.{queue}"), QueueDeclareOptions::default()).await?;
    }
    let each = (dhat::HeapStats::get().curr_bytes - before) / QUEUES;
    eprintln!("an idle queue takes {each} bytes");
    assert!(each < 4096, "{each} bytes");
    Ok(())
}
