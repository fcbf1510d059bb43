//! The texts were seen on RabbitMQ 3.10.8.

use std::collections::BTreeSet;

use springhare_amqp::{AmqpError, FieldTable, MethodId, ReplyCode};

use super::*;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engine::connection_cell::ConnectionCell;
use crate::engine::shared::Shared;
use crate::engine::users::Users;
use crate::model::arguments::QueueType;
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};
use crate::model::exchange::ExchangeKind;

fn broker() -> Arc<BrokerCell> {
    let alice = User::new("alice", "secret").permissions("/", Permissions::all());
    let users = Users::new([alice], BTreeSet::new()).unwrap();
    let broker = BrokerCell::new(Shared::new(BrokerConfig::default(), Clock::default()), [], users);
    broker.add_virtual_host("orders", VirtualHostOptions::default()).unwrap();
    broker.set_permissions("alice", "orders", Some(Permissions::all())).unwrap();
    Arc::new(broker)
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn open(broker: &Arc<BrokerCell>, virtual_host: &str) -> Result<Arc<ConnectionCell>, String> {
    let alice = broker.authenticate("alice", b"secret", None).map_err(|error| error.to_string())?;
    let opened = broker.connect_user(ShortString::EMPTY, virtual_host, alice);
    opened.map_err(|error| error.to_string())
}

fn declare(connection: &ConnectionCell, queue: &str) -> Result<(), AmqpError> {
    let declaration = QueueDeclaration {
        name: name(queue),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: FieldTable::new(),
    };
    connection.virtual_host().queue_declare(connection, declaration).map(drop)
}

fn refused(result: Result<(), AdminError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_deleted_virtual_host_is_gone_with_all_it_had() {
    let broker = broker();
    let connection = open(&broker, "orders").unwrap();
    let own = broker.connect_to("orders", ShortString::EMPTY).unwrap();
    let other = open(&broker, "/").unwrap();
    declare(&connection, "q").unwrap();
    let host = Arc::clone(connection.virtual_host());
    let channel = connection.open_channel().unwrap();
    broker.delete_virtual_host("orders").unwrap();
    for closed in [&connection, &own] {
        let reason = closed.close_reason().unwrap();
        assert_eq!(reason.to_string(), "320 CONNECTION_FORCED - vhost 'orders' is deleted");
        assert_eq!(reason.method(), MethodId::NONE);
    }
    assert!(other.is_open() && !channel.is_open());
    assert_eq!(host.topology().queue_count(), 0);
    assert_eq!(open(&broker, "orders").unwrap_err(), "530 NOT_ALLOWED - vhost orders not found");
    broker.add_virtual_host("orders", VirtualHostOptions::default()).unwrap();
    assert_eq!(
        open(&broker, "orders").unwrap_err(),
        "530 NOT_ALLOWED - access to vhost 'orders' refused for user 'alice'"
    );
}

#[test]
fn what_is_not_there_is_named() {
    let broker = broker();
    assert_eq!(refused(broker.delete_virtual_host("nope")), "Virtual host 'nope' does not exist");
    assert!(refused(broker.delete_virtual_host("/")).contains("always there"));
    let long = "v".repeat(256);
    let options = VirtualHostOptions::default();
    assert!(refused(broker.add_virtual_host(&long, options)).contains("longer than 255"));
    assert_eq!(refused(broker.delete_user("nope")), "User \"nope\" does not exist");
    for (user, host, missing) in [("nope", "/", "User"), ("alice", "nope", "Virtual host")] {
        let topics = TopicPermissions { exchange: "x", write: "", read: "" };
        for result in [
            broker.set_permissions(user, host, Some(Permissions::all())),
            broker.set_topic_permissions(user, host, topics),
            broker.clear_topic_permissions(user, host, None),
        ] {
            assert!(refused(result).starts_with(missing));
        }
    }
    let user = User::new("bob", "x").permissions("nope", Permissions::all());
    assert!(refused(broker.set_user(user)).contains("'nope'"));
    assert!(broker.authenticate("bob", b"x", None).is_err());
    assert_eq!(
        refused(broker.clear_policy("/", PolicyKind::User, "p")),
        "there is no policy 'p' in the virtual host '/'"
    );
    let wrong = TopicPermissions { exchange: "x", write: "(", read: "" };
    assert!(refused(broker.set_topic_permissions("alice", "/", wrong)).contains("write pattern"));
}

#[test]
fn a_deleted_users_connections_are_closed() {
    let broker = broker();
    let connection = open(&broker, "/").unwrap();
    let own = broker.connect(ShortString::EMPTY).unwrap();
    let cell = broker.authenticate("alice", b"secret", None).unwrap();
    broker.delete_user("alice").unwrap();
    let reason = connection.close_reason().unwrap();
    assert_eq!(reason.to_string(), "320 CONNECTION_FORCED - user 'alice' is deleted");
    assert!(own.is_open());
    assert!(open(&broker, "/").is_err());
    // Who logged in before is not let in either.
    assert!(broker.connect_user(ShortString::EMPTY, "/", cell).is_err());
}

#[test]
fn a_user_is_changed_but_keeps_what_is_not_said() {
    let broker = broker();
    let limits = UserLimits { max_channels: Some(3), ..UserLimits::default() };
    broker.set_user_limits("alice", limits).unwrap();
    broker.set_user(User::new("alice", "other").tag("management")).unwrap();
    assert!(open(&broker, "/").is_err());
    let alice = broker.authenticate("alice", b"other", None).unwrap();
    assert!(broker.connect_user(ShortString::EMPTY, "orders", Arc::clone(&alice)).is_ok());
    let alice = alice.current();
    assert_eq!((alice.tags(), alice.limits()), (&["management".to_owned()][..], limits));
}

/// On RabbitMQ a channel remembers what it was allowed, until it is closed.
#[test]
fn permissions_count_at_once() {
    let broker = broker();
    let connection = open(&broker, "/").unwrap();
    let publish =
        |exchange: &str| connection.authorize_publish(&name(exchange), &name("k")).is_ok();
    assert!(publish("amq.topic"));
    let only = |write| Some(Permissions::new("", write, "").unwrap());
    broker.set_permissions("alice", "/", only("^x")).unwrap();
    assert!(publish("x") && !publish("amq.topic"));
    broker.set_permissions("alice", "/", only("topic$")).unwrap();
    assert!(!publish("x") && publish("amq.topic"));
    let topics = TopicPermissions { exchange: "amq.topic", write: "^{username}", read: "" };
    broker.set_topic_permissions("alice", "/", topics).unwrap();
    assert!(!publish("amq.topic"));
    broker.clear_topic_permissions("alice", "/", Some("other")).unwrap();
    assert!(!publish("amq.topic"));
    broker.clear_topic_permissions("alice", "/", Some("amq.topic")).unwrap();
    assert!(publish("amq.topic"));
    broker.set_permissions("alice", "/", None).unwrap();
    assert!(!publish("amq.topic") && connection.is_open());
    assert!(open(&broker, "/").is_err());
}

#[test]
fn a_users_connections_and_channels_are_limited() {
    let broker = broker();
    let limit = |max_connections, max_channels| {
        broker.set_user_limits("alice", UserLimits { max_connections, max_channels }).unwrap();
    };
    limit(Some(2), Some(2));
    let connections = [open(&broker, "/").unwrap(), open(&broker, "orders").unwrap()];
    let refused = "530 NOT_ALLOWED - connection refused for user 'alice': user connection limit (2) \
                   is reached";
    assert_eq!(open(&broker, "/").unwrap_err(), refused);
    let channel = connections[0].open_channel().unwrap();
    connections[1].open_channel().unwrap();
    channel.close(None);
    connections[0].open_channel().unwrap();
    let error = connections[0].open_channel().unwrap_err();
    assert_eq!(
        error.to_string(),
        "530 NOT_ALLOWED - number of channels opened for user 'alice' has reached the maximum \
         allowed user limit of (2)"
    );
    assert_eq!((error.code(), error.method()), (ReplyCode::NotAllowed, MethodId::NONE));
    // It closed the connection, whose channel counts no more.
    assert!(!connections[0].is_open());
    connections[1].open_channel().unwrap();
    limit(Some(0), Some(-1));
    for _ in 0..5 {
        connections[1].open_channel().unwrap();
    }
    assert!(open(&broker, "/").unwrap_err().contains("limit (0)"));
    limit(Some(-1), None);
    assert!(open(&broker, "/").is_ok());
}

#[test]
fn a_virtual_hosts_connections_and_queues_are_limited() {
    let broker = broker();
    let limit = |max_connections, max_queues| {
        let limits = VirtualHostLimits { max_connections, max_queues };
        broker.set_virtual_host_limits("orders", limits).unwrap();
    };
    limit(Some(1), Some(1));
    let connection = open(&broker, "orders").unwrap();
    assert_eq!(
        open(&broker, "orders").unwrap_err(),
        "530 NOT_ALLOWED - access to vhost 'orders' refused for user 'alice': connection limit (1) \
         is reached"
    );
    let own = broker.connect_to("orders", ShortString::EMPTY).unwrap_err();
    assert_eq!(own.to_string(), "530 NOT_ALLOWED - connection limit (1) is reached");
    open(&broker, "/").unwrap();
    declare(&connection, "a").unwrap();
    let refused = "406 PRECONDITION_FAILED - cannot declare queue 'b': queue limit in vhost 'orders' \
                   (1) is reached";
    assert_eq!(declare(&connection, "b").unwrap_err().to_string(), refused);
    declare(&connection, "a").unwrap();
    limit(Some(-1), Some(-1));
    declare(&connection, "b").unwrap();
    open(&broker, "orders").unwrap();
    limit(None, Some(0));
    assert!(declare(&connection, "c").unwrap_err().to_string().contains("(0) is reached"));
    connection.close(None);
    assert!(refused_host(&broker));
}

fn refused_host(broker: &BrokerCell) -> bool {
    broker.set_virtual_host_limits("nope", VirtualHostLimits::default()).is_err()
}

#[test]
fn a_virtual_host_has_a_default_type_of_queues() {
    let broker = broker();
    let connection = open(&broker, "orders").unwrap();
    declare(&connection, "before").unwrap();
    let default_queue_type = Some(QueueType::Quorum);
    let options = VirtualHostOptions { default_queue_type, ..VirtualHostOptions::default() };
    broker.add_virtual_host("orders", options).unwrap();
    declare(&connection, "q").unwrap();
    let queue = connection.virtual_host().topology().queue("q").cloned().unwrap();
    assert_eq!(queue.definition().arguments.queue_type, QueueType::Quorum);
    // A declaration without a type is one of the default type, here and there.
    declare(&connection, "q").unwrap();
    assert_eq!(
        declare(&connection, "before").unwrap_err().to_string(),
        "406 PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'before' in vhost \
         'orders': received the value 'quorum' of type 'longstr' but current is none"
    );
    let mut server_named = QueueDeclaration {
        name: ShortString::EMPTY,
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: FieldTable::new(),
    };
    let host = connection.virtual_host();
    assert_eq!(
        host.queue_declare(&connection, server_named.clone()).unwrap_err().to_string(),
        "406 PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue"
    );
    server_named.exclusive = true;
    assert!(host.queue_declare(&connection, server_named).is_ok());
}

#[test]
fn policies_count_for_what_is_there_and_for_what_comes() {
    let broker = broker();
    let connection = open(&broker, "orders").unwrap();
    let host = connection.virtual_host();
    let exchange = |name: &'static str| ExchangeDefinition {
        name: ShortString::from_static(name),
        kind: ExchangeKind::Direct,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::new(),
    };
    let alternate = |name: &str| host.topology().alternate(name).cloned();
    let length = |name: &str| {
        let queue = host.topology().queue(name).cloned().unwrap();
        queue.settings().limits.messages
    };
    declare(&connection, "q1").unwrap();
    host.exchange_declare(&connection, exchange("x1")).unwrap();
    let policy = |name: &str, length: i32| {
        Policy::new(name, "^[qx]").set("max-length", length).set("alternate-exchange", "amq.fanout")
    };
    broker.set_policy("orders", PolicyKind::User, policy("p", 5)).unwrap();
    declare(&connection, "q2").unwrap();
    declare(&connection, "other").unwrap();
    host.exchange_declare(&connection, exchange("x2")).unwrap();
    let seen = || ["q1", "q2", "other"].map(length);
    assert_eq!(seen(), [Some(5), Some(5), None]);
    for name in ["x1", "x2"] {
        assert_eq!(alternate(name).unwrap(), "amq.fanout");
    }
    assert!(alternate("amq.direct").is_none());
    let operator = Policy::new("o", "").set("max-length", 3);
    broker.set_policy("orders", PolicyKind::Operator, operator).unwrap();
    assert_eq!(seen(), [Some(3); 3]);
    broker.clear_policy("orders", PolicyKind::User, "p").unwrap();
    assert_eq!(seen(), [Some(3); 3]);
    assert!(alternate("x1").is_none() && alternate("x2").is_none());
    broker.clear_policy("orders", PolicyKind::Operator, "o").unwrap();
    assert_eq!(seen(), [None; 3]);
    let wrong = broker.set_policy("orders", PolicyKind::User, Policy::new("p", "("));
    assert!(refused(wrong).starts_with("Validation failed"));
    assert!(broker.set_policy("nope", PolicyKind::User, policy("p", 1)).is_err());
}
