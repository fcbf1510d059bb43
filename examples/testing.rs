//! An application, and in the same file its tests: each has a broker and a clock of its own, so that
//! the retry after ten minutes takes no time. docs/testing.md tells the rest.
//!
//! `cargo run --example testing` runs the application, `cargo test --example testing` its tests.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use springhare::SpringhareBuilder;
use springhare::prelude::*;
use springhare_examples::published;

/// How long `main` waits for a parcel.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
}

/// What is on the shelf. A clone is the same shelf.
#[derive(Clone, Default)]
struct Stock(Arc<Mutex<BTreeSet<String>>>);

#[derive(Debug, thiserror::Error)]
#[error("{0} is sold out")]
struct SoldOut(String);

impl Stock {
    fn add(&self, item: &str) {
        self.shelf().insert(item.to_owned());
    }

    fn take(&self, item: &str) -> Result<(), SoldOut> {
        if self.shelf().remove(item) { Ok(()) } else { Err(SoldOut(item.to_owned())) }
    }

    fn shelf(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what is in stock; what is sold out is asked for again after a minute, and after ten more.
#[rabbit_listener(id = "orders", queue = "boot_shelf", retry(delays = ["1m", "10m"]))]
async fn fulfil(
    Json(order): Json<Order>,
    stock: State<Stock>,
    rabbit: RabbitTemplate,
) -> ListenerResult {
    stock.take(&order.item)?;
    rabbit.convert_and_send("boot_parcels", &order).await?;
    Ok(())
}

/// What the application is, for `main` and for the tests.
fn shop(builder: SpringhareBuilder, stock: Stock) -> SpringhareBuilder {
    builder.manage(stock).declare(Queue::durable("boot_parcels"))
}

#[tokio::main]
async fn main() -> springhare_examples::Result {
    let stock = Stock::default();
    stock.add("tea");
    let app = shop(Springhare::builder(), stock).start().await?;
    let rabbit = app.rabbit_template();

    published("an order of tea", "to queue boot_shelf");
    rabbit.convert_and_send("boot_shelf", &Order { item: "tea".into() }).await?;
    let parcel = rabbit.receive_and_convert::<Order>("boot_parcels").timeout(LIMIT).await?;
    let Order { item } = parcel.ok_or("the parcel is missing")?;
    println!("  {:<14} holds      a parcel of {item}", "boot_parcels");

    app.stop().await?;
    println!("`cargo test --example testing` shows what happens when the tea is sold out");
    Ok(())
}

#[cfg(test)]
mod tests {
    use springhare::test::{CallOutcome, Harness};

    use super::*;

    fn tea() -> Order {
        Order { item: "tea".into() }
    }

    async fn start(stock: &Stock) -> Harness {
        Harness::start(|builder| shop(builder, stock.clone())).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_in_stock_is_sent() {
        let stock = Stock::default();
        stock.add("tea");
        let h = start(&stock).await;
        h.rabbit().convert_and_send("boot_shelf", &tea()).await.unwrap();

        let calls = h.listener("orders").await_calls(1).await;
        assert_eq!(calls[0].payload::<Order>().unwrap(), tea());
        assert_eq!(calls[0].outcome(), CallOutcome::Done);
        assert_eq!(h.queue("boot_parcels").len().await.unwrap(), 1);
        h.stop().await.unwrap();
    }

    #[tokio::test]
    async fn what_is_sold_out_is_asked_for_again_after_a_minute() {
        let stock = Stock::default();
        let h = start(&stock).await;
        h.rabbit().convert_and_send("boot_shelf", &tea()).await.unwrap();
        // Settled: the message waits at the broker now, so that time may pass.
        let calls = h.listener("orders").await_settled(1).await;
        assert_eq!(calls[0].error(), Some("tea is sold out"));

        stock.add("tea");
        h.advance(Duration::from_secs(59)).await;
        assert_eq!(h.listener("orders").calls().len(), 1);
        h.advance(Duration::from_secs(1)).await;
        let calls = h.listener("orders").await_calls(2).await;
        assert_eq!(calls[1].outcome(), CallOutcome::Done);
        h.stop().await.unwrap();
    }

    #[tokio::test]
    async fn what_stays_sold_out_is_parked_with_its_reason() {
        let h = start(&Stock::default()).await;
        h.rabbit().convert_and_send("boot_shelf", &tea()).await.unwrap();
        for (failed, minutes) in [(1, 1), (2, 10)] {
            h.listener("orders").await_settled(failed).await;
            h.advance(Duration::from_secs(minutes * 60)).await;
        }
        h.listener("orders").await_settled(3).await;

        let parked = h.queue("boot_shelf.error").messages().await.unwrap();
        let why = parked[0].properties.header("x-exception-message").unwrap();
        assert_eq!(why.as_str(), Some("tea is sold out"));
        h.stop().await.unwrap();
    }
}
