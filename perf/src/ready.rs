use std::time::Duration;

use springhare_amqp::wire::method::queue::Declare;
use springhare_amqp::{MethodId, ShortString};
use springhare_perf::process::is_running;
use springhare_perf::time;

use crate::arguments::ReadyArguments;
use crate::connection::{Connection, Purpose};
use crate::error::LoadError;
use crate::report::{ReadyReport, seconds};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(1);

/// Tries until the broker declares a queue.
pub(crate) fn wait(ready: &ReadyArguments) -> Result<ReadyReport, LoadError> {
    let limit = time::now() + time::nanoseconds(Duration::from_secs(ready.limit));
    loop {
        let error = match declare(ready) {
            Ok(()) => break,
            Err(error) => error,
        };
        if !is_running(ready.broker_pid) {
            return Err(LoadError::BrokerEnded);
        }
        if time::now() > limit {
            return Err(LoadError::NotReady { seconds: ready.limit, source: Box::new(error) });
        }
        time::pause(PAUSE);
    }
    let ready_ms = seconds(time::unix_now().saturating_sub(ready.since)) * 1e3;
    Ok(ReadyReport { ready_ms })
}

fn declare(ready: &ReadyArguments) -> Result<(), LoadError> {
    let mut connection = Connection::open(ready.address, Purpose::READY)?;
    let queue = ShortString::from_static("perf-ready");
    let declare = Declare { queue, exclusive: true, ..Declare::default() };
    // The queue goes with the connection, which nobody waits for: the time is taken now.
    connection.call(&declare, MethodId::QUEUE_DECLARE_OK).map(drop)
}
