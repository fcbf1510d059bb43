//! Decoding takes memory in proportion to the bytes that are there, whatever they claim.
//!
//! One test, since what is measured is the whole process.
#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use springhare_amqp::wire::{FIELD_VALUE_MEMORY_MAX, Frame, Method, decode_table};
use springhare_amqp::{MessageProperties, Property};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// What any decoding may take beside what its values do.
const FIXED_BYTES: usize = 2048;

/// The most bytes that were allocated at once, and what is still allocated for the result.
fn memory_of<T>(decode: impl FnOnce() -> T) -> (usize, usize) {
    let _profiler = dhat::Profiler::builder().testing().build();
    let decoded = decode();
    let stats = dhat::HeapStats::get();
    drop(decoded);
    (stats.max_bytes, stats.curr_bytes)
}

fn counted(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// A table with an array of `element` as often as a large frame holds it.
fn array_of(element: &[u8]) -> Vec<u8> {
    let elements = element.repeat((128 << 10) / element.len());
    counted(&[b"\x00A", &counted(&elements)[..]].concat())
}

/// A table of as many names as a frame holds.
fn names() -> Vec<u8> {
    counted(
        &(0..20_000_u16).flat_map(|n| [b"\x04", &hex(n)[..], b"V"].concat()).collect::<Vec<_>>(),
    )
}

fn hex(n: u16) -> Vec<u8> {
    format!("{n:04x}").into_bytes()
}

fn assert_proportional(what: &str, bytes: &[u8]) {
    let bound = FIXED_BYTES + bytes.len() * FIELD_VALUE_MEMORY_MAX;
    let (peak, _) = memory_of(|| decode_table(bytes));
    assert!(peak <= bound, "{what}: {peak} bytes for a table of {}", bytes.len());

    let header = [&[0x20, 0], bytes].concat();
    let (parsing, _) = memory_of(|| MessageProperties::parse(&header));
    assert!(parsing <= FIXED_BYTES + header.len(), "{what}: {parsing} bytes to keep properties");
    let Ok(properties) = MessageProperties::parse(&header) else { return };
    let (_, kept) = memory_of(|| {
        let text = properties.text(Property::ReplyTo);
        (text, properties.headers_once().is_some())
    });
    assert_eq!(kept, 0, "{what}: a look keeps nothing");
    let bound = FIXED_BYTES + header.len() * FIELD_VALUE_MEMORY_MAX;
    let (_, kept) = memory_of(|| properties.headers.is_some());
    assert!(kept <= bound, "{what}: {kept} bytes for properties of {}", header.len());
}

fn a_large_table_stays_in_proportion() {
    for (what, bytes) in [
        ("nothing", counted(b"")),
        ("one value", counted(b"\x00V")),
        ("void", array_of(b"V")),
        ("empty tables", array_of(b"F\x00\x00\x00\x00")),
        ("empty arrays", array_of(b"A\x00\x00\x00\x00")),
        ("tables of one", array_of(b"F\x00\x00\x00\x02\x00V")),
        ("tables of two", array_of(b"F\x00\x00\x00\x05\x00V\x01aV")),
        ("arrays of one", array_of(b"A\x00\x00\x00\x01V")),
        ("arrays of five", array_of(b"A\x00\x00\x00\x05VVVVV")),
        ("short texts", array_of(b"S\x00\x00\x00\x01a")),
        ("names", names()),
    ] {
        assert!(decode_table(&bytes).is_ok(), "{what}");
        assert_proportional(what, &bytes);
    }
}

fn a_claim_alone_takes_nothing() {
    let claims: [&[u8]; 4] = [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x06\x00S\xff\xff\xff\xff",
        b"\x00\x00\x00\x06\x00A\xff\xff\xff\xff",
        b"\x00\x00\x00\x06\x00F\x7f\xff\xff\xff",
    ];
    for claim in claims {
        let (peak, _) = memory_of(|| decode_table(claim));
        assert!(peak <= FIXED_BYTES, "{peak} bytes for {claim:?}");
    }
    let start_ok = b"\x00\x0a\x00\x0b\x00\x00\x00\x00\x05PLAIN\xff\xff\xff\xff";
    assert_eq!(memory_of(|| Method::decode(start_ok)).0, 0);
    let frame = b"\x01\x00\x01\x7f\xff\xff\xff";
    assert_eq!(memory_of(|| Frame::decode(frame, usize::MAX)).0, 0);
}

/// Bytes that often are tables: letters of types, small numbers.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        6 => Just(0_u8),
        2 => 0..12_u8,
        4 => prop::sample::select(&b"tbBsuIilLfdDSATFxV"[..]),
        1 => any::<u8>(),
    ];
    vec(byte, 0..400)
}

#[test]
fn memory_is_in_proportion_to_the_bytes() {
    // The sets that are kept for all messages are made at the first look.
    MessageProperties::parse(&[0, 0]).unwrap();
    a_large_table_stays_in_proportion();
    a_claim_alone_takes_nothing();
    let is_in_proportion = |soup: Vec<u8>| {
        assert_proportional("soup", &counted(&soup));
        let method = [&[0, 50, 0, 10, 0, 0, 0, 0][..], &counted(&soup)].concat();
        let (peak, _) = memory_of(|| Method::decode(&method));
        prop_assert!(peak <= FIXED_BYTES + method.len() * FIELD_VALUE_MEMORY_MAX);
        Ok(())
    };
    TestRunner::default().run(&soup(), is_in_proportion).unwrap();
}
