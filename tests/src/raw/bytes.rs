//! Bytes of AMQP, put together by hand: nothing here checks anything, so that a test can send
//! whatever it likes.

/// A method frame.
pub const METHOD: u8 = 1;
/// A content header frame.
pub const HEADER: u8 = 2;
/// A content body frame.
pub const BODY: u8 = 3;
/// A heartbeat frame.
pub const HEARTBEAT: u8 = 8;
/// The byte that ends a frame.
pub const FRAME_END: u8 = 0xCE;
/// What a client sends first.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// An octet; also up to eight bits, the first one lowest.
#[must_use]
pub fn octet(value: u8) -> Vec<u8> {
    vec![value]
}

/// A short: two bytes.
#[must_use]
pub fn short(value: u16) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// A long: four bytes.
#[must_use]
pub fn long(value: u32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// A long-long: eight bytes.
#[must_use]
pub fn longlong(value: u64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// A short string.
///
/// # Panics
///
/// When it has more than 255 bytes.
#[must_use]
pub fn shortstr(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let length = u8::try_from(text.len()).expect("a short string has 255 bytes at most");
    [&[length], text].concat()
}

/// A long string, or any bytes after their length.
///
/// # Panics
///
/// When it has 4 GiB or more.
#[must_use]
pub fn longstr(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let length = u32::try_from(text.len()).expect("a long string has less than 4 GiB");
    [&length.to_be_bytes(), text].concat()
}

/// A field table of fields that [`field`] made.
#[must_use]
pub fn table(fields: &[Vec<u8>]) -> Vec<u8> {
    longstr(fields.concat())
}

/// A field of a table: its name, the letter of its type, and the bytes of the value.
#[must_use]
pub fn field(name: &str, kind: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    [&shortstr(name), &[kind][..], value.as_ref()].concat()
}

/// A field that holds a text.
#[must_use]
pub fn text_field(name: &str, text: &str) -> Vec<u8> {
    field(name, b'S', longstr(text))
}

/// A frame of any kind.
#[must_use]
pub fn frame(kind: u8, channel: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_with_end(kind, channel, payload, FRAME_END)
}

/// A frame that ends with any byte.
#[must_use]
pub fn frame_with_end(kind: u8, channel: u16, payload: impl AsRef<[u8]>, end: u8) -> Vec<u8> {
    [&[kind], &short(channel)[..], &longstr(payload), &[end]].concat()
}

/// The first seven bytes of a frame that claims `size` bytes of payload.
#[must_use]
pub fn frame_start(kind: u8, channel: u16, size: u32) -> Vec<u8> {
    [&[kind], &short(channel)[..], &long(size)].concat()
}

/// A method frame.
#[must_use]
pub fn method(channel: u16, class: u16, id: u16, arguments: impl AsRef<[u8]>) -> Vec<u8> {
    frame(METHOD, channel, [&short(class), &short(id), arguments.as_ref()].concat())
}

/// A content header frame of class basic; `properties` are flags and values.
#[must_use]
pub fn header(channel: u16, body_size: u64, properties: impl AsRef<[u8]>) -> Vec<u8> {
    header_of_class(channel, 60, 0, body_size, properties)
}

/// A content header frame of any class and weight.
#[must_use]
pub fn header_of_class(
    channel: u16,
    class: u16,
    weight: u16,
    body_size: u64,
    properties: impl AsRef<[u8]>,
) -> Vec<u8> {
    let fixed = [short(class), short(weight), longlong(body_size)].concat();
    frame(HEADER, channel, [&fixed, properties.as_ref()].concat())
}

/// The properties of a message that has none.
pub const NO_PROPERTIES: [u8; 2] = [0, 0];

/// A content body frame.
#[must_use]
pub fn body(channel: u16, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    frame(BODY, channel, bytes)
}

/// A heartbeat frame.
#[must_use]
pub fn heartbeat() -> Vec<u8> {
    frame(HEARTBEAT, 0, [])
}
