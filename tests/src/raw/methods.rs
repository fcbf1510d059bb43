//! The methods a test sends most, each as the bytes of its frame.

use super::bytes::{
    NO_PROPERTIES, body, field, header, long, longlong, longstr, method, octet, short, shortstr,
    table,
};

/// `connection.start-ok` with this mechanism and response. `capabilities` are fields of the
/// client properties' table of that name.
#[must_use]
pub fn start_ok(mechanism: &str, response: impl AsRef<[u8]>, capabilities: &[&str]) -> Vec<u8> {
    let fields: Vec<_> = capabilities.iter().map(|name| field(name, b't', [1])).collect();
    let properties = table(&[field("capabilities", b'F', table(&fields))]);
    let arguments = [properties, shortstr(mechanism), longstr(response), shortstr("en_US")];
    method(0, 10, 11, arguments.concat())
}

/// `connection.tune-ok`.
#[must_use]
pub fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> Vec<u8> {
    let arguments = [short(channel_max), long(frame_max), short(heartbeat)];
    method(0, 10, 31, arguments.concat())
}

/// `connection.open`.
#[must_use]
pub fn open(virtual_host: &str) -> Vec<u8> {
    method(0, 10, 40, [shortstr(virtual_host), shortstr(""), octet(0)].concat())
}

/// `connection.close`, with code 200.
#[must_use]
pub fn connection_close() -> Vec<u8> {
    method(0, 10, 50, close_arguments())
}

/// `connection.close-ok`.
#[must_use]
pub fn connection_close_ok() -> Vec<u8> {
    method(0, 10, 51, [])
}

/// `channel.open`.
#[must_use]
pub fn channel_open(channel: u16) -> Vec<u8> {
    method(channel, 20, 10, shortstr(""))
}

/// `channel.flow`, which asks to go on: nothing changes, and the answer shows that the channel
/// lives and has done what was sent before.
#[must_use]
pub fn flow(channel: u16) -> Vec<u8> {
    method(channel, 20, 20, octet(1))
}

/// `channel.close`, with code 200.
#[must_use]
pub fn channel_close(channel: u16) -> Vec<u8> {
    method(channel, 20, 40, close_arguments())
}

/// `channel.close-ok`.
#[must_use]
pub fn channel_close_ok(channel: u16) -> Vec<u8> {
    method(channel, 20, 41, [])
}

fn close_arguments() -> Vec<u8> {
    [short(200), shortstr("bye"), short(0), short(0)].concat()
}

/// `exchange.declare`; bits: passive, durable, auto-delete, internal, no-wait.
#[must_use]
pub fn exchange_declare(channel: u16, exchange: &str, kind: &str, bits: u8) -> Vec<u8> {
    let names = [short(0), shortstr(exchange), shortstr(kind)];
    method(channel, 40, 10, [names.concat(), octet(bits), table(&[])].concat())
}

/// `exchange.delete`; bits: if-unused, no-wait.
#[must_use]
pub fn exchange_delete(channel: u16, exchange: &str, bits: u8) -> Vec<u8> {
    method(channel, 40, 20, [short(0), shortstr(exchange), octet(bits)].concat())
}

/// Bit of `queue.declare`.
pub const PASSIVE: u8 = 1;
/// Bit of `queue.declare`.
pub const DURABLE: u8 = 2;
/// Bit of `queue.declare`.
pub const EXCLUSIVE: u8 = 4;
/// Bit of `queue.declare`.
pub const AUTO_DELETE: u8 = 8;

/// `queue.declare`; bits as above, and 16 for no-wait. `arguments` is a whole table.
#[must_use]
pub fn queue_declare(
    channel: u16,
    queue: impl AsRef<[u8]>,
    bits: u8,
    arguments: impl AsRef<[u8]>,
) -> Vec<u8> {
    let fixed = [short(0), shortstr(queue), octet(bits)].concat();
    method(channel, 50, 10, [&fixed, arguments.as_ref()].concat())
}

/// `queue.bind`.
#[must_use]
pub fn queue_bind(channel: u16, queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    let names = [short(0), shortstr(queue), shortstr(exchange), shortstr(key)];
    method(channel, 50, 20, [names.concat(), octet(0), table(&[])].concat())
}

/// `queue.delete`; bits: if-unused, if-empty, no-wait.
#[must_use]
pub fn queue_delete(channel: u16, queue: &str, bits: u8) -> Vec<u8> {
    method(channel, 50, 40, [short(0), shortstr(queue), octet(bits)].concat())
}

/// `queue.purge`.
#[must_use]
pub fn queue_purge(channel: u16, queue: &str) -> Vec<u8> {
    method(channel, 50, 30, [short(0), shortstr(queue), octet(0)].concat())
}

/// `basic.qos` for new consumers.
#[must_use]
pub fn qos(channel: u16, prefetch: u16) -> Vec<u8> {
    method(channel, 60, 10, [long(0), short(prefetch), octet(0)].concat())
}

/// Bit of `basic.consume`.
pub const NO_ACK: u8 = 2;

/// `basic.consume`; bits: no-local, no-ack, exclusive, no-wait.
#[must_use]
pub fn consume(channel: u16, queue: &str, tag: impl AsRef<[u8]>, bits: u8) -> Vec<u8> {
    let names = [short(0), shortstr(queue), shortstr(tag)];
    method(channel, 60, 20, [names.concat(), octet(bits), table(&[])].concat())
}

/// `basic.cancel`.
#[must_use]
pub fn cancel(channel: u16, tag: &str) -> Vec<u8> {
    method(channel, 60, 30, [shortstr(tag), octet(0)].concat())
}

/// Bit of `basic.publish`.
pub const MANDATORY: u8 = 1;

/// `basic.publish` without its content; bits: mandatory, immediate.
#[must_use]
pub fn publish_method(
    channel: u16,
    exchange: impl AsRef<[u8]>,
    key: impl AsRef<[u8]>,
    bits: u8,
) -> Vec<u8> {
    let names = [short(0), shortstr(exchange), shortstr(key)];
    method(channel, 60, 40, [names.concat(), octet(bits)].concat())
}

/// `basic.publish` with a content of one body frame, or none for an empty body.
#[must_use]
pub fn publish(channel: u16, exchange: &str, key: &str, bits: u8, content: &[u8]) -> Vec<u8> {
    let size = u64::try_from(content.len()).expect("a body's length fits");
    let body = if content.is_empty() { Vec::new() } else { body(channel, content) };
    let header = header(channel, size, NO_PROPERTIES);
    [publish_method(channel, exchange, key, bits), header, body].concat()
}

/// `basic.publish` of an empty body with these properties (flags and values).
#[must_use]
pub fn publish_with(channel: u16, key: &str, bits: u8, properties: impl AsRef<[u8]>) -> Vec<u8> {
    [publish_method(channel, "", key, bits), header(channel, 0, properties)].concat()
}

/// `basic.get`; bits: no-ack.
#[must_use]
pub fn get(channel: u16, queue: impl AsRef<[u8]>, bits: u8) -> Vec<u8> {
    method(channel, 60, 70, [short(0), shortstr(queue), octet(bits)].concat())
}

/// `basic.ack`; bits: multiple.
#[must_use]
pub fn ack(channel: u16, tag: u64, bits: u8) -> Vec<u8> {
    method(channel, 60, 80, [longlong(tag), octet(bits)].concat())
}

/// `basic.reject` with requeue.
#[must_use]
pub fn reject(channel: u16, tag: u64) -> Vec<u8> {
    method(channel, 60, 90, [longlong(tag), octet(1)].concat())
}

/// `basic.nack`; bits: multiple, requeue.
#[must_use]
pub fn nack(channel: u16, tag: u64, bits: u8) -> Vec<u8> {
    method(channel, 60, 120, [longlong(tag), octet(bits)].concat())
}

/// `confirm.select`.
#[must_use]
pub fn confirm_select(channel: u16) -> Vec<u8> {
    method(channel, 85, 10, octet(0))
}

/// `tx.select` (10), `tx.commit` (20) or `tx.rollback` (30).
#[must_use]
pub fn tx(channel: u16, id: u16) -> Vec<u8> {
    method(channel, 90, id, [])
}
