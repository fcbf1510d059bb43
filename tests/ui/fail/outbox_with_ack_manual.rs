//! An outbox where nobody acknowledges after the handler.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "manual")]
async fn on_order(channel: Channel, tag: DeliveryTag, outbox: Outbox<'_>) -> ListenerResult {
    outbox.convert_and_send("invoices", "tea")?;
    channel.ack(tag).await?;
    Ok(())
}

fn main() {}
