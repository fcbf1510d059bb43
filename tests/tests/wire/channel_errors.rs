//! Errors that close a channel: code, text, the method at fault; all other channels live on.

use springhare_tests::MAX_MESSAGE_SIZE;
use springhare_tests::raw::bytes::{
    body, field, header, method, octet, short, shortstr, table, text_field,
};
use springhare_tests::raw::methods::{
    EXCLUSIVE, NO_ACK, PASSIVE, ack, confirm_select, consume, exchange_declare, exchange_delete,
    get, nack, publish, publish_method, publish_with, queue_bind, queue_declare, queue_delete,
    queue_purge, reject, tx,
};
use springhare_tests::raw::{Close, RawPeer};

use crate::door::Door;
use crate::refused::{closed, closed_on};

wire!(
    what_is_not_found,
    no_queue_was_declared,
    an_argument_is_inequivalent,
    an_argument_is_invalid,
    a_locked_queue,
    a_queue_in_exclusive_use,
    reserved_names,
    the_default_exchange,
    a_system_exchange_is_deleted,
    an_internal_exchange_takes_no_publish,
    something_is_in_use,
    a_queue_is_not_empty,
    an_unknown_delivery_tag,
    a_message_above_the_limit,
    an_invalid_expiration,
    an_unknown_delivery_mode,
    carbon_copies_that_are_no_list,
    a_user_id_of_another,
    channel_modes,
    direct_reply_to,
);

async fn what_is_not_found(door: &Door) {
    let queue = "NOT_FOUND - no queue 'nf' in vhost '/'";
    let exchange = "NOT_FOUND - no exchange 'nf' in vhost '/'";
    let exchange_bind = [short(0), shortstr("nf"), shortstr("amq.direct"), shortstr("")].concat();
    let rows = [
        (queue_declare(1, "nf", PASSIVE, table(&[])), queue, (50, 10)),
        (queue_bind(1, "nf", "amq.direct", ""), queue, (50, 20)),
        (queue_purge(1, "nf"), queue, (50, 30)),
        (consume(1, "nf", "", 0), queue, (60, 20)),
        (get(1, "nf", 0), queue, (60, 70)),
        (exchange_declare(1, "nf", "direct", PASSIVE), exchange, (40, 10)),
        (method(1, 40, 30, [exchange_bind, octet(0), table(&[])].concat()), exchange, (40, 30)),
        (publish(1, "nf", "", 0, b""), exchange, (60, 40)),
    ];
    for (bytes, text, id) in rows {
        closed(door, bytes, &Close::channel(404, text, id)).await;
    }
}

async fn no_queue_was_declared(door: &Door) {
    let text = "NOT_FOUND - no previously declared queue";
    let rows = [
        (queue_bind(1, "", "amq.direct", ""), (50, 20)),
        (queue_purge(1, ""), (50, 30)),
        (queue_delete(1, "", 0), (50, 40)),
        (consume(1, "", "", 0), (60, 20)),
        (get(1, "", 0), (60, 70)),
    ];
    for (bytes, id) in rows {
        closed(door, bytes, &Close::channel(404, text, id)).await;
    }
}

async fn an_argument_is_inequivalent(door: &Door) {
    let mut peer = with_queue(door, "ia").await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'ia' in vhost '/': \
                received 'true' but current is 'false'";
    let again = queue_declare(1, "ia", EXCLUSIVE | 8, table(&[]));
    closed_on(&mut peer, again, &Close::channel(406, text, (50, 10))).await;

    let text = "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost \
                '/': received 'topic' but current is 'direct'";
    let again = exchange_declare(1, "amq.direct", "topic", 2);
    closed_on(&mut peer, again, &Close::channel(406, text, (40, 10))).await;
}

async fn an_argument_is_invalid(door: &Door) {
    let text = "PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'iv' in vhost '/': \
                {value_zero,0}";
    let arguments = table(&[field("x-expires", b'I', [0, 0, 0, 0])]);
    let declare = queue_declare(1, "iv", EXCLUSIVE, arguments);
    closed(door, declare, &Close::channel(406, text, (50, 10))).await;
}

async fn a_locked_queue(door: &Door) {
    let _owner = with_queue(door, "lq").await;
    let text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'lq' in vhost \
                '/'. It could be originally declared on another connection or the exclusive \
                property value does not match that of the original declaration.";
    let rows = [
        (queue_declare(1, "lq", PASSIVE, table(&[])), (50, 10)),
        (queue_bind(1, "lq", "amq.direct", ""), (50, 20)),
        (queue_purge(1, "lq"), (50, 30)),
        (queue_delete(1, "lq", 0), (50, 40)),
        (consume(1, "lq", "", 0), (60, 20)),
        (get(1, "lq", 0), (60, 70)),
    ];
    for (bytes, id) in rows {
        closed(door, bytes, &Close::channel(405, text, id)).await;
    }
}

async fn a_queue_in_exclusive_use(door: &Door) {
    let mut peer = with_queue(door, "eu").await;
    peer.send(consume(2, "eu", "first", 4)).await;
    peer.expect_method(2, 60, 21).await;
    let text = "ACCESS_REFUSED - queue 'eu' in vhost '/' in exclusive use";
    let refusal = Close::channel(403, text, (60, 20));
    closed_on(&mut peer, consume(1, "eu", "second", 0), &refusal).await;
}

async fn reserved_names(door: &Door) {
    let queue = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
    let declare = queue_declare(1, "amq.mine", EXCLUSIVE, table(&[]));
    closed(door, declare, &Close::channel(403, queue, (50, 10))).await;
    let exchange = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
    let declare = exchange_declare(1, "amq.mine", "direct", 0);
    closed(door, declare, &Close::channel(403, exchange, (40, 10))).await;
}

async fn the_default_exchange(door: &Door) {
    let mut peer = with_queue(door, "de").await;
    let text = "ACCESS_REFUSED - operation not permitted on the default exchange";
    let rows = [
        (queue_bind(1, "de", "", "key"), (50, 20)),
        (exchange_declare(1, "", "direct", 0), (40, 10)),
        (exchange_delete(1, "", 0), (40, 20)),
    ];
    for (bytes, id) in rows {
        closed_on(&mut peer, bytes, &Close::channel(403, text, id)).await;
    }
}

async fn a_system_exchange_is_deleted(door: &Door) {
    let text = "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed";
    let refusal = Close::channel(403, text, (40, 20));
    closed(door, exchange_delete(1, "amq.topic", 0), &refusal).await;
}

async fn an_internal_exchange_takes_no_publish(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    peer.send(exchange_declare(1, "inner", "fanout", 4 | 8)).await;
    peer.expect_method(1, 40, 11).await;
    let text = "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'";
    let refusal = Close::channel(403, text, (60, 40));
    closed_on(&mut peer, publish(1, "inner", "", 0, b""), &refusal).await;
}

async fn something_is_in_use(door: &Door) {
    let mut peer = with_queue(door, "iu").await;
    let declare = exchange_declare(2, "iux", "fanout", 4);
    peer.send([declare, queue_bind(2, "iu", "iux", ""), consume(2, "iu", "t", 0)].concat()).await;
    peer.expect_method(2, 40, 11).await;
    peer.expect_method(2, 50, 21).await;
    peer.expect_method(2, 60, 21).await;
    let queue = "PRECONDITION_FAILED - queue 'iu' in vhost '/' in use";
    let refusal = Close::channel(406, queue, (50, 40));
    closed_on(&mut peer, queue_delete(1, "iu", 1), &refusal).await;
    let exchange = "PRECONDITION_FAILED - exchange 'iux' in vhost '/' in use";
    let refusal = Close::channel(406, exchange, (40, 20));
    closed_on(&mut peer, exchange_delete(1, "iux", 1), &refusal).await;
}

async fn a_queue_is_not_empty(door: &Door) {
    let mut peer = with_queue(door, "ne").await;
    let mandatory = publish(1, "", "ne", 1, b"x");
    peer.send([confirm_select(1), mandatory].concat()).await;
    peer.expect_method(1, 85, 11).await;
    peer.expect_method(1, 60, 80).await;
    let text = "PRECONDITION_FAILED - queue 'ne' in vhost '/' not empty";
    let refusal = Close::channel(406, text, (50, 40));
    closed_on(&mut peer, queue_delete(1, "ne", 2), &refusal).await;
}

async fn an_unknown_delivery_tag(door: &Door) {
    let text = |tag: u64| format!("PRECONDITION_FAILED - unknown delivery tag {tag}");
    let rows = [
        (ack(1, 5, 0), 5, (60, 80)),
        (ack(1, 5, 1), 5, (60, 80)),
        (ack(1, 0, 0), 0, (60, 80)),
        (nack(1, 5, 0), 5, (60, 120)),
        (reject(1, 5), 5, (60, 90)),
        (ack(1, u64::MAX, 0), u64::MAX, (60, 80)),
    ];
    for (bytes, tag, id) in rows {
        closed(door, bytes, &Close::channel(406, &text(tag), id)).await;
    }
    // Acknowledged once, a tag is unknown.
    let mut peer = with_queue(door, "dt").await;
    peer.send([publish(1, "", "dt", 0, b""), get(1, "dt", 0)].concat()).await;
    peer.expect_method(1, 60, 71).await;
    peer.expect_frame("a header").await;
    let twice = [ack(1, 1, 0), ack(1, 1, 0)].concat();
    closed_on(&mut peer, twice, &Close::channel(406, &text(1), (60, 80))).await;
}

/// RabbitMQ reads such a body to its end. Ours refuses at the header and lets the rest pass.
async fn a_message_above_the_limit(door: &Door) {
    let size = MAX_MESSAGE_SIZE + 1;
    let text = format!(
        "PRECONDITION_FAILED - message size {size} is larger than configured max size \
         {MAX_MESSAGE_SIZE}"
    );
    let chunk = vec![b'x'; 64 * 1024];
    let mut frames = publish_method(1, "", "nowhere", 0);
    frames.extend(header(1, u64::try_from(size).unwrap(), [0, 0]));
    for part in 0..=(size / chunk.len()) {
        frames.extend(body(1, &chunk[..chunk.len().min(size - part * chunk.len())]));
    }
    closed(door, frames, &Close::channel(406, &text, (60, 40))).await;
}

async fn an_invalid_expiration(door: &Door) {
    let rows = [
        ("abc", "no_integer"),
        ("", "no_integer"),
        ("-1", "{value_negative,-1}"),
        ("1x", "{leftover_string,\"x\"}"),
        ("1.5", "{leftover_string,\".5\"}"),
    ];
    for (expiration, fault) in rows {
        let properties = [short(0x0100), shortstr(expiration)].concat();
        let text = format!("PRECONDITION_FAILED - invalid expiration '{expiration}': {fault}");
        let bytes = publish_with(1, "nowhere", 0, properties);
        closed(door, bytes, &Close::channel(406, &text, (60, 40))).await;
    }
}

async fn an_unknown_delivery_mode(door: &Door) {
    for mode in [0, 3, 255] {
        let text =
            format!("PRECONDITION_FAILED - invalid message: {{delivery_mode_unknown,{mode}}}");
        let bytes = publish_with(1, "nowhere", 0, [short(0x1000), octet(mode)].concat());
        closed(door, bytes, &Close::channel(406, &text, (60, 40))).await;
    }
}

async fn carbon_copies_that_are_no_list(door: &Door) {
    let rows = [
        ("CC", text_field("CC", "x"), "longstr"),
        ("BCC", field("BCC", b'V', []), "void"),
        ("BCC", field("BCC", b'F', table(&[])), "table"),
    ];
    for (name, header, kind) in rows {
        let text = format!(
            "PRECONDITION_FAILED - invalid message: {{unacceptable_type_in_header,\"{name}\",\
             {kind}}}"
        );
        let bytes = publish_with(1, "nowhere", 0, [short(0x2000), table(&[header])].concat());
        closed(door, bytes, &Close::channel(406, &text, (60, 40))).await;
    }
}

async fn a_user_id_of_another(door: &Door) {
    let text = "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was \
                'guest'";
    let properties = [short(0x0010), shortstr("bob")].concat();
    let bytes = publish_with(1, "nowhere", 0, properties);
    closed(door, bytes, &Close::channel(406, text, (60, 40))).await;
}

async fn channel_modes(door: &Door) {
    let not_tx = "PRECONDITION_FAILED - channel is not transactional";
    closed(door, tx(1, 20), &Close::channel(406, not_tx, (90, 20))).await;
    closed(door, tx(1, 30), &Close::channel(406, not_tx, (90, 30))).await;

    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    peer.send(confirm_select(1)).await;
    peer.expect_method(1, 85, 11).await;
    let text = "PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    closed_on(&mut peer, tx(1, 10), &Close::channel(406, text, (90, 10))).await;
    peer.send(tx(1, 10)).await;
    peer.expect_method(1, 90, 11).await;
    let text = "PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    closed_on(&mut peer, confirm_select(1), &Close::channel(406, text, (85, 10))).await;
}

async fn direct_reply_to(door: &Door) {
    const REPLY_TO: &str = "amq.rabbitmq.reply-to";
    let asked = publish_with(1, "nowhere", 0, [short(0x0200), shortstr(REPLY_TO)].concat());
    let text = "PRECONDITION_FAILED - fast reply consumer does not exist";
    closed(door, asked, &Close::channel(406, text, (60, 40))).await;
    let text = "PRECONDITION_FAILED - reply consumer cannot acknowledge";
    let refusal = Close::channel(406, text, (60, 20));
    closed(door, consume(1, REPLY_TO, "", 0), &refusal).await;

    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    peer.send(consume(1, REPLY_TO, "r", NO_ACK)).await;
    peer.expect_method(1, 60, 21).await;
    let text = "PRECONDITION_FAILED - reply consumer already set";
    let refusal = Close::channel(406, text, (60, 20));
    closed_on(&mut peer, consume(1, REPLY_TO, "again", NO_ACK), &refusal).await;

    let text = "NOT_FOUND - no queue 'amq.rabbitmq.reply-to.unknown' in vhost '/'";
    let passive = queue_declare(1, "amq.rabbitmq.reply-to.unknown", PASSIVE, table(&[]));
    closed_on(&mut peer, passive, &Close::channel(404, text, (50, 10))).await;
}

/// A connection with channels 1 and 2 that owns this queue.
async fn with_queue(door: &Door, queue: &str) -> RawPeer {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    peer.send(queue_declare(1, queue, EXCLUSIVE, table(&[]))).await;
    peer.expect_method(1, 50, 11).await;
    peer
}
