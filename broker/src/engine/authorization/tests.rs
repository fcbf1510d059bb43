//! Every operation with every permission; the texts and their order are those seen on
//! RabbitMQ 3.10.8.

use std::collections::BTreeSet;

use springhare_amqp::{BasicProperties, Message};

use super::*;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engine::broker_cell::BrokerCell;
use crate::engine::publish::{Publish, Publishing};
use crate::engine::shared::Shared;
use crate::engine::users::Users;
use crate::model::access::{Permissions, TopicPermissions, User};
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};

use Permission::{Configure, Read, Write};

/// A permission that an operation needs, and the resource as the error calls it.
type Need = (Permission, &'static str, &'static str);

/// An operation, with what it needs in the order in which it is asked for.
struct Operation {
    name: &'static str,
    method: MethodId,
    needs: &'static [Need],
    run: fn(&ConnectionCell) -> Result<(), AmqpError>,
}

fn operation(
    name: &'static str,
    method: MethodId,
    needs: &'static [Need],
    run: fn(&ConnectionCell) -> Result<(), AmqpError>,
) -> Operation {
    Operation { name, method, needs, run }
}

fn declarations() -> [Operation; 8] {
    const EXCHANGE: MethodId = MethodId::EXCHANGE_DECLARE;
    const QUEUE: MethodId = MethodId::QUEUE_DECLARE;
    [
        operation("a new exchange", EXCHANGE, &[(Configure, "exchange", "new")], |c| {
            declare_exchange(c, "n\rew\n", FieldTable::new())
        }),
        operation(
            "a new exchange with an alternate",
            EXCHANGE,
            &[(Configure, "exchange", "new"), (Read, "exchange", "new"), (Write, "exchange", "x")],
            |c| declare_exchange(c, "new", with("alternate-exchange", "x")),
        ),
        operation("a known exchange", EXCHANGE, &[(Configure, "exchange", "ae")], |c| {
            declare_exchange(c, "ae", with("alternate-exchange", "x"))
        }),
        operation("a new queue", QUEUE, &[(Configure, "queue", "new")], |c| {
            declare_queue(c, "n\rew\n", FieldTable::new())
        }),
        operation(
            "a new queue with a dead-letter exchange",
            QUEUE,
            &[(Configure, "queue", "new"), (Read, "queue", "new"), (Write, "exchange", "x")],
            |c| declare_queue(c, "new", with("x-dead-letter-exchange", "x")),
        ),
        operation(
            "a new queue with the default exchange for dead letters",
            QUEUE,
            &[
                (Configure, "queue", "new"),
                (Read, "queue", "new"),
                (Write, "exchange", "amq.default"),
            ],
            |c| declare_queue(c, "new", with("x-dead-letter-exchange", "")),
        ),
        operation("a known queue", QUEUE, &[(Configure, "queue", "dlq")], |c| {
            declare_queue(c, "dlq", with("x-dead-letter-exchange", "x"))
        }),
        operation("an alternate for a reserved name", EXCHANGE, &[], |c| {
            let refused = declare_exchange(c, "", with("alternate-exchange", "x")).unwrap_err();
            assert_eq!(refused.text(), NOT_ON_DEFAULT);
            Ok(())
        }),
    ]
}

const NOT_ON_DEFAULT: &str = "ACCESS_REFUSED - operation not permitted on the default exchange";

fn deletions_and_bindings() -> [Operation; 9] {
    const ENDS: &[Need] = &[(Write, "queue", "q"), (Read, "exchange", "x")];
    const EXCHANGES: &[Need] = &[(Write, "exchange", "y"), (Read, "exchange", "x")];
    [
        operation(
            "exchange.delete",
            MethodId::EXCHANGE_DELETE,
            &[(Configure, "exchange", "x")],
            |c| c.authorize_exchange_delete(&name("x\n")),
        ),
        operation("exchange.delete of the broker's own", MethodId::EXCHANGE_DELETE, &[], |c| {
            c.authorize_exchange_delete(&name("amq.direct"))?;
            c.authorize_exchange_delete(&name(""))
        }),
        operation("queue.delete", MethodId::QUEUE_DELETE, &[(Configure, "queue", "gone")], |c| {
            c.authorize_queue_delete(&name("go\rne"))
        }),
        operation("queue.purge", MethodId::QUEUE_PURGE, &[(Read, "queue", "q")], |c| {
            c.authorize_queue_purge("q")
        }),
        operation("queue.bind", MethodId::QUEUE_BIND, ENDS, |c| {
            c.authorize_binding(&to_queue("x"), MethodId::QUEUE_BIND)
        }),
        operation("queue.unbind", MethodId::QUEUE_UNBIND, ENDS, |c| {
            c.authorize_binding(&to_queue("x"), MethodId::QUEUE_UNBIND)
        }),
        operation("exchange.bind", MethodId::EXCHANGE_BIND, EXCHANGES, |c| {
            c.authorize_binding(&to_exchange("x", "y"), MethodId::EXCHANGE_BIND)
        }),
        operation("exchange.unbind", MethodId::EXCHANGE_UNBIND, EXCHANGES, |c| {
            c.authorize_binding(&to_exchange("x", "y"), MethodId::EXCHANGE_UNBIND)
        }),
        operation(
            "queue.bind to the default exchange",
            MethodId::QUEUE_BIND,
            &[(Write, "queue", "q")],
            |c| {
                // This process is not asked here; the operation says the same then.
                match c.authorize_binding(&to_queue(""), MethodId::QUEUE_BIND) {
                    Err(error) if error.text() == NOT_ON_DEFAULT => Ok(()),
                    other => other,
                }
            },
        ),
    ]
}

fn messages() -> [Operation; 5] {
    [
        operation("basic.publish", MethodId::BASIC_PUBLISH, &[(Write, "exchange", "x")], |c| {
            c.authorize_publish(&name("x"), &name("k"))
        }),
        operation(
            "basic.publish to a queue",
            MethodId::BASIC_PUBLISH,
            &[(Write, "exchange", "amq.default")],
            |c| c.authorize_publish(&name(""), &name("q")),
        ),
        operation("basic.consume", MethodId::BASIC_CONSUME, &[(Read, "queue", "q")], |c| {
            c.authorize_consume("q")
        }),
        operation("basic.consume of replies", MethodId::BASIC_CONSUME, &[], |c| {
            c.authorize_consume("amq.rabbitmq.reply-to")
        }),
        operation("basic.get", MethodId::BASIC_GET, &[(Read, "queue", "zz")], |c| {
            c.authorize_get("zz")
        }),
    ]
}

fn operations() -> impl Iterator<Item = Operation> {
    declarations().into_iter().chain(deletions_and_bindings()).chain(messages())
}

/// A broker with the exchanges `x`, `y` and `ae`, the topic exchange `t` and the queues `q` and
/// `dlq`, and a connection of this user to it.
fn connected(user: User) -> Arc<ConnectionCell> {
    let users = Users::new([user], BTreeSet::new()).unwrap();
    let other = [ShortString::from_static("other")];
    let broker =
        BrokerCell::new(Shared::new(BrokerConfig::default(), Clock::default()), other, users);
    let broker = Arc::new(broker);
    let own = broker.connect(ShortString::EMPTY).unwrap();
    for exchange in ["x", "y"] {
        declare_exchange(&own, exchange, FieldTable::new()).unwrap();
    }
    declare_exchange(&own, "ae", with("alternate-exchange", "x")).unwrap();
    declare_queue(&own, "q", FieldTable::new()).unwrap();
    declare_queue(&own, "dlq", with("x-dead-letter-exchange", "x")).unwrap();
    for (exchange, internal) in [("t", false), ("internal", true)] {
        let topic = ExchangeDefinition { internal, ..exchange_of(exchange, ExchangeKind::Topic) };
        own.virtual_host().exchange_declare(&own, topic).unwrap();
    }
    let user = broker.authenticate("u", b"secret", None).unwrap();
    broker.connect_user(ShortString::EMPTY, "/", user).unwrap()
}

fn user(permissions: Permissions) -> User {
    User::new("u", "secret").permissions("/", permissions)
}

/// Permissions for exactly these names.
fn permissions<'n>(needs: impl IntoIterator<Item = &'n Need>) -> Permissions {
    let needs: Vec<_> = needs.into_iter().collect();
    let [configure, write, read] = [Configure, Write, Read].map(|permission| {
        let names = needs.iter().filter(|need| need.0 == permission);
        let names = names.map(|need| format!("^{}$", need.2.replace('.', "\\.")));
        names.collect::<Vec<_>>().join("|")
    });
    Permissions::new(&configure, &write, &read).unwrap()
}

fn refusal((_, kind, name): &Need) -> String {
    format!("ACCESS_REFUSED - access to {kind} '{name}' in vhost '/' refused for user 'u'")
}

fn exchange_of(exchange: &str, kind: ExchangeKind) -> ExchangeDefinition {
    ExchangeDefinition {
        name: name(exchange),
        kind,
        durable: false,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::new(),
    }
}

fn declare_exchange(
    connection: &ConnectionCell,
    exchange: &str,
    arguments: FieldTable,
) -> Result<(), AmqpError> {
    let definition =
        ExchangeDefinition { arguments, ..exchange_of(exchange, ExchangeKind::Direct) };
    connection.virtual_host().exchange_declare(connection, definition)
}

fn declare_queue(
    connection: &ConnectionCell,
    queue: &str,
    arguments: FieldTable,
) -> Result<(), AmqpError> {
    let declaration = QueueDeclaration {
        name: name(queue),
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments,
    };
    connection.virtual_host().queue_declare(connection, declaration).map(drop)
}

fn to_queue(source: &str) -> BindingRequest {
    binding(source, Destination::Queue(name("q\n")), "k")
}

fn to_exchange(source: &str, destination: &str) -> BindingRequest {
    binding(source, Destination::Exchange(name(destination)), "k")
}

fn binding(source: &str, destination: Destination, routing_key: &str) -> BindingRequest {
    let routing_key = name(routing_key);
    BindingRequest { source: name(source), destination, routing_key, arguments: FieldTable::new() }
}

fn with(argument: &str, value: &str) -> FieldTable {
    let mut table = FieldTable::new();
    table.insert(argument, value).unwrap();
    table
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

#[track_caller]
fn check(result: Result<(), AmqpError>, expected: Result<(), &str>) {
    let result = result.map_err(|error| error.text().to_owned());
    assert_eq!(result, expected.map_err(str::to_owned));
}

#[test]
fn each_operation_asks_in_its_order() {
    for Operation { name, method, needs, run } in operations() {
        for (given, missing) in needs.iter().enumerate() {
            let connection = connected(user(permissions(&needs[..given])));
            let error = run(&connection).expect_err(name);
            assert_eq!(error.text(), refusal(missing), "{name}");
            assert_eq!((error.code(), error.method()), (ReplyCode::AccessRefused, method));
        }
        let connection = connected(user(permissions(needs)));
        // Twice: what is remembered is the same.
        for _ in 0..2 {
            assert_eq!(run(&connection), Ok(()), "{name}");
        }
    }
}

#[test]
fn no_other_permission_stands_in() {
    for Operation { name, needs, run, .. } in operations() {
        for missing in needs {
            let without = |permission| {
                if permission != missing.0 {
                    return Permissions::all();
                }
                permissions(needs.iter().filter(|need| *need != missing))
            };
            let pattern = |permission| without(permission).pattern(permission).clone();
            let all_but_one = Permissions::of(pattern(Configure), pattern(Write), pattern(Read));
            let error = run(&connected(user(all_but_one))).expect_err(name);
            assert_eq!(error.text(), refusal(missing), "{name}");
        }
    }
}

#[test]
fn this_process_is_not_asked() {
    for Operation { name, run, .. } in operations() {
        let users = Users::new([], BTreeSet::new()).unwrap();
        let broker =
            BrokerCell::new(Shared::new(BrokerConfig::default(), Clock::default()), [], users);
        let own = Arc::new(broker).connect(ShortString::EMPTY).unwrap();
        assert_eq!(run(&own), Ok(()), "{name}");
        assert!(own.user().is_none());
        assert_eq!(own.authorize_user_id("anybody"), Ok(()));
    }
}

#[test]
fn a_passive_declaration_needs_no_permission() {
    let connection = connected(user(permissions([])));
    let virtual_host = connection.virtual_host();
    assert!(virtual_host.exchange_declare_passive(&name("x")).is_ok());
    assert!(virtual_host.queue_declare_passive(connection.id(), &name("q")).is_ok());
}

#[test]
fn permissions_are_those_of_the_virtual_host() {
    let elsewhere = user(permissions([])).permissions("other", Permissions::all());
    let refused = refusal(&(Write, "exchange", "x"));
    check(connected(elsewhere).authorize_publish(&name("x"), &name("k")), Err(&refused));
}

#[test]
fn a_generated_name_is_configured_too() {
    let named = |pattern: &str| {
        let permissions = Permissions::new(pattern, "", "").unwrap();
        declare_queue(&connected(user(permissions)), "", FieldTable::new())
    };
    check(named("^amq\\.gen-[\\w-]{22}$"), Ok(()));
    let refused = named("^q").unwrap_err();
    let generated = refused.text().strip_prefix("ACCESS_REFUSED - access to queue 'amq.gen-");
    let rest = generated.unwrap().split_at(22).1;
    assert_eq!(rest, "' in vhost '/' refused for user 'u'");
}

#[test]
fn what_is_reserved_or_wrong_is_said_first() {
    let nobody = connected(user(permissions([])));
    check(
        declare_queue(&nobody, "amq.x", FieldTable::new()),
        Err("ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'"),
    );
    let exchange = refusal(&(Configure, "exchange", "amq.x"));
    check(declare_exchange(&nobody, "amq.x", FieldTable::new()), Err(&exchange));
    let destination = refusal(&(Write, "exchange", "amq.default"));
    let bound = nobody.authorize_binding(&to_exchange("x", ""), MethodId::EXCHANGE_BIND);
    check(bound, Err(&destination));
    let may_write = connected(user(Permissions::new("", "default", "").unwrap()));
    let bound = may_write.authorize_binding(&to_exchange("x", ""), MethodId::EXCHANGE_BIND);
    check(bound, Err(NOT_ON_DEFAULT));
}

fn topic_user() -> Arc<ConnectionCell> {
    let topics = |exchange| TopicPermissions { exchange, write: "^{username}\\.w", read: "^r" };
    let user = ["t", "x", "internal", "missing"]
        .into_iter()
        .try_fold(user(Permissions::all()), |user, name| user.topic_permissions("/", topics(name)));
    connected(user.unwrap())
}

#[test]
fn a_topic_exchange_has_keys_for_writing_and_reading() {
    let connection = topic_user();
    let publish = |exchange, key| connection.authorize_publish(&name(exchange), &name(key));
    let refused =
        "ACCESS_REFUSED - access to topic 'a.b' in exchange 't' in vhost '/' refused for user 'u'";
    for _ in 0..2 {
        check(publish("t", "u.w"), Ok(()));
        check(publish("t", "a.b"), Err(refused));
    }
    // Only topic exchanges have topics, and these say themselves what is wrong.
    for exchange in ["x", "missing", "internal", "y", ""] {
        check(publish(exchange, "a.b"), Ok(()));
    }
    for (method, destination) in [
        (MethodId::QUEUE_BIND, Destination::Queue(name("q"))),
        (MethodId::QUEUE_UNBIND, Destination::Queue(name("q"))),
        (MethodId::EXCHANGE_BIND, Destination::Exchange(name("y"))),
        (MethodId::EXCHANGE_UNBIND, Destination::Exchange(name("y"))),
    ] {
        let bind = |source, key| {
            connection.authorize_binding(&binding(source, destination.clone(), key), method)
        };
        check(bind("t", "r"), Ok(()));
        check(bind("t", "a.b"), Err(refused));
        check(bind("x", "a.b"), Ok(()));
        check(
            bind("internal", "u.w"),
            Err(&refused.replace("a.b", "u.w").replace("'t'", "'internal'")),
        );
        assert_eq!(bind("t", "a.b").unwrap_err().method(), method);
    }
    // To a topic exchange there is no key to check.
    let bound = connection.authorize_binding(&to_exchange("x", "t"), MethodId::EXCHANGE_BIND);
    check(bound, Ok(()));
}

/// As on RabbitMQ from 4.0 on.
#[test]
fn the_keys_of_copies_are_topics_too() {
    let connection = topic_user();
    let authorize = |exchange, copies: &[&str]| {
        let copies: Vec<Box<str>> = copies.iter().copied().map(Box::from).collect();
        connection.authorize_copies(&name(exchange), &copies)
    };
    check(authorize("t", &["u.w", "u.w.x"]), Ok(()));
    check(
        authorize("t", &["u.w", "a.b", "c.d"]),
        Err(
            "ACCESS_REFUSED - access to topic 'a.b' in exchange 't' in vhost '/' refused for user 'u'",
        ),
    );
    let longer_than_a_key = format!("u.w{}", "x".repeat(300));
    check(authorize("t", &[&longer_than_a_key]), Ok(()));
    check(authorize("x", &["a.b"]), Ok(()));
}

#[test]
fn copies_are_authorized_before_anything_is_published() {
    let connection = topic_user();
    let channel = connection.open_channel().unwrap();
    let publish = |key: &str| {
        let copies = [(name("BCC"), vec![key].into())].into_iter().collect();
        let properties = BasicProperties { headers: Some(copies), ..Default::default() };
        let message = Message::default().with_properties(properties);
        let (exchange, routing_key) = (name("t"), name("u.w"));
        let publish = Publish { exchange, routing_key, mandatory: false, message };
        Publishing::of(&connection, &channel).publish(publish).map(drop)
    };
    check(publish("u.w"), Ok(()));
    check(
        publish("a.b"),
        Err(
            "ACCESS_REFUSED - access to topic 'a.b' in exchange 't' in vhost '/' refused for user 'u'",
        ),
    );
}

#[test]
fn a_user_id_is_the_users_own() {
    let connection = connected(user(Permissions::all()));
    check(connection.authorize_user_id("u"), Ok(()));
    check(
        connection.authorize_user_id("alice"),
        Err("PRECONDITION_FAILED - user_id property set to 'alice' but authenticated user was 'u'"),
    );
    let impersonator = connected(user(Permissions::all()).tag("impersonator"));
    check(impersonator.authorize_user_id("alice"), Ok(()));
}

#[test]
fn what_was_allowed_is_remembered_within_bounds() {
    let connection = connected(user(Permissions::new("", "^x", "").unwrap()));
    let remembered = || {
        let authorization = connection.authorization().unwrap();
        authorization
            .granted(&authorization.user.current())
            .names
            .0
            .iter()
            .map(|(_, name)| name.to_string())
            .collect::<Vec<_>>()
    };
    for exchange in ["x", "x", "y"] {
        let _ = connection.authorize_publish(&name(exchange), &name("k"));
    }
    assert_eq!(remembered(), ["x"]);
    for number in 0..100 {
        check(connection.authorize_publish(&name(&format!("x{number}")), &name("k")), Ok(()));
    }
    assert_eq!(remembered().len(), GRANTED_MAX);
    assert_eq!(remembered().last().unwrap(), "x99");
    // A name that may be written may not be read for that.
    check(connection.authorize_get("x99"), Err(&refusal(&(Read, "queue", "x99"))));

    let connection = topic_user();
    for number in 0..100 {
        let key = name(&format!("u.w{number}"));
        check(connection.authorize_publish(&name("t"), &key), Ok(()));
    }
    let authorization = connection.authorization().unwrap();
    assert_eq!(authorization.granted(&authorization.user.current()).topics.0.len(), GRANTED_MAX);
    assert!(
        authorization.granted(&authorization.user.current()).names.0.is_empty(),
        "'.*' needs no memory"
    );
}
