//! Exchanges: `exchange.declare`, `delete`, `bind`, `unbind`.

use springhare_amqp::{AmqpError, FieldTable, MethodId};

use super::Channel;
use crate::embedded::name;
use crate::embedded::options::{ExchangeDeclareOptions, IfUnused};
use crate::engine::declare::{BindingRequest, ExchangeDeleteCondition, exchange_kind};
use crate::model::binding::Destination;
use crate::model::definition::ExchangeDefinition;

impl Channel {
    /// `exchange.declare`: makes the exchange, or checks that the one there is equivalent.
    ///
    /// # Errors
    ///
    /// 406 `inequivalent arg ..`, 403 for a name that starts with `amq.`, 503 for an unknown
    /// kind.
    pub async fn exchange_declare(
        &self,
        exchange: &str,
        kind: &str,
        options: ExchangeDeclareOptions,
    ) -> Result<(), AmqpError> {
        let method = MethodId::EXCHANGE_DECLARE;
        self.define(method, |cell| {
            let ExchangeDeclareOptions { durable, auto_delete, internal, arguments } = options;
            let definition = ExchangeDefinition {
                name: name(exchange, method)?,
                kind: exchange_kind(kind)?,
                durable,
                auto_delete,
                internal,
                arguments,
            };
            cell.virtual_host().exchange_declare(self.connection(), definition)
        })
        .await
    }

    /// `exchange.declare` with `passive`: checks that the exchange is there.
    ///
    /// # Errors
    ///
    /// 404 `no exchange ..`.
    pub async fn exchange_declare_passive(&self, exchange: &str) -> Result<(), AmqpError> {
        let method = MethodId::EXCHANGE_DECLARE;
        self.define(method, |cell| {
            cell.virtual_host().exchange_declare_passive(&name(exchange, method)?)
        })
        .await
    }

    /// `exchange.delete`; a missing exchange is none.
    ///
    /// # Errors
    ///
    /// 406 `exchange .. in use` with [`IfUnused::Yes`], 403 for a predeclared one.
    pub async fn exchange_delete(
        &self,
        exchange: &str,
        if_unused: IfUnused,
    ) -> Result<(), AmqpError> {
        let method = MethodId::EXCHANGE_DELETE;
        self.define(method, |cell| {
            let condition = match if_unused {
                IfUnused::Yes => ExchangeDeleteCondition::IfUnused,
                IfUnused::No => ExchangeDeleteCondition::Always,
            };
            cell.virtual_host().exchange_delete(&name(exchange, method)?, condition)
        })
        .await
    }

    /// `exchange.bind`: messages of `source` go on to `destination`.
    ///
    /// # Errors
    ///
    /// 404 without either exchange, 403 for the default exchange.
    pub async fn exchange_bind(
        &self,
        destination: &str,
        source: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), AmqpError> {
        let method = MethodId::EXCHANGE_BIND;
        self.define(method, |cell| {
            let request = BindingRequest {
                source: name(source, method)?,
                destination: Destination::Exchange(name(destination, method)?),
                routing_key: name(routing_key, method)?,
                arguments,
            };
            cell.virtual_host().bind(self.connection().id(), request)
        })
        .await
    }

    /// `exchange.unbind`; a missing binding is none.
    ///
    /// # Errors
    ///
    /// As [`exchange_bind`](Self::exchange_bind).
    pub async fn exchange_unbind(
        &self,
        destination: &str,
        source: &str,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<(), AmqpError> {
        let method = MethodId::EXCHANGE_UNBIND;
        self.define(method, |cell| {
            let request = BindingRequest {
                source: name(source, method)?,
                destination: Destination::Exchange(name(destination, method)?),
                routing_key: name(routing_key, method)?,
                arguments,
            };
            cell.virtual_host().unbind(self.connection().id(), request)
        })
        .await
    }
}
