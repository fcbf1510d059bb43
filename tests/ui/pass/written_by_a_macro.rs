//! An attribute whose values come from a macro of the user's.

use springhare::__private::ListenerItem;
use springhare::prelude::*;

macro_rules! listener {
    ($name:ident, $queue:literal, $key:expr, $prefetch:literal, $ty:ty) => {
        #[rabbit_listener(
            queue = $queue,
            exchange = "logs",
            kind = "topic",
            key = $key,
            prefetch = $prefetch,
            arguments("x-message-ttl" = $prefetch),
        )]
        async fn $name(_body: $ty) {}
    };
}

listener!(errors, "errors", "*.error", 10, Json<u64>);
listener!(warnings, "warnings", "*.warn", 20, Text);

fn main() {
    let attributes = &errors::ENDPOINTS[0].attributes;
    assert_eq!((attributes.queues, attributes.keys), (&["errors"][..], &["*.error"][..]));
    assert_eq!(warnings::ENDPOINTS[0].attributes.prefetch, Some(20));
}
