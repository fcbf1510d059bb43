//! Log lines of JSON with the names of the
//! [Elastic Common Schema](https://www.elastic.co/guide/en/ecs/current/index.html): a layer for
//! [`tracing_subscriber`], of which Filebeat, Elasticsearch and Kibana need no translation.
//!
//! ```
//! use springhare_log::{EcsLayer, Service};
//! use tracing_subscriber::prelude::*;
//!
//! let service = Service::new("shop").version(env!("CARGO_PKG_VERSION"));
//! let layer = EcsLayer::new(service, std::io::stdout);
//! let subscriber = tracing_subscriber::registry().with(layer);
//! tracing::subscriber::with_default(subscriber, || {
//!     tracing::info!(event.action = "order-placed", order = 7, "an order was placed");
//! });
//! ```
//!
//! writes one line:
//!
//! ```json
//! {"@timestamp":"2026-01-02T03:04:05.678901Z","log.level":"info","message":"an order was placed",
//!  "ecs.version":"8.11.0","service.name":"shop","service.version":"0.1.0","process.pid":4711,
//!  "event.dataset":"shop","log.logger":"shop::orders","event.action":"order-placed",
//!  "labels.order":"7"}
//! ```
//!
//! # Names
//!
//! - A field whose name is one of the schema's (`client.ip`, `error.type`, `event.duration`,
//!   `http.request.method`, `url.path`, ..) keeps it, as long as its value has the type that an index
//!   wants: what is no number is no `event.duration`, and what is no address no `client.ip`. Its objects
//!   (`http.request`) and dates (`event.created`) are no fields of a program's.
//! - `error` and `err` are `error.message`, with the causes; `user` is `user.name`; `peer`, if it is
//!   `<address> -> <address>`, both ends of a connection.
//! - Every other is a label, `labels.<name>`, as text: no name of a program takes another meaning in an
//!   index, and no index gets a new type with each program.
//! - The fields of the spans around an event are in its line; inner ones win.
//!
//! # Traces
//!
//! `trace.id` and `span.id` are those of the innermost span that is part of a trace. With the
//! feature `otel` that is a span of `tracing-opentelemetry`'s layer. Without one it is what a span
//! has as its field `traceparent`, the W3C's header: `trace.id` is its trace, and there is no `span.id`,
//! since its span is somebody else's. `springhare`'s span of a handler has that field.
//!
//! # Bounds
//!
//! A value longer than [`VALUE_BYTES_MAX`] is cut, and a line has [`FIELDS_MAX`] fields of spans and
//! events at most. A line that can't be written is dropped; nothing here panics.

mod fields;
mod layer;
mod line;
mod schema;
#[cfg(test)]
mod tests;
mod trace;

pub use fields::{FIELDS_MAX, VALUE_BYTES_MAX};
pub use layer::EcsLayer;
pub use line::{ECS_VERSION, Service};
