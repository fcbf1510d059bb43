//! A broker that is killed and comes back: the queue and its persistent messages are there again,
//! the transient ones are not.
//!
//! `cargo run --example durable`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use springhare::prelude::*;
use springhare_examples::{Result, published};

const QUEUE: &str = "boot_orders";
/// What the first life says when the broker has everything.
const ALL_CONFIRMED: &str = "all of them are confirmed";

#[tokio::main]
async fn main() -> Result {
    if let Some(data) = std::env::args().nth(1) {
        return first_life(&data).await;
    }
    let data = std::env::temp_dir().join(format!("springhare-durable-{}", std::process::id()));
    let killed = kill_once_confirmed(Command::new(std::env::current_exe()?).arg(&data));
    let outcome = match killed {
        Ok(()) => second_life(&data.to_string_lossy()).await,
        Err(error) => Err(error),
    };
    let removed = std::fs::remove_dir_all(&data);
    outcome?;
    Ok(removed?)
}

/// Publishes to a durable queue, and would live for ever.
async fn first_life(data: &str) -> Result {
    let app = start(data).await?;
    let rabbit = app.rabbit_template();
    for order in ["tea", "milk", "bread"] {
        published(order, "persistent");
        // Ready once the message is on the disk.
        rabbit.convert_and_send(QUEUE, order).await?;
    }
    published("a guess", "transient");
    rabbit.convert_and_send(QUEUE, "a guess").persistent(false).await?;
    println!("{ALL_CONFIRMED}");
    std::future::pending().await
}

/// Starts on what the first life left behind.
async fn second_life(data: &str) -> Result {
    let app = start(data).await?;
    println!("started again on the same folder");
    let mut orders = Vec::new();
    while let Some(order) = app.rabbit_template().receive_and_convert::<String>(QUEUE).await? {
        println!("  {QUEUE:<14} still has  {order}");
        orders.push(order);
    }
    app.stop().await?;
    if orders != ["tea", "milk", "bread"] {
        return Err(format!("expected the persistent messages alone, got {orders:?}").into());
    }
    println!("every persistent message came back, and the transient one did not");
    Ok(())
}

async fn start(data: &str) -> springhare::Result<Springhare> {
    let url = format!("embedded:{data}");
    Springhare::builder().url(url).declare(Queue::durable(QUEUE)).start().await
}

/// Runs the first life until it has everything confirmed, and kills it then: no handler runs, nothing is
/// written in order any more.
fn kill_once_confirmed(command: &mut Command) -> Result {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let confirmed = wait_until_confirmed(&mut child);
    child.kill()?;
    println!("SIGKILL         {}", child.wait()?);
    confirmed
}

fn wait_until_confirmed(child: &mut Child) -> Result {
    let output = child.stdout.take().ok_or("the first life has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if line == ALL_CONFIRMED {
            return Ok(());
        }
    }
    Err("the first life ended before everything was confirmed".into())
}
