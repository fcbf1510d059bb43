//! Readings of meters, which are written together, as a database likes it: one statement for many
//! rows. A bad one among them is given up alone.
//!
//! `cargo run --example batches`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};

const READINGS: &str = "boot_readings";
const PARKED: &str = "boot_readings.error";
/// How long a message is waited for there.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct Reading {
    meter: u32,
    kwh: i64,
}

/// Stands for a database.
#[derive(Default)]
struct Table(Mutex<Vec<Reading>>);

impl Table {
    /// Writes all rows or none.
    fn insert(&self, rows: Vec<Reading>) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        Ok(())
    }
}

/// Called with five readings, or with those that have come when half a second is over.
#[rabbit_listener(queue = "boot_readings", batch = 5, batch_timeout = "500ms")]
async fn store(
    readings: Vec<Json<Reading>>,
    table: State<Table>,
    ledger: State<Ledger>,
) -> ListenerResult<Vec<Outcome>> {
    let mut rows = Vec::new();
    // What becomes of each message, in their order.
    let mut outcomes = Vec::new();
    for Json(reading) in readings {
        if reading.kwh < 0 {
            let error = ListenerError::fatal("a meter does not run backwards");
            outcomes.push(Outcome::Failed(error)); // given up at once, as its error says
        } else {
            rows.push(reading);
            outcomes.push(Outcome::Ack);
        }
    }
    let meters: Vec<u32> = rows.iter().map(|row| row.meter).collect();
    // If this fails nothing is written, and each of the messages comes again.
    table.insert(rows)?;
    println!("  store          wrote      {meters:?}");
    for meter in meters {
        ledger.note("store", meter.to_string());
    }
    Ok(outcomes)
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder()
        .manage(ledger)
        .manage(Table::default())
        // Parking declares it, too, but `main` looks into it before anything is parked.
        .declare(Queue::durable(PARKED))
        .start()
        .await?;
    let rabbit = app.rabbit_template();

    published("12 readings", format!("to queue {READINGS}, one of them negative"));
    let readings: Vec<Reading> =
        (1..=12).map(|meter| Reading { meter, kwh: if meter == 8 { -5 } else { 100 } }).collect();
    rabbit.convert_and_send_all(readings.iter().map(|reading| (READINGS, reading))).await?;
    entries.expect(&[("store", 11)]).await?;

    let parked = rabbit.receive(PARKED).timeout(LIMIT).await?.ok_or("nothing was given up")?;
    let reading = String::from_utf8_lossy(&parked.body);
    let why = parked.properties.header("x-exception-message").and_then(|why| why.as_str());
    println!("  {PARKED}        {reading:<26} {}", why.unwrap_or_default());

    app.stop().await?;
    println!("11 readings were written, and the one that is wrong was given up alone");
    Ok(())
}
