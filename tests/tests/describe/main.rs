//! What an application tells of itself: tables, graphs, documents, and how a broker differs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic")]

mod diff;
mod shown;
mod verbs;

use springhare::prelude::*;
use springhare::{Description, SpringhareBuilder};

/// An order.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Order {
    id: u32,
    /// What is ordered.
    items: Vec<Item>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Item {
    name: String,
    /// Another one in its place.
    instead: Option<Box<Self>>,
}

/// A type without a schema.
#[derive(Debug, serde::Deserialize)]
struct Plain {}

/// Fulfils what was ordered.
///
/// It asks the shelf first.
#[rabbit_listener(
    id = "orders",
    queues = ["d.orders", "d.more orders"],
    exchange = "d.shop",
    kind = "topic",
    key = "order.*",
    prefetch = 10,
    concurrency = 2,
    group = "shop"
)]
async fn fulfil(_order: Json<Order>) {}

#[rabbit_listener(
    id = "every#\"one\"",
    exchange = "d.shop",
    kind = "topic",
    key = "#",
    ack = "none"
)]
async fn anything(_body: Bytes) {}

#[rabbit_listener(id = "prices", queue = "d.prices", send_to = "d.answers/priced")]
async fn price(Text(item): Text) -> Json<usize> {
    Json(item.len())
}

#[rabbit_listener(id = "batches", queue = "d.batches", batch = 10)]
async fn many(_orders: Vec<Json<Order>>) {}

#[rabbit_listener(id = "plain", queue = "d.plain")]
async fn plain(_plain: Json<Plain>) {}

/// The application that is described.
fn builder() -> SpringhareBuilder {
    Springhare::builder()
        .listeners(listeners![fulfil, anything, price, many, plain])
        .declare(Exchange::direct("d.answers"))
        .declare(Queue::durable("d.dead").max_length(10))
        .declare(Queue::durable("d.orders").dead_letter_queue("d.dead"))
        .declare(Queue::durable("d.prices").dead_letter("d.answers"))
        .declare(Binding::queue("d.dead").to("d.answers").with("priced"))
}

fn description() -> Description {
    builder().describe().unwrap()
}
