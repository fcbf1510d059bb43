//! A handler that is called in order for each key.
//!
//! What can be said of the order across lost connections: a message that the broker has delivered
//! before may come late, behind those that it delivers now. But it delivers each for the first time
//! in the order of the queue, and a consumer's handlers have ended before the next one starts. So,
//! of each key, the calls with first deliveries are in order, and no two calls are at a time.

use std::sync::Arc;

use springhare::prelude::*;

use crate::lane::Lane;
use crate::ledger::Ledger;

/// How many messages have the same key.
const OF_A_KEY: u64 = 4;

#[rabbit_listener(
    id = "keyed",
    queue = "c.keyed",
    partition_by = "header:x-key",
    concurrency = 3,
    prefetch = 30
)]
pub(crate) async fn keyed(
    number: Json<u64>,
    redelivered: Redelivered,
    ledger: State<Arc<Ledger>>,
) -> ListenerResult {
    ledger.is_called("keyed");
    let _alone = ledger.keys().begin(number.0 / OF_A_KEY, number.0, redelivered, &ledger);
    // Whoever is called beside it has its turn.
    tokio::task::yield_now().await;
    if number.0.is_multiple_of(3) && ledger.is_seen_for_the_first_time(Lane::Keyed, number.0) {
        return Err(ListenerError::msg("the others of its key wait"));
    }
    ledger.found(Lane::Keyed, number.0);
    Ok(())
}

/// Sends the messages of each key one after the other. The first that fails is its key's last: it may
/// be in the queue or not, and what is sent behind it could be before it.
pub(crate) async fn send_in_order(rabbit: RabbitTemplate, first: u64, ledger: Arc<Ledger>) {
    for number in first..first + OF_A_KEY {
        let sent = rabbit.convert_and_send(Lane::Keyed.queue(), &number);
        if sent.header("x-key", (number / OF_A_KEY).to_string()).await.is_err() {
            return;
        }
        ledger.confirm(Lane::Keyed, number);
    }
}

/// The first numbers of the keys of these.
pub(crate) fn firsts(numbers: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
    numbers.step_by(usize::try_from(OF_A_KEY).unwrap())
}
