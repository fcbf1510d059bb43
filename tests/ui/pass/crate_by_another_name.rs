//! The runtime under a path of the user's own.

mod vendor {
    pub use springhare as rabbit;
}

use vendor::rabbit::prelude::*;

#[rabbit_listener(queue = "q", crate = crate::vendor::rabbit)]
#[rabbit_listener(exchange = "e", kind = "fanout")]
async fn listener(Text(_body): Text) {}

fn main() {}
