//! A broker with an operator.

use std::net::{Ipv4Addr, SocketAddr};

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use springhare_broker::{
    Broker, Permissions, QueueType, User, UserLimits, VirtualHostLimits, VirtualHostOptions,
};
use springhare_tests::{RabbitMq, eventually, within_limit};

/// The user and the virtual host of these tests.
pub(crate) const USER: &str = "tester";
pub(crate) const HOST: &str = "tested";

/// One of both kinds.
#[derive(Debug)]
pub(crate) enum Operated {
    Ours(Broker),
    /// A node of a test's own.
    RabbitMq(Box<RabbitMq>),
}

impl Operated {
    pub(crate) fn ours() -> Self {
        let listening = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::Ours(Broker::builder().listen(listening).start().unwrap())
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(broker) => broker.local_addrs()[0],
            Self::RabbitMq(node) => node.address(),
        }
    }

    /// Opens a connection of [`USER`] to [`HOST`].
    pub(crate) async fn connect(&self) -> Result<Connection, String> {
        let url = format!("amqp://{USER}:secret@{}/{HOST}", self.address());
        let connecting = Connection::connect(&url, ConnectionProperties::default());
        within_limit("an answer", connecting).await.map_err(|error| error.to_string())
    }

    /// Adds the virtual host, with a default type of queues, and the user with all permissions.
    pub(crate) async fn set_up(&self, default_queue_type: Option<QueueType>) {
        match self {
            Self::Ours(broker) => {
                let options = VirtualHostOptions { default_queue_type, ..Default::default() };
                broker.add_virtual_host(HOST, options).await.unwrap();
                broker.set_user(User::new(USER, "secret")).await.unwrap();
            }
            Self::RabbitMq(node) => {
                let queue_type = default_queue_type
                    .map_or("undefined".to_owned(), |of| format!("<<\"{}\">>", of.as_str()));
                evaluate(
                    node,
                    &format!(
                        "ok = rabbit_vhost:put_vhost(<<\"{HOST}\">>, <<>>, <<>>, {queue_type}, \
                         undefined, <<\"test\">>), \
                         ok = rabbit_auth_backend_internal:put_user(#{{name => <<\"{USER}\">>, \
                         password => <<\"secret\">>, tags => <<>>}}, <<\"test\">>)"
                    ),
                );
            }
        }
        self.set_permissions(".*").await;
    }

    /// Allows everything whose name matches.
    pub(crate) async fn set_permissions(&self, pattern: &str) {
        match self {
            Self::Ours(broker) => {
                let permissions = Permissions::new(pattern, pattern, pattern).unwrap();
                broker.set_permissions(USER, HOST, permissions).await.unwrap();
            }
            Self::RabbitMq(node) => evaluate(
                node,
                &format!(
                    "ok = rabbit_auth_backend_internal:set_permissions(<<\"{USER}\">>, \
                     <<\"{HOST}\">>, <<\"{pattern}\">>, <<\"{pattern}\">>, <<\"{pattern}\">>, \
                     <<\"test\">>)"
                ),
            ),
        }
    }

    pub(crate) async fn limit_user(&self, limits: UserLimits) {
        match self {
            Self::Ours(broker) => broker.set_user_limits(USER, limits).await.unwrap(),
            Self::RabbitMq(node) => evaluate(
                node,
                &format!(
                    "rabbit_auth_backend_internal:clear_user_limits(<<\"{USER}\">>, <<\"all\">>, \
                     <<\"test\">>), \
                     ok = rabbit_auth_backend_internal:set_user_limits(<<\"{USER}\">>, #{{{}{}}}, \
                     <<\"test\">>)",
                    entry("max-connections", limits.max_connections, ""),
                    entry("max-channels", limits.max_channels, comma(limits.max_connections)),
                ),
            ),
        }
    }

    pub(crate) async fn limit_host(&self, limits: VirtualHostLimits) {
        match self {
            Self::Ours(broker) => broker.set_virtual_host_limits(HOST, limits).await.unwrap(),
            Self::RabbitMq(node) => evaluate(
                node,
                &format!(
                    "ok = rabbit_vhost_limit:set(<<\"{HOST}\">>, maps:to_list(#{{{}{}}}), \
                     <<\"test\">>)",
                    entry("max-connections", limits.max_connections, ""),
                    entry("max-queues", limits.max_queues, comma(limits.max_connections)),
                ),
            ),
        }
    }

    pub(crate) async fn delete_user(&self) {
        match self {
            Self::Ours(broker) => broker.delete_user(USER).await.unwrap(),
            Self::RabbitMq(node) => evaluate(
                node,
                &format!(
                    "ok = rabbit_auth_backend_internal:delete_user(<<\"{USER}\">>, <<\"test\">>)"
                ),
            ),
        }
    }

    pub(crate) async fn delete_host(&self) {
        match self {
            Self::Ours(broker) => broker.delete_virtual_host(HOST).await.unwrap(),
            Self::RabbitMq(node) => {
                evaluate(node, &format!("ok = rabbit_vhost:delete(<<\"{HOST}\">>, <<\"test\">>)"));
            }
        }
    }

    /// Waits until RabbitMQ, which counts when it comes to it, has counted the user's.
    pub(crate) async fn has_counted(&self, connections: usize, channels: usize) {
        let Self::RabbitMq(node) = self else { return };
        let counts = || async {
            let counted = node.node().evaluate(&format!(
                "{{rabbit_connection_tracking:count_tracked_items_in({{user, <<\"{USER}\">>}}), \
                 rabbit_channel_tracking:count_tracked_items_in({{user, <<\"{USER}\">>}})}}"
            ));
            (counted.unwrap() == format!("{{{connections}, {channels}}}")).then_some(())
        };
        eventually(
            &format!("{connections} connections and {channels} channels are counted"),
            counts,
        )
        .await;
    }
}

fn evaluate(node: &RabbitMq, expression: &str) {
    node.node().evaluate(expression).unwrap();
}

fn entry(key: &str, value: Option<i64>, before: &str) -> String {
    value.map_or(String::new(), |value| format!("{before}<<\"{key}\">> => {value}"))
}

fn comma(before: Option<i64>) -> &'static str {
    if before.is_some() { ", " } else { "" }
}

/// Declares a durable queue; what is said if that is refused.
pub(crate) async fn declare(channel: &Channel, queue: &str, arguments: FieldTable) -> String {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declaring = channel.queue_declare(queue.into(), options, arguments);
    match within_limit("an answer", declaring).await {
        Ok(_) => "declared".to_owned(),
        Err(error) => error.to_string(),
    }
}
