//! What a user without the permission is told, method by method.

use springhare_tests::raw::bytes::{field, longstr, method, octet, short, shortstr, table};
use springhare_tests::raw::methods::{
    AUTO_DELETE, PASSIVE, consume, exchange_declare, exchange_delete, get, publish, queue_bind,
    queue_declare, queue_delete, queue_purge,
};
use springhare_tests::raw::{Close, RawPeer, Received, Tune, is_open_ok};

use crate::door::Door;
use crate::refused::closed_on;

wire!(
    a_virtual_host_without_any_permission,
    declaring_and_deleting,
    binding,
    publishing,
    consuming,
    routing_keys_of_a_topic_exchange,
    dead_letter_and_alternate_exchanges,
    what_is_ones_own,
);

async fn a_virtual_host_without_any_permission(door: &Door) {
    for (user, password, virtual_host) in
        [("outsider", "secret", "/"), ("limited", "secret", "closed"), ("guest", "guest", "closed")]
    {
        let mut peer = RawPeer::connect(door.address).await;
        let answer = peer.handshake(user, password, virtual_host, Tune::default()).await;
        let Received::Frame(frame) = answer else { panic!("{answer:?}") };
        let text =
            format!("NOT_ALLOWED - access to vhost '{virtual_host}' refused for user '{user}'");
        assert_eq!(frame.close().unwrap(), Close::connection(530, &text, (10, 40)));
    }
}

async fn declaring_and_deleting(door: &Door) {
    let mut peer = limited(door).await;
    let rows = [
        (queue_declare(1, "other", AUTO_DELETE, table(&[])), "queue 'other'", (50, 10)),
        (queue_delete(1, "other", 0), "queue 'other'", (50, 40)),
        (queue_purge(1, "other"), "queue 'other'", (50, 30)),
        (exchange_declare(1, "other", "direct", 4), "exchange 'other'", (40, 10)),
        (exchange_delete(1, "other", 0), "exchange 'other'", (40, 20)),
    ];
    for (bytes, resource, id) in rows {
        closed_on(&mut peer, bytes, &refusal(resource, id)).await;
    }
    // A passive declare asks for no permission.
    let passive = queue_declare(1, "other", PASSIVE, table(&[]));
    let missing = "NOT_FOUND - no queue 'other' in vhost '/'";
    closed_on(&mut peer, passive, &Close::channel(404, missing, (50, 10))).await;
}

async fn binding(door: &Door) {
    let mut peer = limited(door).await;
    peer.send(queue_declare(2, "mine-b", AUTO_DELETE, table(&[]))).await;
    peer.expect_method(2, 50, 11).await;
    let exchanges = |destination: &str, source: &str| {
        let names = [short(0), shortstr(destination), shortstr(source), shortstr("k")];
        method(1, 40, 30, [names.concat(), octet(0), table(&[])].concat())
    };
    let rows = [
        // Write on the queue, then read on the exchange.
        (queue_bind(1, "other", "amq.direct", "k"), "queue 'other'", (50, 20)),
        (queue_bind(1, "mine-b", "amq.direct", "k"), "exchange 'amq.direct'", (50, 20)),
        (exchanges("other", "amq.direct"), "exchange 'other'", (40, 30)),
        (exchanges("mine-x", "amq.direct"), "exchange 'amq.direct'", (40, 30)),
    ];
    for (bytes, resource, id) in rows {
        closed_on(&mut peer, bytes, &refusal(resource, id)).await;
    }
}

async fn publishing(door: &Door) {
    let mut peer = limited(door).await;
    let rows = [("", "amq.default"), ("amq.direct", "amq.direct"), ("other", "other")];
    for (exchange, named) in rows {
        let bytes = publish(1, exchange, "mine", 0, b"x");
        let expected = refusal(&format!("exchange '{named}'"), (60, 40));
        closed_on(&mut peer, bytes, &expected).await;
    }
}

async fn consuming(door: &Door) {
    let mut peer = limited(door).await;
    let rows = [(consume(1, "other", "", 0), (60, 20)), (get(1, "other", 0), (60, 70))];
    for (bytes, id) in rows {
        closed_on(&mut peer, bytes, &refusal("queue 'other'", id)).await;
    }
}

async fn routing_keys_of_a_topic_exchange(door: &Door) {
    let mut peer = limited(door).await;
    let exchange = exchange_declare(2, "mine-topic", "topic", 0);
    let queue = queue_declare(2, "mine-t", AUTO_DELETE, table(&[]));
    peer.send([exchange, queue].concat()).await;
    peer.expect_method(2, 40, 11).await;
    peer.expect_method(2, 50, 11).await;
    let rows = [
        (publish(1, "mine-topic", "other.key", 0, b""), "other.key", (60, 40)),
        (queue_bind(1, "mine-t", "mine-topic", "#"), "#", (50, 20)),
    ];
    for (bytes, key, id) in rows {
        let text = format!(
            "ACCESS_REFUSED - access to topic '{key}' in exchange 'mine-topic' in vhost '/' \
             refused for user 'limited'"
        );
        closed_on(&mut peer, bytes, &Close::channel(403, &text, id)).await;
    }
    let own = publish(1, "mine-topic", "limited.key", 0, b"");
    peer.send([queue_bind(1, "mine-t", "mine-topic", "limited.#"), own].concat()).await;
    peer.expect_method(1, 50, 21).await;
    peer.expect_alive(1).await;
}

async fn dead_letter_and_alternate_exchanges(door: &Door) {
    let mut peer = limited(door).await;
    let arguments = table(&[field("x-dead-letter-exchange", b'S', longstr("other"))]);
    let declare = queue_declare(1, "mine-d", AUTO_DELETE, arguments);
    closed_on(&mut peer, declare, &refusal("exchange 'other'", (50, 10))).await;

    let arguments = table(&[field("alternate-exchange", b'S', longstr("other"))]);
    let names = [short(0), shortstr("mine-a"), shortstr("fanout"), octet(4)].concat();
    let declare = method(1, 40, 10, [names, arguments].concat());
    closed_on(&mut peer, declare, &refusal("exchange 'other'", (40, 10))).await;
}

async fn what_is_ones_own(door: &Door) {
    let mut peer = limited(door).await;
    let declare = [
        exchange_declare(1, "mine-own-x", "fanout", 4),
        queue_declare(1, "mine-own", AUTO_DELETE, table(&[])),
        queue_bind(1, "mine-own", "mine-own-x", ""),
        publish(1, "mine-own-x", "", 0, b"x"),
        get(1, "mine-own", 2),
        queue_delete(1, "mine-own", 0),
    ];
    peer.send(declare.concat()).await;
    for (class, id) in [(40, 11), (50, 11), (50, 21), (60, 71)] {
        peer.expect_method(1, class, id).await;
    }
    peer.expect_frame("a header").await;
    peer.expect_frame("a body").await;
    peer.expect_method(1, 50, 41).await;
}

fn refusal(resource: &str, id: (u16, u16)) -> Close {
    let text =
        format!("ACCESS_REFUSED - access to {resource} in vhost '/' refused for user 'limited'");
    Close::channel(403, &text, id)
}

async fn limited(door: &Door) -> RawPeer {
    let mut peer = RawPeer::connect(door.address).await;
    let answer = peer.handshake("limited", "secret", "/", Tune::default()).await;
    assert!(is_open_ok(&answer), "{answer:?}");
    peer.open_channel(1).await;
    peer.open_channel(2).await;
    peer
}
