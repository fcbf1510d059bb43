//! Errors of methods that close the whole connection.

use springhare_tests::raw::bytes::{long, longstr, method, octet, short, shortstr, table};
use springhare_tests::raw::methods::{
    EXCLUSIVE, NO_ACK, channel_close, channel_close_ok, channel_open, connection_close,
    connection_close_ok, consume, exchange_declare, open, publish, publish_method, qos,
    queue_declare, start_ok, tune_ok,
};
use springhare_tests::raw::{Close, RawPeer, Received, Tune, is_open_ok};

use crate::door::Door;
use crate::refused::{Bystander, closed, closed_on};

wire!(
    what_is_not_implemented,
    an_unknown_exchange_type,
    a_consumer_tag_is_used_again,
    more_channels_than_negotiated,
    a_channel_number_above_the_maximum,
    a_second_channel_open,
    a_channel_that_is_not_open,
    a_method_of_the_server,
    a_method_of_the_connection_on_a_channel,
    an_unexpected_method_of_the_connection,
    an_unknown_method,
    nobody_else_notices,
);

async fn what_is_not_implemented(door: &Door) {
    let immediate = publish(1, "", "nowhere", 2, b"");
    let prefetch_size = method(1, 60, 10, [long(5), short(1), octet(0)].concat());
    let rows = [
        (immediate, "immediate=true", (60, 40)),
        (prefetch_size, "prefetch_size!=0 (5)", (60, 10)),
        (method(1, 60, 110, octet(0)), "requeue=false", (60, 110)),
        (method(1, 60, 100, octet(0)), "requeue=false", (60, 100)),
        (method(1, 20, 20, octet(0)), "active=false", (20, 20)),
    ];
    for (bytes, text, id) in rows {
        let text = format!("NOT_IMPLEMENTED - {text}");
        closed(door, bytes, &Close::connection(540, &text, id)).await;
    }
}

async fn an_unknown_exchange_type(door: &Door) {
    let text = "COMMAND_INVALID - unknown exchange type 'nope'";
    let declare = exchange_declare(1, "ut", "nope", 0);
    closed(door, declare, &Close::connection(503, text, (40, 10))).await;
}

async fn a_consumer_tag_is_used_again(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    let declare = queue_declare(1, "ct", EXCLUSIVE, table(&[]));
    peer.send([declare, consume(1, "ct", "t", NO_ACK)].concat()).await;
    peer.expect_method(1, 50, 11).await;
    peer.expect_method(1, 60, 21).await;
    let text = "NOT_ALLOWED - attempt to reuse consumer tag 't'";
    let refusal = Close::connection(530, text, (60, 20));
    closed_on(&mut peer, consume(1, "ct", "t", NO_ACK), &refusal).await;
}

/// It is the number of open channels that counts, and it is looked at before anything else.
async fn more_channels_than_negotiated(door: &Door) {
    for bytes in [channel_open(2), qos(9, 1), channel_close(2)] {
        let mut peer = RawPeer::connect(door.address).await;
        let tune = Tune { channel_max: 1, ..Tune::default() };
        assert!(is_open_ok(&peer.handshake("guest", "guest", "/", tune).await));
        peer.open_channel(1).await;
        let text = "NOT_ALLOWED - number of channels opened (1) has reached the negotiated \
                    channel_max (1)";
        closed_on(&mut peer, bytes, &Close::connection(530, text, (0, 0))).await;
    }
}

async fn a_channel_number_above_the_maximum(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[2048, u16::MAX]).await;
    peer.expect_alive(2048).await;
    peer.expect_alive(u16::MAX).await;
}

async fn a_second_channel_open(door: &Door) {
    let text = "CHANNEL_ERROR - second 'channel.open' seen";
    closed(door, channel_open(1), &Close::connection(504, text, (20, 10))).await;
}

async fn a_channel_that_is_not_open(door: &Door) {
    let text = "CHANNEL_ERROR - expected 'channel.open'";
    let rows = [
        (qos(7, 1), (60, 10)),
        (channel_close(7), (20, 40)),
        (channel_close_ok(7), (20, 41)),
        (queue_declare(7, "q", 0, table(&[])), (50, 10)),
        (publish(7, "", "nowhere", 0, b"body"), (60, 40)),
        (method(7, 10, 50, [short(200), shortstr(""), short(0), short(0)].concat()), (10, 50)),
    ];
    for (bytes, id) in rows {
        closed(door, bytes, &Close::connection(504, text, id)).await;
    }
}

async fn a_method_of_the_server(door: &Door) {
    let text = "COMMAND_INVALID - unimplemented method";
    let deliver = [shortstr("t"), vec![0; 9], shortstr(""), shortstr("")].concat();
    let no_content = publish_method(1, "", "", 0).len();
    let content = publish(1, "", "", 0, b"").split_off(no_content);
    let rows = [
        (method(1, 20, 11, longstr("")), (20, 11)),
        (method(1, 20, 21, octet(1)), (20, 21)),
        (channel_close_ok(1), (20, 41)),
        (method(1, 30, 11, short(1)), (30, 11)),
        (method(1, 40, 11, []), (40, 11)),
        (method(1, 50, 11, [shortstr("q"), vec![0; 8]].concat()), (50, 11)),
        (method(1, 60, 11, []), (60, 11)),
        (method(1, 60, 21, shortstr("t")), (60, 21)),
        (method(1, 60, 31, shortstr("t")), (60, 31)),
        ([method(1, 60, 60, deliver), content].concat(), (60, 60)),
        (method(1, 60, 72, shortstr("")), (60, 72)),
        (method(1, 60, 111, []), (60, 111)),
        (method(1, 85, 11, []), (85, 11)),
        (method(1, 90, 11, []), (90, 11)),
    ];
    for (bytes, id) in rows {
        closed(door, bytes, &Close::connection(503, text, id)).await;
    }
}

async fn a_method_of_the_connection_on_a_channel(door: &Door) {
    let text = "COMMAND_INVALID - unimplemented method";
    let close = [short(200), shortstr("bye"), short(0), short(0)].concat();
    let rows = [
        (method(1, 10, 40, [shortstr("/"), shortstr(""), octet(0)].concat()), (10, 40)),
        (method(1, 10, 50, close), (10, 50)),
        (method(1, 10, 51, []), (10, 51)),
    ];
    for (bytes, id) in rows {
        closed(door, bytes, &Close::connection(503, text, id)).await;
    }
}

async fn an_unexpected_method_of_the_connection(door: &Door) {
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    let start = [octet(0), octet(9), table(&[]), longstr("PLAIN"), longstr("en_US")].concat();
    let rows = [
        (method(0, 10, 10, start), (10, 10)),
        (start_ok("PLAIN", "\0guest\0guest", &[]), (10, 11)),
        (method(0, 10, 21, longstr("x")), (10, 21)),
        (tune_ok(0, 0, 0), (10, 31)),
        (open("/"), (10, 40)),
        (method(0, 10, 41, shortstr("")), (10, 41)),
        (connection_close_ok(), (10, 51)),
        (method(0, 10, 60, shortstr("why")), (10, 60)),
        (method(0, 10, 61, []), (10, 61)),
        (method(0, 10, 71, []), (10, 71)),
        (channel_open(0), (20, 10)),
        (qos(0, 1), (60, 10)),
    ];
    for (bytes, id) in rows {
        closed(door, bytes, &Close::connection(504, text, id)).await;
    }
}

/// RabbitMQ drops the connection without a word.
async fn an_unknown_method(door: &Door) {
    let text = "COMMAND_INVALID - unimplemented method";
    for (channel, class, id) in [(1, 99, 1), (1, 60, 99), (0, 10, 99), (0, 99, 1), (7, 99, 1)] {
        let bytes = method(channel, class, id, []);
        match door.either(Some(Close::connection(503, text, (class, id))), None) {
            Some(close) => closed(door, bytes, &close).await,
            None => {
                let mut peer = RawPeer::with_channels(door.address, &[1]).await;
                peer.send(bytes).await;
                assert_eq!(peer.next().await, Received::Dropped);
            }
        }
    }
}

async fn nobody_else_notices(door: &Door) {
    let mut bystander = Bystander::new(door).await;
    a_second_channel_open(door).await;
    bystander.notices_nothing().await;
    RawPeer::with_channels(door.address, &[1]).await.send(connection_close()).await;
    bystander.notices_nothing().await;
}
