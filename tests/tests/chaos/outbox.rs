//! A handler whose outbox goes to a second one.

use std::sync::Arc;

use springhare::prelude::*;

use crate::lane::Lane;
use crate::ledger::Ledger;

/// Where it goes.
pub(crate) const SECOND: &str = "c.second";
/// What a call that fails puts into its outbox: nobody may ever see it.
const DROPPED: u64 = u64::MAX;

#[rabbit_listener(id = "first", queue = "c.outbox")]
pub(crate) async fn first(
    number: Json<u64>,
    outbox: Outbox<'_>,
    ledger: State<Arc<Ledger>>,
) -> ListenerResult {
    ledger.is_called("first");
    if number.0.is_multiple_of(6) && ledger.is_seen_for_the_first_time(Lane::Outbox, number.0) {
        outbox.convert_and_send(SECOND, &DROPPED)?;
        return Err(ListenerError::msg("not with this in the outbox"));
    }
    outbox.convert_and_send(SECOND, &number.0)?;
    Ok(())
}

#[rabbit_listener(id = "second", queue = "c.second", prefetch = 10)]
pub(crate) async fn second(number: Json<u64>, ledger: State<Arc<Ledger>>) {
    ledger.is_called("second");
    if number.0 == DROPPED {
        ledger.wrong("what a call that failed had in its outbox was sent".to_owned());
    }
    ledger.found(Lane::Outbox, number.0);
}
