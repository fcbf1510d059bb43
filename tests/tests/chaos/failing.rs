//! Handlers whose failures end in a pause.

use std::sync::Arc;

use springhare::prelude::*;

use crate::lane::Lane;
use crate::ledger::Ledger;

#[rabbit_listener(
    id = "circuit",
    queue = "c.circuit",
    prefetch = 10,
    circuit(failures = 3, pause = "200ms")
)]
pub(crate) async fn circuit(number: Json<u64>, ledger: State<Arc<Ledger>>) -> ListenerResult {
    ledger.is_called("circuit");
    if number.0.is_multiple_of(2) && ledger.is_seen_for_the_first_time(Lane::Circuit, number.0) {
        return Err(ListenerError::msg("nothing works"));
    }
    ledger.found(Lane::Circuit, number.0);
    Ok(())
}

#[rabbit_listener(
    id = "quorum",
    queue = "c.quorum",
    arguments(queue_type = "quorum"),
    prefetch = 10
)]
pub(crate) async fn quorum(
    number: Json<u64>,
    count: DeliveryCount,
    ledger: State<Arc<Ledger>>,
) -> ListenerResult {
    ledger.is_called("quorum");
    if number.0.is_multiple_of(5) && count.value() < 2 {
        return Err(ListenerError::msg("not yet"));
    }
    ledger.found(Lane::Quorum, number.0);
    Ok(())
}
