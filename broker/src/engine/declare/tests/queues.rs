use springhare_amqp::Message;

use super::*;
use crate::engine::queue_cell::{DeleteConditions, Entering};
use crate::model::message::PublishedMessage;

const DECLARE: MethodId = MethodId::QUEUE_DECLARE;
const DELETE: MethodId = MethodId::QUEUE_DELETE;
const LOCKED: &str = "405 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' \
                      in vhost '/'. It could be originally declared on another connection or \
                      the exclusive property value does not match that of the original \
                      declaration.";

#[test]
fn a_queue_is_declared_again_as_it_is_and_not_otherwise() {
    let host = Host::new();
    host.declare("q", |_| ()).unwrap();
    let first = host.queue("q");
    host.other().declare("q", |_| ()).unwrap();
    assert!(Arc::ptr_eq(&first.0, &host.queue("q").0));
    check(
        host.declare("q", |q| {
            q.durable = true;
            q.arguments = with("x-message-ttl", -1);
        }),
        DECLARE,
        "406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': \
         received 'true' but current is 'false'",
    );
    check(
        host.declare("q", |q| q.arguments = with("x-message-ttl", -1)),
        DECLARE,
        "406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
         received the value '-1' of type 'signedint' but current is none",
    );
}

#[test]
fn wrong_arguments_make_no_queue() {
    let host = Host::new();
    check(
        host.declare("q", |q| q.arguments = with("x-expires", 0)),
        DECLARE,
        "406 PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'q' in vhost '/': \
         {value_zero,0}",
    );
    check(
        host.declare("q", |q| {
            q.durable = true;
            q.arguments = with("x-queue-type", "stream");
            q.arguments.insert("x-max-age", "1w").unwrap();
        }),
        DECLARE,
        "406 PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q' in vhost '/': \
         invalid_max_age",
    );
    assert!(!host.has_queue("q"));
}

#[test]
fn an_empty_name_is_a_wish_for_a_generated_one() {
    let host = Host::new();
    let generated = host.declare("", |_| ()).unwrap().name;
    let other = host.declare("", |_| ()).unwrap().name;
    assert_ne!(generated, other);
    assert!(generated.starts_with("amq.gen-"));
    assert_eq!(generated.len(), 30);
    assert!(host.has_queue(&generated));
    check(
        host.declare(&generated, |_| ()),
        DECLARE,
        &format!("403 ACCESS_REFUSED - queue name '{generated}' contains reserved prefix 'amq.*'"),
    );
    host.virtual_host.queue_declare_passive(host.id(), &generated).unwrap();
    check(
        host.declare("", |q| q.arguments = with("x-queue-type", "quorum")),
        DECLARE,
        "406 PRECONDITION_FAILED - Cannot declare a server-named queue for type \
         rabbit_quorum_queue",
    );
}

#[test]
fn names_of_the_broker_are_refused() {
    check(
        Host::new().declare("amq.foo", |_| ()),
        DECLARE,
        "403 ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'",
    );
}

#[test]
fn a_passive_declaration_only_looks() {
    let host = Host::new();
    let passive = |text: &str| host.virtual_host.queue_declare_passive(host.id(), &name(text));
    check(passive("q"), DECLARE, "404 NOT_FOUND - no queue 'q' in vhost '/'");
    check(passive(""), DECLARE, "404 NOT_FOUND - no queue '' in vhost '/'");
    host.declare("q", |q| q.arguments = with("x-max-length", 5)).unwrap();
    publish(&host, "q");
    assert_eq!(passive("q").unwrap().counts.messages, 1);
}

#[test]
fn an_exclusive_queue_is_locked_for_other_connections() {
    let host = Host::new();
    host.declare("q", |q| (q.exclusive, q.durable) = (true, true)).unwrap();
    host.declare("q", |q| (q.exclusive, q.durable) = (true, true)).unwrap();
    host.bind("amq.direct", queue("q")).unwrap();
    check(host.declare("q", |_| ()), DECLARE, LOCKED);
    let other = host.other();
    let (virtual_host, id, q) = (&other.virtual_host, other.id(), name("q"));
    check(other.declare("q", |q| q.exclusive = true), DECLARE, LOCKED);
    check(other.declare("q", |_| ()), DECLARE, LOCKED);
    check(virtual_host.queue_declare_passive(id, &q), DECLARE, LOCKED);
    check(other.bind("amq.fanout", queue("q")), MethodId::QUEUE_BIND, LOCKED);
    check(other.unbind("amq.direct", queue("q")), MethodId::QUEUE_UNBIND, LOCKED);
    other.unbind("amq.fanout", queue("q")).unwrap();
    check(virtual_host.queue_purge(id, &q), MethodId::QUEUE_PURGE, LOCKED);
    check(virtual_host.queue_delete(id, &q, DeleteConditions::default()), DELETE, LOCKED);
    let consume = MethodId::BASIC_CONSUME;
    check(virtual_host.find_queue(id, &q, consume), consume, LOCKED);
    host.virtual_host.queue_delete(host.id(), &q, DeleteConditions::default()).unwrap();

    host.declare("q", |_| ()).unwrap();
    check(host.declare("q", |q| q.exclusive = true), DECLARE, LOCKED);
}

#[test]
fn exclusive_queues_go_with_their_connection() {
    let host = Host::new();
    host.declare("q", |q| q.exclusive = true).unwrap();
    host.declare("shared", |_| ()).unwrap();
    host.bind("amq.direct", queue("q")).unwrap();
    let other = host.other();
    other.declare("p", |q| q.exclusive = true).unwrap();
    host.connection.close(None);
    assert!(!host.has_queue("q") && host.has_queue("p") && host.has_queue("shared"));
    assert_eq!(host.virtual_host.topology().bindings().count(), 0);
    // A declaration that comes too late leaves nothing behind.
    host.declare("late", |q| q.exclusive = true).unwrap();
    assert!(!host.has_queue("late"));
}

#[test]
fn a_queue_is_purged_and_deleted_with_what_is_in_it() {
    let host = Host::new();
    let (virtual_host, q) = (&host.virtual_host, name("q"));
    check(
        virtual_host.queue_purge(host.id(), &q),
        MethodId::QUEUE_PURGE,
        "404 NOT_FOUND - no queue 'q' in vhost '/'",
    );
    let delete = |if_empty| {
        let conditions = DeleteConditions { if_unused: true, if_empty, if_expired: false };
        virtual_host.queue_delete(host.id(), &name("q"), conditions)
    };
    assert_eq!(delete(true), Ok(0));
    host.declare("q", |_| ()).unwrap();
    host.bind("amq.fanout", queue("q")).unwrap();
    publish(&host, "q");
    publish(&host, "q");
    assert_eq!(virtual_host.queue_purge(host.id(), &q), Ok(2));
    publish(&host, "q");
    check(delete(true), DELETE, "406 PRECONDITION_FAILED - queue 'q' in vhost '/' not empty");
    assert_eq!(delete(false), Ok(1));
    assert_eq!(delete(false), Ok(0));
    assert!(!virtual_host.topology().has_bindings_from("amq.fanout"));
    assert!(!host.has_queue("q"));
}

#[test]
fn a_queue_that_deletes_itself_spares_one_that_took_its_name() {
    let host = Host::new();
    host.declare("q", |q| q.auto_delete = true).unwrap();
    let first = host.queue("q");
    host.virtual_host.auto_delete_queue(&first);
    assert!(!host.has_queue("q"));
    host.declare("q", |q| q.auto_delete = true).unwrap();
    host.virtual_host.auto_delete_queue(&first);
    assert!(host.has_queue("q"));
}

fn publish(host: &Host, queue: &str) {
    let message = PublishedMessage::new(ShortString::EMPTY, name(queue), Message::new("body"));
    let found = host.virtual_host.find_queue(host.id(), &name(queue), MethodId::BASIC_GET);
    let entering = Entering { message: Arc::new(message), copies: 1, reference: None };
    found.unwrap().enqueue([entering], |_| ());
}
