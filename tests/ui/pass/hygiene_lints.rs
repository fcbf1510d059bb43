//! Under every lint a careful crate turns on, the expansion is silent.

#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    nonstandard_style,
    rust_2018_idioms,
    unused,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    missing_debug_implementations,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![forbid(missing_docs)]

use springhare::prelude::*;

/// Words.
pub mod listeners {
    use springhare::prelude::*;

    /// A body that borrows.
    #[derive(Debug, serde::Deserialize)]
    pub struct Event<'a> {
        /// Words.
        pub name: &'a str,
    }

    /// Words.
    #[rabbit_listener(queue = "a", concurrency = "2-8", arguments("x-expires" = 1000))]
    #[rabbit_listener(exchange = "e", kind = "topic", key = "#")]
    pub async fn on_event(
        Json(event): Json<Event<'_>>,
        tag: DeliveryTag,
        #[header("x-level", default = 3)] level: i64,
    ) -> ListenerResult {
        let _used = (event.name, tag, level);
        Ok(())
    }
}

#[rabbit_listener(queue = "c", blocking)]
fn blocking(#[payload] body: String) {
    assert!(body.is_empty());
}

#[rabbit_listener(queue = "d")]
async fn nothing() {}

fn main() {}
