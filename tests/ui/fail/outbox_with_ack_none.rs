//! An outbox where nobody acknowledges after the handler.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none")]
async fn on_order(outbox: Outbox<'_>) -> ListenerResult {
    outbox.convert_and_send("invoices", "tea")?;
    Ok(())
}

fn main() {}
