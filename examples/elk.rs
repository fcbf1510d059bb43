//! Log lines for Elasticsearch and Kibana, as JSON on the standard output: each says which service,
//! listener and queue it is of, and which trace. docs/observability.md has the rest of the way.
//!
//! `cargo run --example elk`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use springhare::prelude::*;
use springhare_examples::{Ledger, Result};
use springhare_log::{EcsLayer, Service};
use tracing::Instrument as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

#[rabbit_listener(id = "kitchen", queue = "boot_kitchen")]
async fn cook(Text(dish): Text, ledger: State<Ledger>) {
    tracing::info!(event.action = "dish-cooked", dish, "the dish is cooked");
    ledger.note("kitchen", dish);
}

#[tokio::main]
async fn main() -> Result {
    let lines = Lines::default();
    let writer = lines.clone();
    let service = Service::new("restaurant").version(env!("CARGO_PKG_VERSION"));
    // Spans without an exporter: they are there for their ids. With one they go to Elastic APM, say.
    let spans = SdkTracerProvider::builder().build();
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(EcsLayer::new(service, move || writer.clone()))
        .with(tracing_opentelemetry::layer().with_tracer(spans.tracer("restaurant")))
        .init();

    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(ledger).start().await?;
    let rabbit = app.rabbit_template();
    let order = async {
        tracing::info!(event.action = "dish-ordered", dish = "soup", "a dish is ordered");
        rabbit.convert_and_send("boot_kitchen", "soup").await
    };
    order.instrument(tracing::info_span!("order")).await?;
    entries.take(1).await?;
    app.stop().await?;

    let (ordered, cooked) = (lines.trace_of("dish-ordered")?, lines.trace_of("dish-cooked")?);
    if ordered != cooked {
        return Err(format!("two traces: {ordered} and {cooked}").into());
    }
    println!("one trace leads from the order to the kitchen");
    Ok(())
}

/// The standard output, and what was written to it. A clone is the same.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write_all(bytes)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

impl Lines {
    /// The trace in the line of what was done.
    fn trace_of(&self, action: &str) -> Result<Value> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for line in lines {
            let line: Value = serde_json::from_slice(line)?;
            if line.get("event.action").and_then(Value::as_str) == Some(action) {
                return line
                    .get("trace.id")
                    .cloned()
                    .ok_or_else(|| format!("no trace: {line}").into());
            }
        }
        Err(format!("there is no line of {action}").into())
    }
}
