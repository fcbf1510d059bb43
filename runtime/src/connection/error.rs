use std::sync::Arc;

use springhare_amqp::AmqpError;

/// Why an operation on a link did not happen.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The broker refused it, and closed what the error's scope says.
    #[error("{0}")]
    Amqp(#[from] AmqpError),
    /// The channel or the connection was closed before.
    #[error("the {what} is closed{}", reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
    Closed {
        /// `channel` or `connection`.
        what: &'static str,
        /// What closed it, where that is known.
        reason: Option<AmqpError>,
    },
    /// The connection could not be opened.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address without its password.
        address: String,
        /// What went wrong.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The transport failed under an open connection.
    #[error("the connection failed: {0}")]
    Transport(Arc<dyn std::error::Error + Send + Sync>),
}

impl LinkError {
    /// The protocol's error, where one is behind it.
    #[must_use]
    pub fn amqp(&self) -> Option<&AmqpError> {
        match self {
            Self::Amqp(error) => Some(error),
            Self::Closed { reason, .. } => reason.as_ref(),
            Self::Connect { .. } | Self::Transport(_) => None,
        }
    }
}
