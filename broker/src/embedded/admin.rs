//! What can be changed while the broker runs.

use super::Broker;
use crate::definitions;
use crate::engine::admin::AdminError;
use crate::model::access::{Permissions, TopicPermissions, User};
use crate::model::definitions::{DefinitionsError, Imported};
use crate::model::limits::{UserLimits, VirtualHostLimits};
use crate::model::policy::{Policy, PolicyKind};
use crate::model::virtual_host::VirtualHostOptions;

impl Broker {
    /// Imports definitions in RabbitMQ's JSON, as `rabbitmqctl export_definitions` writes them: all
    /// of them, or nothing.
    ///
    /// They are added to what is there. Users, permissions, policies and limits that are there are
    /// overwritten. A queue or exchange that is there has to be the same (RabbitMQ says nothing and
    /// keeps its own). Bindings whose ends are missing, queues whose names begin with `amq.`, and
    /// parts that the broker does not know are left out, which [`Imported::warnings`] says.
    ///
    /// ```
    /// use springhare_broker::Broker;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = Broker::builder().start()?;
    /// let json = r#"{"queues": [{
    ///     "name": "orders", "vhost": "/", "durable": true, "auto_delete": false,
    ///     "arguments": {"x-max-priority": 300}
    /// }]}"#;
    /// let error = broker.import_definitions(json).unwrap_err();
    /// assert_eq!(error.faults()[0].path, "$.queues[0].arguments.x-max-priority");
    ///
    /// let imported = broker.import_definitions(&json.replace("300", "9"))?;
    /// assert_eq!(imported.queues, 1);
    /// assert!(broker.export_definitions().contains("x-max-priority"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its place. Then nothing was applied.
    pub fn import_definitions(&self, json: &str) -> Result<Imported, DefinitionsError> {
        definitions::import(self.cell(), json)
    }

    /// All users, virtual hosts, permissions, policies, queues, exchanges and bindings in RabbitMQ's
    /// JSON, as `rabbitmqctl import_definitions` takes it; not what belongs to a connection.
    #[must_use]
    pub fn export_definitions(&self) -> String {
        definitions::export(self.cell())
    }

    /// The same of one virtual host, without users and permissions.
    ///
    /// # Errors
    ///
    /// There is no such virtual host.
    pub fn export_virtual_host(&self, name: &str) -> Result<String, AdminError> {
        let host = self.cell().find_virtual_host(name)?;
        Ok(definitions::export_virtual_host(self.cell(), &host))
    }

    /// Adds a virtual host: exchanges, queues and bindings of its own. One that is there gets the
    /// options.
    ///
    /// # Errors
    ///
    /// The name is longer than 255 bytes.
    pub fn add_virtual_host(
        &self,
        name: &str,
        options: VirtualHostOptions,
    ) -> Result<(), AdminError> {
        self.cell().add_virtual_host(name, options)
    }

    /// Deletes a virtual host with everything in it and all permissions for it. Its connections are
    /// closed with 320 `vhost 'v' is deleted`, those of this process too.
    ///
    /// # Errors
    ///
    /// There is no such virtual host, or it is `/`, which is always there.
    pub fn delete_virtual_host(&self, name: &str) -> Result<(), AdminError> {
        self.cell().delete_virtual_host(name)
    }

    /// Limits how much a virtual host may have; what it has already stays.
    ///
    /// # Errors
    ///
    /// There is no such virtual host.
    pub fn set_virtual_host_limits(
        &self,
        name: &str,
        limits: VirtualHostLimits,
    ) -> Result<(), AdminError> {
        self.cell().set_virtual_host_limits(name, limits)
    }

    /// Adds a user. One of the same name gets its password and its tags, and the limits and
    /// permissions that it says something of; connections that are open stay open.
    ///
    /// ```
    /// use springhare_broker::{Broker, Permissions, User};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = Broker::builder().start()?;
    /// broker.set_user(User::new("alice", "secret"))?;
    /// broker.set_permissions("alice", "/", Permissions::new("^alice\\.", ".*", "^alice\\.")?)?;
    /// broker.delete_user("alice")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// It has permissions for a virtual host that is not there, or the operating system has no
    /// random bytes for the password's hash.
    pub fn set_user(&self, user: User) -> Result<(), AdminError> {
        self.cell().set_user(user)
    }

    /// Deletes a user, and closes its connections with 320 `user 'u' is deleted`.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub fn delete_user(&self, name: &str) -> Result<(), AdminError> {
        self.cell().delete_user(name)
    }

    /// Limits how much a user may have; what it has already stays.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub fn set_user_limits(&self, name: &str, limits: UserLimits) -> Result<(), AdminError> {
        self.cell().set_user_limits(name, limits)
    }

    /// Allows a user to open a virtual host, and there what the permissions say. It counts at once,
    /// for connections that are open too.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host.
    pub fn set_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        permissions: Permissions,
    ) -> Result<(), AdminError> {
        self.cell().set_permissions(user, virtual_host, Some(permissions))
    }

    /// Allows a user nothing in a virtual host. Its connections stay open, as do its consumers.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host.
    pub fn clear_permissions(&self, user: &str, virtual_host: &str) -> Result<(), AdminError> {
        self.cell().set_permissions(user, virtual_host, None)
    }

    /// Restricts the routing keys with which a user may use a topic exchange of a virtual host.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host, or a pattern is wrong.
    pub fn set_topic_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        topics: TopicPermissions<'_>,
    ) -> Result<(), AdminError> {
        self.cell().set_topic_permissions(user, virtual_host, topics)
    }

    /// Restricts no routing keys of this exchange any more, or of all in the virtual host.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host.
    pub fn clear_topic_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        exchange: Option<&str>,
    ) -> Result<(), AdminError> {
        self.cell().clear_topic_permissions(user, virtual_host, exchange)
    }

    /// Adds a policy, or puts it in the place of the one of its name. It counts at once, for the
    /// queues and exchanges that are there too.
    ///
    /// # Errors
    ///
    /// There is no such virtual host, or the policy is wrong.
    pub fn set_policy(&self, virtual_host: &str, policy: Policy) -> Result<(), AdminError> {
        self.cell().set_policy(virtual_host, PolicyKind::User, policy)
    }

    /// Takes a policy out.
    ///
    /// # Errors
    ///
    /// There is no such virtual host or policy.
    pub fn clear_policy(&self, virtual_host: &str, name: &str) -> Result<(), AdminError> {
        self.cell().clear_policy(virtual_host, PolicyKind::User, name)
    }

    /// As [`set_policy`](Self::set_policy), for the operator's policies: one of them counts beside
    /// the other policy, and of two limits the lower.
    ///
    /// # Errors
    ///
    /// There is no such virtual host, or the policy is wrong: an operator's has limits only.
    pub fn set_operator_policy(
        &self,
        virtual_host: &str,
        policy: Policy,
    ) -> Result<(), AdminError> {
        self.cell().set_policy(virtual_host, PolicyKind::Operator, policy)
    }

    /// Takes an operator's policy out.
    ///
    /// # Errors
    ///
    /// There is no such virtual host or policy.
    pub fn clear_operator_policy(&self, virtual_host: &str, name: &str) -> Result<(), AdminError> {
        self.cell().clear_policy(virtual_host, PolicyKind::Operator, name)
    }
}
