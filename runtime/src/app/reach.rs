//! Reaches the broker at the start, with the patience that [`Startup`] says.

use std::io;
use std::sync::Arc;

use crate::backoff::Backoff;
use crate::connection::{LinkConnection, LinkError};
use crate::in_time::in_time;
use crate::listener::ListenerConnection;
use crate::settings::Startup;

/// Opens the first connection. Only [`Startup::Wait`] makes more than one attempt, and only while
/// another may go better.
pub(super) async fn reach(
    connection: &ListenerConnection,
    startup: Startup,
) -> Result<Arc<dyn LinkConnection>, LinkError> {
    let Startup::Wait(limit) = startup else { return connection.connect().await };
    let clock = connection.clock();
    let begun = clock.now();
    let mut backoff = Backoff::default();
    // Of an attempt that has not ended by then.
    let mut last = LinkError::Connect {
        address: connection.link().describe(),
        source: Arc::new(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it says nothing within {limit:?}; is it alive? `.startup(..)` allows more"),
        )),
    };
    loop {
        let left = limit.saturating_sub(clock.now().saturating_sub(begun));
        match in_time(clock, left, connection.connect()).await {
            Some(Ok(opened)) => return Ok(opened),
            Some(Err(error)) if left.is_zero() || is_final(&error) => return Err(error),
            Some(Err(error)) => last = error,
            None => return Err(last),
        }
        let pause = backoff.after_failure();
        if backoff.is_told() {
            let (attempt, error) = (backoff.attempts(), &last);
            let address = connection.link().describe();
            tracing::warn!(
                address, %error, attempt, next_attempt_in = ?pause, gives_up_in = ?left,
                "the broker is not there yet"
            );
        }
        clock.sleep(pause.min(left)).await;
    }
}

/// Whether trying again soon is pointless: the broker is there, and does not want us.
fn is_final(error: &LinkError) -> bool {
    error.is_login_refused() || matches!(error, LinkError::Amqp(_))
}
