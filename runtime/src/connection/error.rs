use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::AmqpError;

use super::amqp::ConnectError;

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
        /// What went wrong; of the `amqp` link it is a [`ConnectError`], and at the start of an
        /// application with several brokers it may be another [`LinkError`].
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The transport failed under an open connection.
    #[error("the connection failed: {0}")]
    Transport(Arc<dyn std::error::Error + Send + Sync>),
    /// The broker did not answer in time. Whether it has done what it was asked is not known.
    #[error(
        "the broker did not answer {operation} within {after:?}; it may be overloaded, or not be \
         reached any more"
    )]
    TimedOut {
        /// The operation: `queue.declare`.
        operation: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
}

impl LinkError {
    /// The protocol's error, where one is behind it.
    #[must_use]
    pub fn amqp(&self) -> Option<&AmqpError> {
        match self {
            Self::Amqp(error) => Some(error),
            Self::Closed { reason, .. } => reason.as_ref(),
            Self::Connect { source, .. } => source.downcast_ref::<Self>()?.amqp(),
            Self::Transport(_) | Self::TimedOut { .. } => None,
        }
    }

    /// Whether there is no such queue or exchange.
    #[must_use]
    pub(crate) fn is_not_found(&self) -> bool {
        self.amqp().is_some_and(|error| error.code() == springhare_amqp::ReplyCode::NotFound)
    }

    /// Whether the queue has an exclusive consumer, or has others and can have no exclusive one.
    #[must_use]
    pub(crate) fn is_in_exclusive_use(&self) -> bool {
        let refused = springhare_amqp::ReplyCode::AccessRefused;
        // The same code says that the user may not.
        self.amqp().is_some_and(|error| {
            error.code() == refused && error.text().ends_with("in exclusive use")
        })
    }

    /// Whether the broker refused the user, the password or the virtual host: to try again soon is
    /// pointless.
    #[must_use]
    pub fn is_login_refused(&self) -> bool {
        match self {
            Self::Connect { source, .. } => {
                source.downcast_ref::<ConnectError>().is_some_and(ConnectError::is_login_refused)
            }
            _ => false,
        }
    }
}
