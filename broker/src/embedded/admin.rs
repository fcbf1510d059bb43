//! What can be changed while the broker runs.

use std::sync::Arc;

use super::Broker;
use crate::definitions;
use crate::engine::admin::AdminError;
use crate::engine::broker_cell::BrokerCell;
use crate::model::access::{Permissions, TopicPermissions, User};
use crate::model::definitions::Imported;
use crate::model::limits::{UserLimits, VirtualHostLimits};
use crate::model::policy::{Policy, PolicyKind};
use crate::model::virtual_host::VirtualHostOptions;

/// On a broker with a data folder a change is on the disk when its future is ready. It is made at the
/// first poll: dropping the future later only leaves unknown whether the change will survive the
/// broker.
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
    /// use springhare_broker::{AdminError, Broker};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let broker = Broker::builder().start()?;
    /// let json = r#"{"queues": [{
    ///     "name": "orders", "vhost": "/", "durable": true, "auto_delete": false,
    ///     "arguments": {"x-max-priority": 300}
    /// }]}"#;
    /// let Err(AdminError::Definitions(error)) = broker.import_definitions(json).await else {
    ///     return Err("a queue has at most 255 priorities".into());
    /// };
    /// assert_eq!(error.faults()[0].path, "$.queues[0].arguments.x-max-priority");
    ///
    /// let imported = broker.import_definitions(&json.replace("300", "9")).await?;
    /// assert_eq!(imported.queues, 1);
    /// assert!(broker.export_definitions().contains("x-max-priority"));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`AdminError::Definitions`] has everything that is wrong, each with its place. Then nothing was
    /// applied.
    pub async fn import_definitions(&self, json: &str) -> Result<Imported, AdminError> {
        self.change(|cell| Ok(definitions::import(cell, json)?)).await
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
    pub async fn add_virtual_host(
        &self,
        name: &str,
        options: VirtualHostOptions,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.add_virtual_host(name, options)).await
    }

    /// Deletes a virtual host with everything in it and all permissions for it. Its connections are
    /// closed with 320 `vhost 'v' is deleted`, those of this process too.
    ///
    /// # Errors
    ///
    /// There is no such virtual host, or it is `/`, which is always there.
    pub async fn delete_virtual_host(&self, name: &str) -> Result<(), AdminError> {
        self.change(|cell| cell.delete_virtual_host(name)).await
    }

    /// Limits how much a virtual host may have; what it has already stays.
    ///
    /// # Errors
    ///
    /// There is no such virtual host.
    pub async fn set_virtual_host_limits(
        &self,
        name: &str,
        limits: VirtualHostLimits,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.set_virtual_host_limits(name, limits)).await
    }

    /// Adds a user. One of the same name gets its password and its tags, and the limits and
    /// permissions that it says something of; connections that are open stay open.
    ///
    /// ```
    /// use springhare_broker::{Broker, Permissions, User};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let broker = Broker::builder().start()?;
    /// broker.set_user(User::new("alice", "secret")).await?;
    /// let permissions = Permissions::new("^alice\\.", ".*", "^alice\\.")?;
    /// broker.set_permissions("alice", "/", permissions).await?;
    /// broker.delete_user("alice").await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// It has permissions for a virtual host that is not there, or the operating system has no
    /// random bytes for the password's hash.
    pub async fn set_user(&self, user: User) -> Result<(), AdminError> {
        self.change(|cell| cell.set_user(user)).await
    }

    /// Deletes a user, and closes its connections with 320 `user 'u' is deleted`.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub async fn delete_user(&self, name: &str) -> Result<(), AdminError> {
        self.change(|cell| cell.delete_user(name)).await
    }

    /// Limits how much a user may have; what it has already stays.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub async fn set_user_limits(&self, name: &str, limits: UserLimits) -> Result<(), AdminError> {
        self.change(|cell| cell.set_user_limits(name, limits)).await
    }

    /// Allows a user to open a virtual host, and there what the permissions say. It counts at once,
    /// for connections that are open too.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host.
    pub async fn set_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        permissions: Permissions,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.set_permissions(user, virtual_host, Some(permissions))).await
    }

    /// Allows a user nothing in a virtual host. Its connections stay open, as do its consumers.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host.
    pub async fn clear_permissions(
        &self,
        user: &str,
        virtual_host: &str,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.set_permissions(user, virtual_host, None)).await
    }

    /// Restricts the routing keys with which a user may use a topic exchange of a virtual host.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host, or a pattern is wrong.
    pub async fn set_topic_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        topics: TopicPermissions<'_>,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.set_topic_permissions(user, virtual_host, topics)).await
    }

    /// Restricts no routing keys of this exchange any more, or of all in the virtual host.
    ///
    /// # Errors
    ///
    /// There is no such user or virtual host.
    pub async fn clear_topic_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        exchange: Option<&str>,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.clear_topic_permissions(user, virtual_host, exchange)).await
    }

    /// Adds a policy, or puts it in the place of the one of its name. It counts at once, for the
    /// queues and exchanges that are there too.
    ///
    /// # Errors
    ///
    /// There is no such virtual host, or the policy is wrong.
    pub async fn set_policy(&self, virtual_host: &str, policy: Policy) -> Result<(), AdminError> {
        self.change(|cell| cell.set_policy(virtual_host, PolicyKind::User, policy)).await
    }

    /// Takes a policy out.
    ///
    /// # Errors
    ///
    /// There is no such virtual host or policy.
    pub async fn clear_policy(&self, virtual_host: &str, name: &str) -> Result<(), AdminError> {
        self.change(|cell| cell.clear_policy(virtual_host, PolicyKind::User, name)).await
    }

    /// As [`set_policy`](Self::set_policy), for the operator's policies: one of them counts beside
    /// the other policy, and of two limits the lower.
    ///
    /// # Errors
    ///
    /// There is no such virtual host, or the policy is wrong: an operator's has limits only.
    pub async fn set_operator_policy(
        &self,
        virtual_host: &str,
        policy: Policy,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.set_policy(virtual_host, PolicyKind::Operator, policy)).await
    }

    /// Takes an operator's policy out.
    ///
    /// # Errors
    ///
    /// There is no such virtual host or policy.
    pub async fn clear_operator_policy(
        &self,
        virtual_host: &str,
        name: &str,
    ) -> Result<(), AdminError> {
        self.change(|cell| cell.clear_policy(virtual_host, PolicyKind::Operator, name)).await
    }

    /// Changes something, and waits until that is safe.
    async fn change<T>(
        &self,
        change: impl FnOnce(&Arc<BrokerCell>) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let changed = change(self.cell())?;
        let shared = self.cell().shared();
        let synced = shared.synced(shared.definitions_end()).await;
        synced.map_err(|failure| AdminError::NotStored { reason: failure.to_string() })?;
        Ok(changed)
    }
}
