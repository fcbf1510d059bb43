use springhare_amqp::wire::method::exchange::{
    self, Bind, BindOk, Declare, DeclareOk, Delete, DeleteOk, Unbind, UnbindOk,
};
use springhare_amqp::{AmqpError, MethodId};

use super::Call;
use crate::engine::declare::{BindingRequest, ExchangeDeleteCondition, exchange_kind};
use crate::model::binding::Destination;
use crate::model::definition::ExchangeDefinition;
use crate::protocol::unimplemented;

impl Call<'_> {
    pub(super) fn exchange(&mut self, method: exchange::Method) -> Result<(), AmqpError> {
        match method {
            exchange::Method::Declare(declare) => self.exchange_declare(declare),
            exchange::Method::Delete(delete) => self.exchange_delete(&delete),
            exchange::Method::Bind(bind) => self.exchange_bind(bind),
            exchange::Method::Unbind(unbind) => self.exchange_unbind(unbind),
            other => Err(unimplemented(other.id())),
        }
    }

    fn exchange_declare(&mut self, declare: Declare) -> Result<(), AmqpError> {
        let Declare { exchange, kind, passive, durable, auto_delete, internal, no_wait, arguments } =
            declare;
        let connection = self.connection;
        self.channel.run(MethodId::EXCHANGE_DECLARE, |channel| {
            let virtual_host = channel.virtual_host();
            if passive {
                return virtual_host.exchange_declare_passive(&exchange);
            }
            let kind = exchange_kind(&kind)?;
            let definition = ExchangeDefinition {
                name: exchange,
                kind,
                durable,
                auto_delete,
                internal,
                arguments,
            };
            virtual_host.exchange_declare(connection, definition)
        })?;
        if !no_wait {
            self.answer_defined(MethodId::EXCHANGE_DECLARE, &DeclareOk {});
        }
        Ok(())
    }

    fn exchange_delete(&mut self, delete: &Delete) -> Result<(), AmqpError> {
        let condition = if delete.if_unused {
            ExchangeDeleteCondition::IfUnused
        } else {
            ExchangeDeleteCondition::Always
        };
        let connection = self.connection;
        self.channel.run(MethodId::EXCHANGE_DELETE, |channel| {
            connection.authorize_exchange_delete(&delete.exchange)?;
            channel.virtual_host().exchange_delete(&delete.exchange, condition)
        })?;
        if !delete.no_wait {
            self.answer_defined(MethodId::EXCHANGE_DELETE, &DeleteOk {});
        }
        Ok(())
    }

    fn exchange_bind(&mut self, bind: Bind) -> Result<(), AmqpError> {
        let Bind { destination, source, routing_key, no_wait, arguments } = bind;
        let connection = self.connection;
        self.channel.run(MethodId::EXCHANGE_BIND, |channel| {
            let destination = Destination::Exchange(destination);
            let request = BindingRequest { source, destination, routing_key, arguments };
            connection.authorize_binding(&request, MethodId::EXCHANGE_BIND)?;
            channel.virtual_host().bind(connection.id(), request)
        })?;
        if !no_wait {
            self.answer_defined(MethodId::EXCHANGE_BIND, &BindOk {});
        }
        Ok(())
    }

    fn exchange_unbind(&mut self, unbind: Unbind) -> Result<(), AmqpError> {
        let Unbind { destination, source, routing_key, no_wait, arguments } = unbind;
        let connection = self.connection;
        self.channel.run(MethodId::EXCHANGE_UNBIND, |channel| {
            let destination = Destination::Exchange(destination);
            let request = BindingRequest { source, destination, routing_key, arguments };
            connection.authorize_binding(&request, MethodId::EXCHANGE_UNBIND)?;
            channel.virtual_host().unbind(connection.id(), request)
        })?;
        if !no_wait {
            self.answer_defined(MethodId::EXCHANGE_UNBIND, &UnbindOk {});
        }
        Ok(())
    }
}
