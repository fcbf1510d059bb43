use springhare_amqp::ErrorScope;

use super::*;
use crate::engine::declare::{ExchangeDeleteCondition, exchange_kind};

const DECLARE: MethodId = MethodId::EXCHANGE_DECLARE;
const DELETE: MethodId = MethodId::EXCHANGE_DELETE;
const DEFAULT: &str = "403 ACCESS_REFUSED - operation not permitted on the default exchange";

#[test]
fn an_unknown_type_closes_the_connection() {
    let error = exchange_kind("nonsense").unwrap_err();
    assert_eq!(error.to_string(), "503 COMMAND_INVALID - unknown exchange type 'nonsense'");
    assert_eq!((error.scope(), error.method()), (ErrorScope::Connection, DECLARE));
}

#[test]
fn an_exchange_is_declared_again_as_it_is_and_not_otherwise() {
    let host = Host::new();
    host.declare_exchange("x", |_| ()).unwrap();
    host.declare_exchange("x", |_| ()).unwrap();
    host.declare_exchange("amq.direct", |x| x.durable = true).unwrap();
    check(
        host.declare_exchange("x", |x| x.durable = true),
        DECLARE,
        "406 PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'x' in vhost '/': \
         received 'true' but current is 'false'",
    );
    check(
        host.declare_exchange("amq.direct", |x| x.kind = ExchangeKind::Fanout),
        DECLARE,
        "406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost \
         '/': received 'fanout' but current is 'direct'",
    );
}

#[test]
fn names_of_the_broker_are_refused() {
    let host = Host::new();
    for name in ["amq.foo", "amq."] {
        check(
            host.declare_exchange(name, |_| ()),
            DECLARE,
            &format!(
                "403 ACCESS_REFUSED - exchange name '{name}' contains reserved prefix 'amq.*'"
            ),
        );
    }
    host.declare_exchange("AMQ.foo", |_| ()).unwrap();
    check(host.declare_exchange("", |_| ()), DECLARE, DEFAULT);
    check(host.declare_exchange("\r\n", |_| ()), DECLARE, DEFAULT);
}

#[test]
fn line_ends_are_taken_out_of_names() {
    let host = Host::new();
    host.declare_exchange("a\r\nb", |_| ()).unwrap();
    host.virtual_host.exchange_declare_passive(&name("ab")).unwrap();
    host.declare("c\nd", |_| ()).unwrap();
    assert!(host.has_queue("cd"));
}

#[test]
fn a_wrong_alternate_exchange_is_refused() {
    check(
        Host::new().declare_exchange("x", |x| x.arguments = with("alternate-exchange", 5)),
        DECLARE,
        "406 PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in \
         exchange 'x' in vhost '/'",
    );
}

#[test]
fn a_passive_declaration_only_looks() {
    let host = Host::new();
    let passive = |text: &str| host.virtual_host.exchange_declare_passive(&name(text));
    check(passive("x"), DECLARE, "404 NOT_FOUND - no exchange 'x' in vhost '/'");
    check(passive("amq.foo"), DECLARE, "404 NOT_FOUND - no exchange 'amq.foo' in vhost '/'");
    check(passive(""), DECLARE, DEFAULT);
    passive("amq.rabbitmq.trace").unwrap();
}

#[test]
fn an_exchange_is_deleted_with_its_bindings_or_only_if_unused() {
    let host = Host::new();
    let delete = |text: &str, condition| host.virtual_host.exchange_delete(&name(text), condition);
    let (always, if_unused) = (ExchangeDeleteCondition::Always, ExchangeDeleteCondition::IfUnused);
    host.declare("q", |_| ()).unwrap();
    host.declare_exchange("x", |_| ()).unwrap();
    host.bind("x", queue("q")).unwrap();
    check(
        delete("x", if_unused),
        DELETE,
        "406 PRECONDITION_FAILED - exchange 'x' in vhost '/' in use",
    );
    delete("x", always).unwrap();
    delete("x", always).unwrap();
    assert_eq!(host.virtual_host.topology().bindings().count(), 0);

    host.declare_exchange("x", |_| ()).unwrap();
    host.bind("amq.fanout", exchange("x")).unwrap();
    delete("x", if_unused).unwrap();
    check(delete("", always), DELETE, DEFAULT);
    for name in ["amq.direct", "amq.missing"] {
        check(
            delete(name, if_unused),
            DELETE,
            &format!(
                "403 ACCESS_REFUSED - deletion of system exchange '{name}' in vhost '/' not \
                 allowed"
            ),
        );
    }
}

#[test]
fn a_binding_needs_both_ends_and_no_default_exchange() {
    let host = Host::new();
    host.declare("q", |_| ()).unwrap();
    for (source, destination, expected) in [
        ("x", queue("q"), "404 NOT_FOUND - no exchange 'x' in vhost '/'"),
        ("x", queue("p"), "404 NOT_FOUND - no exchange 'x' in vhost '/'"),
        ("amq.fanout", queue("p"), "404 NOT_FOUND - no queue 'p' in vhost '/'"),
        ("", queue("q"), DEFAULT),
        ("", queue("p"), DEFAULT),
    ] {
        check(host.bind(source, destination), MethodId::QUEUE_BIND, expected);
    }
    for (source, destination, expected) in [
        ("x", exchange("y"), "404 NOT_FOUND - no exchange 'x' in vhost '/'"),
        ("amq.fanout", exchange("y"), "404 NOT_FOUND - no exchange 'y' in vhost '/'"),
        ("", exchange("amq.fanout"), DEFAULT),
        ("amq.fanout", exchange(""), DEFAULT),
    ] {
        check(host.bind(source, destination), MethodId::EXCHANGE_BIND, expected);
    }
}

#[test]
fn binding_and_unbinding_twice_is_the_same_as_once() {
    let host = Host::new();
    host.declare("q", |_| ()).unwrap();
    for _ in 0..2 {
        host.bind("amq.direct", queue("q")).unwrap();
        assert_eq!(host.virtual_host.topology().bindings().count(), 1);
    }
    for _ in 0..2 {
        host.unbind("amq.direct", queue("q")).unwrap();
        assert_eq!(host.virtual_host.topology().bindings().count(), 0);
    }
    for (source, destination) in [("x", queue("p")), ("x", exchange("y"))] {
        host.unbind(source, destination).unwrap();
    }
    check(host.unbind("", queue("q")), MethodId::QUEUE_UNBIND, DEFAULT);
    check(host.unbind("", exchange("amq.fanout")), MethodId::EXCHANGE_UNBIND, DEFAULT);
}

#[test]
fn a_headers_exchange_looks_at_the_arguments() {
    let host = Host::new();
    host.declare("q", |_| ()).unwrap();
    let bind = |source: &str, destination| {
        let arguments = with("x-match", "bogus");
        host.virtual_host.bind(host.id(), request(source, destination, arguments))
    };
    let expected = "406 PRECONDITION_FAILED - Invalid x-match field value <<\"bogus\">>; \
                    expected all, any, all-with-x, or any-with-x";
    check(bind("amq.headers", queue("q")), MethodId::QUEUE_BIND, expected);
    check(bind("amq.match", exchange("amq.fanout")), MethodId::EXCHANGE_BIND, expected);
    bind("amq.direct", queue("q")).unwrap();
}
