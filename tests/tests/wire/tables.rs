//! Field tables that cost more than they should: deep, long, or of elements without a width.

use springhare_tests::raw::bytes::{field, header, longstr, method, octet, short, shortstr, table};
use springhare_tests::raw::methods::{
    EXCLUSIVE, MANDATORY, publish_method, publish_with, queue_declare,
};
use springhare_tests::raw::{Close, RawPeer};

use crate::door::{Door, Target};
use crate::refused::{Bystander, closed};

wire!(
    a_reasonable_depth,
    nested_without_end,
    arrays_nested_without_end,
    thousands_of_entries,
    elements_without_a_width,
    every_type_comes_back_as_it_was,
);

wire_alone!(decoding_costs_no_more_than_the_bytes);

/// Tables in tables, this deep; empty at the bottom. The content of the outermost, in bytes.
fn nested(depth: usize) -> Vec<u8> {
    (1..depth).fold(Vec::new(), |inner, _| field("k", b'F', longstr(inner)))
}

fn headers(fields: impl AsRef<[u8]>) -> Vec<u8> {
    [short(0x2000), longstr(fields)].concat()
}

/// A header `k` with an array of this many voids.
fn voids(count: usize) -> Vec<u8> {
    headers(field("k", b'A', longstr(vec![b'V'; count])))
}

async fn a_reasonable_depth(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(queue_declare(1, "td", EXCLUSIVE, longstr(nested(16)))).await;
    peer.expect_method(1, 50, 11).await;
    returned_as_it_was(&mut peer, &headers(nested(16))).await;
}

/// RabbitMQ takes them. Ours has a limit, so that nothing ever recurses by a peer's will.
async fn nested_without_end(door: &Door) {
    let mut bystander = Bystander::new(door).await;
    for depth in [100, 10_000] {
        let declare = queue_declare(1, "tn", EXCLUSIVE, longstr(nested(depth)));
        let publish = publish_with(1, "nowhere", MANDATORY, headers(nested(depth)));
        taken_or_refused(door, declare, (50, 11), (50, 10)).await;
        taken_or_refused(door, publish, (60, 50), (60, 40)).await;
    }
    bystander.notices_nothing().await;
}

async fn arrays_nested_without_end(door: &Door) {
    let arrays = (0..10_000).fold(Vec::new(), |inner, _| [&b"A"[..], &longstr(inner)].concat());
    let arguments = longstr([shortstr("k"), arrays].concat());
    let declare = queue_declare(1, "ta", EXCLUSIVE, arguments);
    taken_or_refused(door, declare, (50, 11), (50, 10)).await;
}

/// RabbitMQ answers with the method `taken`; ours closes the connection over `refused`.
async fn taken_or_refused(door: &Door, bytes: Vec<u8>, taken: (u16, u16), refused: (u16, u16)) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(bytes).await;
    if door.target == Target::RabbitMq {
        peer.expect_method(1, taken.0, taken.1).await;
    } else {
        let close = peer.expect_close().await;
        assert_eq!((close.channel, close.code, close.method), (0, 501, refused), "{}", close.text);
        assert!(close.text.starts_with("FRAME_ERROR - cannot decode <<"), "{}", close.text);
        assert!(close.text.len() <= 255);
    }
}

async fn thousands_of_entries(door: &Door) {
    let fields: Vec<u8> = (0..14_000).flat_map(|n| field(&format!("k{n:05}"), b'V', [])).collect();
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(queue_declare(1, "te", EXCLUSIVE, longstr(&fields))).await;
    peer.expect_method(1, 50, 11).await;
    returned_as_it_was(&mut peer, &headers(&fields)).await;
    // The same name again and again is no reason to look at all that were before.
    let same: Vec<u8> = (0..32_000).flat_map(|_| field("k", b'V', [])).collect();
    returned_as_it_was(&mut peer, &headers(&same)).await;
    peer.send(queue_declare(1, "tf", EXCLUSIVE, longstr(&same))).await;
    peer.expect_method(1, 50, 11).await;
}

async fn elements_without_a_width(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    returned_as_it_was(&mut peer, &voids(130_000)).await;
    let arguments = longstr(field("k", b'A', longstr(vec![b'V'; 130_000])));
    peer.send(queue_declare(1, "tw", EXCLUSIVE, arguments)).await;
    peer.expect_method(1, 50, 11).await;
    // An array that claims more than its table has.
    let lie = field("k", b'A', [&(1_u32 << 31).to_be_bytes()[..], b"VV"].concat());
    let arguments = [short(0), shortstr("tw"), octet(EXCLUSIVE), longstr(lie)].concat();
    if door.target == Target::Springhare {
        let shown: Vec<_> = arguments.iter().map(u8::to_string).collect();
        let text = format!("FRAME_ERROR - cannot decode <<{}>>", shown.join(","));
        let refusal = Close::connection(501, &text, (50, 10));
        closed(door, method(1, 50, 10, arguments), &refusal).await;
    }
}

/// Also those that only some clients send, and the one that RabbitMQ alone takes for a long.
async fn every_type_comes_back_as_it_was(door: &Door) {
    let values: [(u8, Vec<u8>); 18] = [
        (b't', vec![1]),
        (b'b', vec![0xFF]),
        (b'B', vec![0xFF]),
        (b's', vec![0xFF, 0xFE]),
        (b'u', vec![0xFF, 0xFE]),
        (b'I', vec![0xFF; 4]),
        (b'i', vec![0xFF; 4]),
        (b'l', vec![0xFF; 8]),
        (b'L', vec![0xFF; 8]),
        (b'f', vec![0xBF, 0x80, 0, 0]),
        (b'd', vec![0x80, 0, 0, 0, 0, 0, 0, 0]),
        (b'D', vec![2, 0xFF, 0xFF, 0xFF, 0xFF]),
        (b'S', longstr([0xFF, 0])),
        (b'x', longstr([0xFF, 0])),
        (b'T', vec![0xFF; 8]),
        (b'V', Vec::new()),
        (b'A', longstr(b"Vt\x01")),
        (b'F', table(&[field("", b'V', [])])),
    ];
    let fields: Vec<u8> =
        values.iter().flat_map(|(kind, value)| field("k", *kind, value)).collect();
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    returned_as_it_was(&mut peer, &headers(fields)).await;
    // Erlang has no such numbers: RabbitMQ's channel crashes over them.
    if door.target == Target::Springhare {
        let not_a_number = field("k", b'd', [0x7F, 0xF8, 0, 0, 0, 0, 0, 1]);
        let infinite = field("k", b'f', [0xFF, 0x80, 0, 0]);
        returned_as_it_was(&mut peer, &headers([not_a_number, infinite].concat())).await;
    }
}

/// A message with these properties comes back, byte for byte.
async fn returned_as_it_was(peer: &mut RawPeer, properties: &[u8]) {
    let returned = publish_method(1, "", "nowhere", MANDATORY);
    let expected = header(1, 0, properties);
    peer.send([&returned[..], &expected].concat()).await;
    peer.expect_method(1, 60, 50).await;
    let frame = peer.expect_frame("the header").await;
    assert_eq!(frame.payload, expected[7..expected.len() - 1]);
}

/// A hundred tables of the worst kind, one after the other, leave nothing behind.
async fn decoding_costs_no_more_than_the_bytes(door: &Door) {
    const ALLOWED: u64 = 64 << 20;
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    let before = door.resident_bytes();
    let properties = voids(130_000);
    for _ in 0..100 {
        returned_as_it_was(&mut peer, &properties).await;
    }
    if let Some((before, after)) = before.zip(door.resident_bytes()) {
        assert!(after < before + ALLOWED, "{before} bytes became {after}");
    }
}
