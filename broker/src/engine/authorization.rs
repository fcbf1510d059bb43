//! What a connection's user may do: the checks that RabbitMQ 3.10 makes for each operation, in
//! its order and its words.
//!
//! A connection without a user is this process's own and may do everything. The engine's
//! operations don't ask: whoever speaks for a user calls `authorize_..` first. Declarations
//! alone ask by themselves, since what they ask depends on whether the thing is there, which
//! is only certain while nobody else declares.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use springhare_amqp::{AmqpError, FieldTable, FieldValue, MethodId, ReplyCode, ShortString};

use super::connection_cell::ConnectionCell;
use super::declare::{BindingRequest, RESERVED_PREFIX, check_not_default, stripped};
use super::reply_to::PSEUDO_QUEUE;
use super::user_cell::UserCell;
use crate::model::access::{AuthenticatedUser, Pattern, Permission};
use crate::model::binding::Destination;
use crate::model::definition::Resource;
use crate::model::exchange::ExchangeKind;

/// How many decisions of a kind a connection remembers: as many as RabbitMQ.
const GRANTED_MAX: usize = 12;

/// A user, and what it was allowed lately: who publishes, publishes to the same few exchanges.
#[derive(Debug)]
pub(crate) struct Authorization {
    user: Arc<UserCell>,
    granted: Mutex<Granted>,
}

/// Only what was allowed is remembered, and only while the user stays as it was.
#[derive(Debug, Default)]
struct Granted {
    /// The user that all this was allowed.
    to: Option<Arc<AuthenticatedUser>>,
    names: Recent<(Permission, ShortString)>,
    /// Exchange and routing key.
    topics: Recent<(Permission, ShortString, ShortString)>,
}

/// The last [`GRANTED_MAX`] of something.
#[derive(Debug)]
struct Recent<T>(VecDeque<T>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Recent<T> {
    fn remember(&mut self, item: T) {
        if self.0.len() >= GRANTED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(item);
    }
}

impl Authorization {
    pub(super) fn new(user: Arc<UserCell>) -> Self {
        Self { user, granted: Mutex::default() }
    }

    pub(super) fn user(&self) -> &Arc<UserCell> {
        &self.user
    }

    fn allows(&self, permission: Permission, virtual_host: &str, name: &str) -> bool {
        let user = self.user.current();
        let Some(permissions) = user.permissions(virtual_host) else { return false };
        let pattern = permissions.pattern(permission);
        if matches!(pattern, Pattern::Everything) {
            return true;
        }
        let is_known = |(known, of): &(_, ShortString)| *known == permission && *of == *name;
        if self.granted(&user).names.0.iter().any(is_known) {
            return true;
        }
        let is_allowed = pattern.matches(name);
        // What is too long for a name has come in an argument, and is too rare to be remembered.
        if is_allowed && let Ok(name) = ShortString::new(name) {
            self.granted(&user).names.remember((permission, name));
        }
        is_allowed
    }

    fn allows_topic(
        &self,
        permission: Permission,
        virtual_host: &str,
        exchange: &ShortString,
        routing_key: &str,
    ) -> bool {
        let user = self.user.current();
        let Some(patterns) = user.topic_patterns(virtual_host, exchange) else { return true };
        let is_known = |(known, at, key): &(_, ShortString, ShortString)| {
            *known == permission && key == routing_key && *at == *exchange
        };
        if self.granted(&user).topics.0.iter().any(is_known) {
            return true;
        }
        let is_allowed = patterns.allow(permission, routing_key);
        // A key of `CC` may be longer than a routing key.
        if is_allowed && let Ok(routing_key) = ShortString::new(routing_key) {
            self.granted(&user).topics.remember((permission, exchange.clone(), routing_key));
        }
        is_allowed
    }

    /// What the user was allowed as it is now. The lock is taken last of all and held for a look.
    fn granted(&self, user: &Arc<AuthenticatedUser>) -> MutexGuard<'_, Granted> {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        if !granted.to.as_ref().is_some_and(|to| Arc::ptr_eq(to, user)) {
            *granted = Granted { to: Some(Arc::clone(user)), ..Granted::default() };
        }
        granted
    }
}

impl ConnectionCell {
    /// Checks one permission for a queue or an exchange of the connection's virtual host.
    ///
    /// # Errors
    ///
    /// 403 `access to queue 'q' in vhost '/' refused for user 'u'`.
    pub(crate) fn authorize(
        &self,
        permission: Permission,
        resource: Resource<'_>,
        method: MethodId,
    ) -> Result<(), AmqpError> {
        let Some(authorization) = self.authorization() else { return Ok(()) };
        let resource = resource.named();
        if authorization.allows(permission, self.virtual_host().name(), resource.name()) {
            return Ok(());
        }
        Err(refused(method, resource, authorization))
    }

    /// Checks a routing key, if the exchange is a topic exchange.
    ///
    /// # Errors
    ///
    /// 403 `access to topic 'k' in exchange 'x' in vhost '/' refused for user 'u'`.
    fn authorize_topic(
        &self,
        permission: Permission,
        exchange: &ShortString,
        routing_key: &str,
        method: MethodId,
    ) -> Result<(), AmqpError> {
        let Some(authorization) = self.authorization() else { return Ok(()) };
        let virtual_host = self.virtual_host();
        let name = virtual_host.name();
        if authorization.allows_topic(permission, name, exchange, routing_key) {
            return Ok(());
        }
        let topology = virtual_host.topology();
        let Some(known) = topology.exchange(exchange) else { return Ok(()) };
        let is_refused_anyway = known.internal && permission == Permission::Write;
        if known.kind != ExchangeKind::Topic || is_refused_anyway {
            return Ok(());
        }
        let exchange = Resource::exchange(exchange, name);
        let topic = format_args!("topic '{routing_key}' in {exchange}");
        Err(refused(method, topic, authorization))
    }

    /// `exchange.declare`: configure. Part of the declaration itself.
    ///
    /// # Errors
    ///
    /// 403.
    pub(super) fn authorize_exchange_declare(&self, exchange: &str) -> Result<(), AmqpError> {
        let exchange = self.exchange(exchange);
        self.authorize(Permission::Configure, exchange, MethodId::EXCHANGE_DECLARE)
    }

    /// `exchange.declare` of a new exchange with an alternate: read on the exchange, write on
    /// the alternate.
    ///
    /// # Errors
    ///
    /// 403.
    pub(super) fn authorize_alternate_exchange(
        &self,
        exchange: &str,
        arguments: &FieldTable,
    ) -> Result<(), AmqpError> {
        let onward = arguments.get("alternate-exchange");
        self.authorize_onward(self.exchange(exchange), onward, MethodId::EXCHANGE_DECLARE)
    }

    /// `exchange.delete`: configure. The broker's own exchanges are nobody's to delete, which
    /// the operation itself says.
    ///
    /// # Errors
    ///
    /// 403.
    pub(crate) fn authorize_exchange_delete(
        &self,
        exchange: &ShortString,
    ) -> Result<(), AmqpError> {
        let exchange = stripped(exchange);
        if exchange.is_empty() || exchange.starts_with(RESERVED_PREFIX) {
            return Ok(());
        }
        let exchange = self.exchange(&exchange);
        self.authorize(Permission::Configure, exchange, MethodId::EXCHANGE_DELETE)
    }

    /// `queue.declare`: configure, on the generated name if one was asked for. Part of the
    /// declaration itself.
    ///
    /// # Errors
    ///
    /// 403.
    pub(super) fn authorize_queue_declare(&self, queue: &str) -> Result<(), AmqpError> {
        self.authorize(Permission::Configure, self.queue(queue), MethodId::QUEUE_DECLARE)
    }

    /// `queue.declare` of a new queue with a dead-letter exchange: read on the queue, write on
    /// the exchange.
    ///
    /// # Errors
    ///
    /// 403.
    pub(super) fn authorize_dead_letter_exchange(
        &self,
        queue: &str,
        arguments: &FieldTable,
    ) -> Result<(), AmqpError> {
        let onward = arguments.get("x-dead-letter-exchange");
        self.authorize_onward(self.queue(queue), onward, MethodId::QUEUE_DECLARE)
    }

    /// `queue.delete`: configure.
    ///
    /// # Errors
    ///
    /// 403.
    pub(crate) fn authorize_queue_delete(&self, queue: &ShortString) -> Result<(), AmqpError> {
        let queue = stripped(queue);
        self.authorize(Permission::Configure, self.queue(&queue), MethodId::QUEUE_DELETE)
    }

    /// `queue.purge`: read.
    ///
    /// # Errors
    ///
    /// 403.
    pub(crate) fn authorize_queue_purge(&self, queue: &str) -> Result<(), AmqpError> {
        self.authorize(Permission::Read, self.queue(queue), MethodId::QUEUE_PURGE)
    }

    /// `queue.bind`, `exchange.bind` and their opposites (`method` is which): write on the
    /// destination, read on the source, and its topic permission.
    ///
    /// # Errors
    ///
    /// 403, also for the default exchange, whose bindings are nobody's to make.
    pub(crate) fn authorize_binding(
        &self,
        request: &BindingRequest,
        method: MethodId,
    ) -> Result<(), AmqpError> {
        if self.authorization().is_none() {
            return Ok(());
        }
        match &request.destination {
            Destination::Queue(name) => {
                self.authorize(Permission::Write, self.queue(&stripped(name)), method)?;
            }
            Destination::Exchange(name) => {
                let name = stripped(name);
                self.authorize(Permission::Write, self.exchange(&name), method)?;
                check_not_default(&name, method)?;
            }
        }
        let source = stripped(&request.source);
        check_not_default(&source, method)?;
        self.authorize(Permission::Read, self.exchange(&source), method)?;
        self.authorize_topic(Permission::Read, &source, &request.routing_key, method)
    }

    /// `basic.consume`: read; direct replies are everybody's.
    ///
    /// # Errors
    ///
    /// 403.
    pub(crate) fn authorize_consume(&self, queue: &str) -> Result<(), AmqpError> {
        if *PSEUDO_QUEUE == *queue {
            return Ok(());
        }
        self.authorize(Permission::Read, self.queue(queue), MethodId::BASIC_CONSUME)
    }

    /// `basic.get`: read.
    ///
    /// # Errors
    ///
    /// 403.
    pub(crate) fn authorize_get(&self, queue: &str) -> Result<(), AmqpError> {
        self.authorize(Permission::Read, self.queue(queue), MethodId::BASIC_GET)
    }

    /// `basic.publish`: write, and the exchange's topic permission. An exchange that is not
    /// there or internal has no topics: what is wrong with it comes from the operation itself.
    ///
    /// # Errors
    ///
    /// 403.
    pub(crate) fn authorize_publish(
        &self,
        exchange: &ShortString,
        routing_key: &ShortString,
    ) -> Result<(), AmqpError> {
        const METHOD: MethodId = MethodId::BASIC_PUBLISH;
        self.authorize(Permission::Write, self.exchange(exchange), METHOD)?;
        self.authorize_topic(Permission::Write, exchange, routing_key, METHOD)
    }

    /// `basic.publish` with `CC` or `BCC`: each of their keys is a topic too, as RabbitMQ has it from
    /// 4.0 on. In 3.10 they lead past the topic permissions.
    ///
    /// # Errors
    ///
    /// 403.
    pub(crate) fn authorize_copies(
        &self,
        exchange: &ShortString,
        copies: &[Box<str>],
    ) -> Result<(), AmqpError> {
        copies.iter().try_for_each(|key| {
            self.authorize_topic(Permission::Write, exchange, key, MethodId::BASIC_PUBLISH)
        })
    }

    /// `basic.publish` with the property `user_id`: it must be the user's own name.
    ///
    /// # Errors
    ///
    /// 406 `user_id property set to 'a' but authenticated user was 'b'`.
    pub(crate) fn authorize_user_id(&self, user_id: &str) -> Result<(), AmqpError> {
        match self.user().map(|user| user.current()) {
            Some(user) if !user.may_publish_as(user_id) => Err(AmqpError::new(
                ReplyCode::PreconditionFailed,
                MethodId::BASIC_PUBLISH,
                format_args!(
                    "user_id property set to '{user_id}' but authenticated user was '{}'",
                    user.name()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// What passes through `from` goes on to the exchange that the argument names: to read it
    /// there and to write it here must be allowed. An argument that is no text is another error.
    fn authorize_onward(
        &self,
        from: Resource<'_>,
        exchange: Option<&FieldValue>,
        method: MethodId,
    ) -> Result<(), AmqpError> {
        let Some(exchange) = exchange.and_then(FieldValue::as_str) else { return Ok(()) };
        self.authorize(Permission::Read, from, method)?;
        self.authorize(Permission::Write, self.exchange(exchange), method)
    }

    fn queue<'a>(&'a self, name: &'a str) -> Resource<'a> {
        Resource::queue(name, self.virtual_host().name())
    }

    fn exchange<'a>(&'a self, name: &'a str) -> Resource<'a> {
        Resource::exchange(name, self.virtual_host().name())
    }
}

fn refused(
    method: MethodId,
    what: impl std::fmt::Display,
    authorization: &Authorization,
) -> AmqpError {
    AmqpError::new(
        ReplyCode::AccessRefused,
        method,
        format_args!("access to {what} refused for user '{}'", authorization.user.current().name()),
    )
}

#[cfg(test)]
mod tests;
