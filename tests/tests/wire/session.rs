//! One of everything, to be cut, mangled and sent in pieces.

use springhare_tests::raw::bytes::{PROTOCOL_HEADER, heartbeat, table};
use springhare_tests::raw::methods::{
    EXCLUSIVE, ack, cancel, channel_close, channel_open, confirm_select, connection_close, consume,
    exchange_declare, get, open, publish, qos, queue_bind, queue_declare, queue_delete, start_ok,
    tune_ok, tx,
};

/// A session in one piece, as a client could send it without reading anything.
pub(crate) fn session() -> Vec<u8> {
    [
        PROTOCOL_HEADER.to_vec(),
        start_ok("PLAIN", "\0guest\0guest", &["basic.nack", "consumer_cancel_notify"]),
        tune_ok(16, 4096, 0),
        open("/"),
        channel_open(1),
        channel_open(2),
        confirm_select(1),
        tx(2, 10),
        exchange_declare(1, "cut-x", "topic", 4),
        queue_declare(1, "", EXCLUSIVE, table(&[])),
        queue_bind(1, "", "cut-x", "a.#"),
        qos(1, 10),
        publish(1, "cut-x", "a.b", 1, b"some content"),
        publish(2, "cut-x", "a.c", 1, b"in a transaction"),
        tx(2, 20),
        heartbeat(),
        consume(1, "", "tag", 0),
        ack(1, 0, 1),
        cancel(1, "tag"),
        get(1, "", 0),
        queue_delete(1, "", 0),
        channel_close(2),
        connection_close(),
    ]
    .concat()
}
