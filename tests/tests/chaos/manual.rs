//! A handler that settles by itself.

use std::sync::Arc;

use springhare::prelude::*;
use springhare::{Channel, DeliveryTag, Requeue};

use crate::lane::Lane;
use crate::ledger::Ledger;

#[rabbit_listener(id = "manual", group = "some", queue = "c.manual", ack = "manual", prefetch = 10)]
pub(crate) async fn manual(
    number: Json<u64>,
    channel: Channel,
    tag: DeliveryTag,
    ledger: State<Arc<Ledger>>,
) -> ListenerResult {
    ledger.is_called("manual");
    match number.0 % 4 {
        0 if ledger.is_seen_for_the_first_time(Lane::Manual, number.0) => {
            channel.nack(tag, Requeue::Yes).await?;
        }
        1 => {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move { acknowledge(&channel, tag, number.0, &ledger).await });
        }
        _ => acknowledge(&channel, tag, number.0, &ledger).await,
    }
    Ok(())
}

/// Notes what the broker was told of, and nothing else: an ack that was refused here is one that
/// never went out, and the message comes again.
async fn acknowledge(channel: &Channel, tag: DeliveryTag, number: u64, ledger: &Ledger) {
    if channel.ack(tag).await.is_ok() {
        ledger.found(Lane::Manual, number);
    }
}
