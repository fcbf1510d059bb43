//! Declaring, binding and deleting: the methods of the classes `exchange` and `queue`, with the
//! conditions that RabbitMQ has for each, in its order and its words.
//!
//! An empty queue name, which means the last one declared on a channel, is the channel's matter
//! and comes here replaced; only `queue.declare` takes it, as a wish for a generated name.

mod binding;
mod exchange;
mod queue;
#[cfg(test)]
mod tests;

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

pub(crate) use self::binding::BindingRequest;
pub(crate) use self::exchange::{ExchangeDeleteCondition, exchange_kind};
pub(crate) use self::queue::DeclaredQueue;
use super::queue_cell::QueueRef;
use super::virtual_host::VirtualHost;
use crate::model::arguments::ArgumentError;
use crate::model::definition::Resource;
use crate::model::ids::ConnectionId;

/// The names that start so are the broker's own.
pub(crate) const RESERVED_PREFIX: &str = "amq.";

/// Who may use a queue beside the connection that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everybody, if it belongs to no connection.
    Use,
    /// Nobody: it must be the declaring connection's, or nobody's if that is what is declared.
    Redeclare {
        /// The connection that the declaration would give the queue to.
        owner: Option<ConnectionId>,
    },
}

/// Checks that a connection may use a queue.
///
/// # Errors
///
/// 405 when it is exclusive to another connection.
fn check_access(
    virtual_host: &VirtualHost,
    queue: &QueueRef,
    connection: ConnectionId,
    access: Access,
    method: MethodId,
) -> Result<(), AmqpError> {
    let allowed = match access {
        Access::Use => queue.owner().is_none_or(|owner| owner == connection),
        Access::Redeclare { owner } => queue.owner() == owner,
    };
    if allowed {
        return Ok(());
    }
    let queue = Resource::queue(queue.name(), virtual_host.name());
    Err(AmqpError::new(
        ReplyCode::ResourceLocked,
        method,
        format_args!(
            "cannot obtain exclusive access to locked {queue}. It could be originally declared \
             on another connection or the exclusive property value does not match that of the \
             original declaration."
        ),
    ))
}

/// Checks that a queue belongs to no connection, as for a declaration of a queue for all.
///
/// # Errors
///
/// 405 when it does.
pub(super) fn check_may_redeclare(
    virtual_host: &VirtualHost,
    queue: &QueueRef,
) -> Result<(), AmqpError> {
    // Nobody's: the owner is all that counts.
    let nobody = ConnectionId(0);
    let access = Access::Redeclare { owner: None };
    check_access(virtual_host, queue, nobody, access, MethodId::QUEUE_DECLARE)
}

/// Checks that a name is not the default exchange's.
pub(super) fn check_not_default(exchange: &str, method: MethodId) -> Result<(), AmqpError> {
    if exchange.is_empty() {
        let explanation = "operation not permitted on the default exchange";
        return Err(AmqpError::new(ReplyCode::AccessRefused, method, explanation));
    }
    Ok(())
}

/// Checks that a new name is not one of the broker's own.
fn check_not_reserved(kind: &str, name: &str, method: MethodId) -> Result<(), AmqpError> {
    if name.starts_with(RESERVED_PREFIX) {
        return Err(AmqpError::new(
            ReplyCode::AccessRefused,
            method,
            format_args!("{kind} name '{name}' contains reserved prefix 'amq.*'"),
        ));
    }
    Ok(())
}

fn not_found(resource: Resource<'_>, method: MethodId) -> AmqpError {
    AmqpError::new(ReplyCode::NotFound, method, format_args!("no {resource}"))
}

fn precondition_failed(method: MethodId, explanation: impl std::fmt::Display) -> AmqpError {
    AmqpError::new(ReplyCode::PreconditionFailed, method, explanation)
}

fn wrong_arguments(method: MethodId) -> impl FnOnce(ArgumentError) -> AmqpError {
    move |error| precondition_failed(method, error)
}

/// The name without line ends, which RabbitMQ takes out where names are given to things.
pub(crate) fn stripped(name: &ShortString) -> ShortString {
    if name.contains(['\r', '\n']) {
        ShortString::truncated(&name.replace(['\r', '\n'], ""))
    } else {
        name.clone()
    }
}
