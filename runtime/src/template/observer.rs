use std::fmt::Debug;

use crate::connection::Confirmation;
use crate::error::Result;

/// Is told what becomes of messages that are sent, and of the connections for it.
pub(crate) trait TemplateObserver: Debug + Send + Sync {
    /// It is known what became of a message that was published.
    fn published(&self, result: &Result<()>, confirmation: Confirmation);

    /// A message was given up and put into this error queue.
    fn parked(&self, queue: &str, reason: &'static str);

    /// A connection was opened.
    fn connected(&self, connection: &'static str);

    /// A connection was closed, or turned out to be lost.
    fn disconnected(&self, connection: &'static str);
}
