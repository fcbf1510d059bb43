//! `drill-load URL`: an application with producers and listeners on the broker at the URL, and a
//! ledger of what became of each message. `cargo xtask drill` runs it on a cluster whose nodes it
//! kills.
//!
//! It prints the ledger's figures as a line of JSON: once it has started, and for each line that it
//! reads. When its standard input ends it stops producing, waits for what was confirmed to arrive,
//! prints the figures for the last time and ends. It logs to its standard error what `RUST_LOG` asks
//! for.
//!
//! `ledger` counts, `load` is the application.

mod ledger;
mod load;

use std::error::Error;
use std::io::{self, Write};

use tokio::io::{AsyncBufReadExt, BufReader};
use tracing_subscriber::EnvFilter;

use ledger::Figures;
use load::Load;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    let url = std::env::args().nth(1).ok_or("usage: drill-load URL")?;
    let load = Load::start(&url).await?;
    print(load.figures())?;
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    while asked.next_line().await?.is_some() {
        print(load.figures())?;
    }
    print(load.finish().await?)?;
    Ok(())
}

fn print(figures: Figures) -> io::Result<()> {
    let line = serde_json::to_string(&figures)?;
    writeln!(io::stdout(), "{line}")
}
