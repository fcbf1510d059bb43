use std::path::PathBuf;

use springhare_amqp::{AmqpError, MethodId, ReplyCode};

/// Why a store can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or the folder can't be read or written.
    #[error("the data folder '{path}': {action}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        error: String,
    },
}

/// Why nothing is appended any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// A write or a sync has failed: what the disk has is not known any more.
    #[error("the store has failed ({0}), and the broker is read-only until it is started again")]
    Failed(String),
    /// So much waits to be written that nothing more is taken.
    #[error("the store can't write as fast as messages come")]
    Full,
}

/// What a client is told of it.
impl From<Failure> for AmqpError {
    fn from(failure: Failure) -> Self {
        Self::new(ReplyCode::InternalError, MethodId::NONE, failure)
    }
}
