use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::{
    RESERVED_PREFIX, check_not_default, check_not_reserved, not_found, precondition_failed,
    stripped, wrong_arguments,
};
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::queue_cell::QueueRef;
use crate::engine::virtual_host::VirtualHost;
use crate::model::definition::{ExchangeDefinition, Resource};
use crate::model::exchange::{DelayedTypeError, ExchangeKind, UnknownExchangeKind};
use crate::model::policy::Target;
use crate::model::topology::Topology;

/// When an exchange is deleted: `if-unused`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ExchangeDeleteCondition {
    /// In any case, with its bindings.
    #[default]
    Always,
    /// Only if no binding leads from it.
    IfUnused,
}

/// The exchange type of this name.
///
/// # Errors
///
/// 503, which closes the connection, for a type that the broker does not have. RabbitMQ looks
/// at the type before anything else.
pub(crate) fn exchange_kind(name: &str) -> Result<ExchangeKind, AmqpError> {
    name.parse().map_err(unknown_kind)
}

fn unknown_kind(unknown: UnknownExchangeKind) -> AmqpError {
    AmqpError::new(ReplyCode::CommandInvalid, MethodId::EXCHANGE_DECLARE, unknown)
}

impl VirtualHost {
    /// `exchange.declare`: makes the exchange, or checks that it is what is declared.
    ///
    /// # Errors
    ///
    /// 403 for the default exchange, for a new name that starts with `amq.` and for what the
    /// connection's user may not do, 406 for an exchange that is another than declared and for
    /// arguments that its type does not understand, 503 for an unknown type that it is to delay as.
    pub(crate) fn exchange_declare(
        &self,
        connection: &ConnectionCell,
        mut definition: ExchangeDefinition,
    ) -> Result<(), AmqpError> {
        const METHOD: MethodId = MethodId::EXCHANGE_DECLARE;
        definition.name = stripped(&definition.name);
        check_not_default(&definition.name, METHOD)?;
        connection.authorize_exchange_declare(&definition.name)?;
        // An application declares at each start what is there mostly: no new snapshot for that.
        if let Some(present) = self.topology().exchange(&definition.name) {
            let exchange = Resource::exchange(&definition.name, self.name());
            return present
                .check_equivalent(&definition, exchange)
                .map_err(wrong_arguments(METHOD));
        }
        check_not_reserved("exchange", &definition.name, METHOD)?;
        self.update(|topology| {
            let exchange = Resource::exchange(&definition.name, self.name());
            if let Some(present) = topology.exchange(&definition.name) {
                let is_same = present.check_equivalent(&definition, exchange);
                return is_same.map_err(wrong_arguments(METHOD));
            }
            definition.check_arguments(exchange).map_err(|error| match error {
                DelayedTypeError::Argument(error) => wrong_arguments(METHOD)(error),
                DelayedTypeError::Unknown(unknown) => unknown_kind(unknown),
            })?;
            connection.authorize_alternate_exchange(&definition.name, &definition.arguments)?;
            self.add_exchange(topology, definition.clone());
            Ok(())
        })
    }

    /// Adds an exchange whose name is free, with what the policies say of it.
    pub(in crate::engine) fn add_exchange(
        &self,
        topology: &mut Topology<QueueRef>,
        definition: ExchangeDefinition,
    ) {
        let policy = self.policies().effective(Target::Exchange(&definition.name));
        let name = definition.name.clone();
        topology.add_exchange(definition);
        topology.set_policy_alternate(&name, policy.alternate_exchange);
    }

    /// `exchange.declare`, passive: checks that the exchange exists, whatever it is.
    ///
    /// # Errors
    ///
    /// 404 if it does not exist, 403 for the default exchange.
    pub(crate) fn exchange_declare_passive(&self, name: &ShortString) -> Result<(), AmqpError> {
        const METHOD: MethodId = MethodId::EXCHANGE_DECLARE;
        let name = stripped(name);
        check_not_default(&name, METHOD)?;
        match self.topology().exchange(&name) {
            Some(_) => Ok(()),
            None => Err(not_found(Resource::exchange(&name, self.name()), METHOD)),
        }
    }

    /// `exchange.delete`: removes the exchange with its bindings. One that does not exist is
    /// none.
    ///
    /// # Errors
    ///
    /// 403 for the broker's own exchanges, 406 for one that is in use, if that was asked.
    pub(crate) fn exchange_delete(
        &self,
        name: &ShortString,
        condition: ExchangeDeleteCondition,
    ) -> Result<(), AmqpError> {
        const METHOD: MethodId = MethodId::EXCHANGE_DELETE;
        let name = stripped(name);
        check_not_default(&name, METHOD)?;
        let exchange = Resource::exchange(&name, self.name());
        if name.starts_with(RESERVED_PREFIX) {
            return Err(AmqpError::new(
                ReplyCode::AccessRefused,
                METHOD,
                format_args!("deletion of system {exchange} not allowed"),
            ));
        }
        if self.topology().exchange(&name).is_none() {
            return Ok(());
        }
        self.update(|topology| {
            let if_unused = condition == ExchangeDeleteCondition::IfUnused;
            if if_unused && topology.has_bindings_from(&name) {
                return Err(precondition_failed(METHOD, format_args!("{exchange} in use")));
            }
            topology.remove_exchange(&name);
            Ok(())
        })
    }
}
