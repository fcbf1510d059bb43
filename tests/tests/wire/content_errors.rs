//! Contents that do not follow the order of method, header and bodies, or lie about themselves.

use springhare_tests::raw::bytes::{
    BODY, HEADER, NO_PROPERTIES, body, field, frame, frame_start, header, header_of_class, long,
    short, table,
};
use springhare_tests::raw::methods::{MANDATORY, channel_close, publish, publish_method, qos};
use springhare_tests::raw::{Close, RawPeer};

use crate::door::{Door, Target};
use crate::refused::{Bystander, closed, closed_on};

wire!(
    a_header_is_expected,
    a_header_of_another_class,
    a_body_is_expected,
    a_method_is_expected,
    a_content_for_a_method_without,
    a_body_larger_than_its_header,
    a_header_that_claims_everything,
    a_header_that_is_cut,
    properties_that_lie,
    empty_bodies_in_between,
    contents_of_two_channels_interleave,
    a_content_that_is_never_finished,
);

/// The method at fault in a content of `basic.publish`.
const PUBLISH: (u16, u16) = (60, 40);

fn start() -> Vec<u8> {
    publish_method(1, "", "nowhere", 0)
}

async fn a_header_is_expected(door: &Door) {
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got non content header \
                frame instead";
    let weight = header_of_class(1, 60, 1, 1, NO_PROPERTIES);
    for next in [qos(1, 1), body(1, "x"), start(), channel_close(1), weight] {
        let bytes = [start(), next].concat();
        closed(door, bytes, &Close::connection(505, text, PUBLISH)).await;
    }
}

async fn a_header_of_another_class(door: &Door) {
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 \
                instead";
    let bytes = [start(), header_of_class(1, 50, 0, 1, NO_PROPERTIES)].concat();
    closed(door, bytes, &Close::connection(505, text, PUBLISH)).await;
}

async fn a_body_is_expected(door: &Door) {
    let text = "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    for next in [qos(1, 1), header(1, 5, NO_PROPERTIES), start(), channel_close(1)] {
        let bytes = [start(), header(1, 5, NO_PROPERTIES), next].concat();
        closed(door, bytes, &Close::connection(505, text, PUBLISH)).await;
    }
}

async fn a_method_is_expected(door: &Door) {
    let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    let complete = publish(1, "", "nowhere", 0, b"");
    for bytes in [
        header(1, 1, NO_PROPERTIES),
        body(1, "x"),
        header(7, 1, NO_PROPERTIES),
        body(7, "x"),
        [complete.clone(), body(1, "")].concat(),
        [complete, body(1, "x")].concat(),
    ] {
        closed(door, bytes, &Close::connection(505, text, (0, 0))).await;
    }
}

async fn a_content_for_a_method_without(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    peer.send(qos(1, 1)).await;
    peer.expect_method(1, 60, 11).await;
    let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    let refusal = Close::connection(505, text, (0, 0));
    closed_on(&mut peer, header(1, 0, NO_PROPERTIES), &refusal).await;
}

/// RabbitMQ 3.10 waits, and is surprised by whatever comes next.
async fn a_body_larger_than_its_header(door: &Door) {
    let text = "FRAME_ERROR - content body is larger than the 5 bytes that its header announced";
    let ours = Close::connection(501, text, PUBLISH);
    let text = "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    let rabbitmq = Close::connection(505, text, PUBLISH);
    let expected = door.either(ours, rabbitmq);
    for bodies in [body(1, "123456"), [body(1, "123"), body(1, "456")].concat()] {
        let content = [start(), header(1, 5, NO_PROPERTIES), bodies].concat();
        let next = door.either(Vec::new(), qos(1, 1));
        closed(door, [content, next].concat(), &expected).await;
    }
}

/// RabbitMQ 3.10 waits for a body that never comes. Ours need not wait to know that it is more
/// than it takes.
async fn a_header_that_claims_everything(door: &Door) {
    for size in [1 << 63, u64::MAX] {
        let bytes = [start(), header(1, size, NO_PROPERTIES)].concat();
        if door.target == Target::Springhare {
            let text = format!(
                "PRECONDITION_FAILED - message size {size} is larger than configured max size \
                 {}",
                springhare_tests::MAX_MESSAGE_SIZE
            );
            closed(door, bytes, &Close::channel(406, &text, PUBLISH)).await;
        } else {
            let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
            peer.send([bytes, body(1, "x")].concat()).await;
            peer.expect_alive(2).await;
        }
    }
}

async fn a_header_that_is_cut(door: &Door) {
    let rows: [(&[u8], &str); 2] =
        [(&[], "<<>>"), (&[0, 60, 0, 0, 0, 0, 0, 0], "<<0,60,0,0,0,0,0,0>>")];
    for (payload, shown) in rows {
        let text = format!("FRAME_ERROR - type 2, all octets = {shown}: unknown_frame");
        let bytes = [start(), frame(HEADER, 1, payload)].concat();
        closed(door, bytes, &Close::connection(501, &text, (0, 0))).await;
    }
}

/// RabbitMQ's channel crashes over them, and that is all it says.
async fn properties_that_lie(door: &Door) {
    let headers = |table: Vec<u8>| [short(0x2000), table].concat();
    let cut = [short(0x8000), b"\x09abc".to_vec()].concat();
    let rows = [
        cut,
        [short(0), b"abc".to_vec()].concat(),
        [short(1), short(0)].concat(),
        headers(table(&[field("k", b'?', b"x")])),
        headers(table(&[field("k", b'S', [0xFF; 4])])),
        headers(long(u32::MAX)),
        headers(table(&[field("k", b'A', long(1 << 31))])),
    ];
    for properties in rows {
        let bytes = [start(), header(1, 1, &properties), body(1, "x")].concat();
        let shown = decimal(&[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &properties[..]].concat());
        let text = format!("FRAME_ERROR - cannot decode <<{shown}>>");
        let ours = Close::connection(501, &text, PUBLISH);
        let rabbitmq = Close::connection(541, "INTERNAL_ERROR", (0, 0));
        closed(door, bytes, &door.either(ours, rabbitmq)).await;
    }
}

async fn empty_bodies_in_between(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    let returned = publish_method(1, "", "nowhere", MANDATORY);
    let bodies = [body(1, ""), body(1, "ab"), body(1, ""), body(1, "c")].concat();
    peer.send([returned, header(1, 3, NO_PROPERTIES), bodies].concat()).await;
    peer.expect_method(1, 60, 50).await;
    assert_eq!(peer.expect_frame("a header").await.kind, HEADER);
    let mut content = Vec::new();
    while content.len() < 3 {
        let frame = peer.expect_frame("a body").await;
        assert_eq!(frame.kind, BODY);
        content.extend(frame.payload);
    }
    assert_eq!(content, b"abc");
    peer.expect_alive(1).await;
}

async fn contents_of_two_channels_interleave(door: &Door) {
    let mut peer = RawPeer::with_channels(door.address, &[1, 2]).await;
    let first = [
        publish_method(1, "", "one", MANDATORY),
        publish_method(2, "", "two", MANDATORY),
        header(1, 2, NO_PROPERTIES),
        header(2, 2, NO_PROPERTIES),
        body(1, "a"),
        body(2, "A"),
    ];
    peer.send(first.concat()).await;
    peer.send([body(1, "b"), body(2, "B")].concat()).await;
    let mut contents = [Vec::new(), Vec::new()];
    while contents.iter().any(|content| content.len() < 2) {
        let frame = peer.expect_frame("two returned messages").await;
        if frame.kind == BODY {
            contents[usize::from(frame.channel) - 1].extend(frame.payload);
        }
    }
    assert_eq!(contents, [b"ab", b"AB"]);
}

/// The connection ends in the middle of every part of a content: nothing is published.
async fn a_content_that_is_never_finished(door: &Door) {
    let mut bystander = Bystander::new(door).await;
    let whole = publish(1, "amq.fanout", "", 0, b"never");
    for length in 1..whole.len() {
        let mut peer = RawPeer::with_channels(door.address, &[1]).await;
        peer.send(&whole[..length]).await;
        peer.end().await;
    }
    bystander.notices_nothing().await;
    // A frame of 4 GiB is not waited for, even in the middle of a content.
    let huge = [start(), frame_start(HEADER, 1, u32::MAX)].concat();
    let text = "FRAME_ERROR - type 2, all octets = <<>>: {frame_too_large,4294967295,131064}";
    closed(door, huge, &Close::connection(501, text, (0, 0))).await;
    bystander.notices_nothing().await;
}

fn decimal(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}
