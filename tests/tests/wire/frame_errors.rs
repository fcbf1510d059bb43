//! Frames that are none, and arguments that are no arguments.

use springhare_tests::raw::bytes::{
    HEADER, HEARTBEAT, METHOD, PROTOCOL_HEADER, field, frame, frame_start, frame_with_end, header,
    heartbeat, long, longstr, method, octet, short, shortstr, table,
};
use springhare_tests::raw::methods::{
    EXCLUSIVE, consume, flow, get, publish, publish_method, queue_declare,
};
use springhare_tests::raw::{Close, RawPeer, Tune, is_open_ok};

use crate::door::{Door, Target};
use crate::refused::{Bystander, Refusal, closed, closed_on, refused};

wire!(
    a_wrong_frame_end,
    an_unknown_frame_type,
    a_frame_that_is_too_large,
    a_frame_of_exactly_the_maximum,
    garbage,
    a_method_frame_without_a_method,
    arguments_that_are_cut_or_too_long,
    a_table_that_lies,
    a_name_that_is_not_utf_8,
    a_routing_key_that_is_not_utf_8,
    heartbeats,
    channel_0_takes_no_content,
);

async fn a_wrong_frame_end(door: &Door) {
    let payload = [short(60), short(10), long(0), short(1), octet(0)].concat();
    for end in [0, 0xCD, 0xFF] {
        let text = format!(
            "FRAME_ERROR - type 1, all octets = <<0,60,0,10,0,0,0,0,0,1,0>>: \
             {{invalid_frame_end_marker,{end}}}"
        );
        let bytes = frame_with_end(METHOD, 1, &payload, end);
        closed(door, bytes, &Close::connection(501, &text, (0, 0))).await;
    }
}

async fn an_unknown_frame_type(door: &Door) {
    let rows = [
        (4, 1, "xx", "all octets = <<\"xx\">>"),
        (0, 0, "xx", "all octets = <<\"xx\">>"),
        (5, 1, "", "all octets = <<>>"),
        (255, 65535, "abcdefghijklmnop", "all octets = <<\"abcdefghijklmnop\">>"),
        (255, 65535, "abcdefghijklmnopq", "first 16 octets = <<\"abcdefghijklmnop\">>"),
    ];
    for (kind, channel, payload, shown) in rows {
        let text = format!("FRAME_ERROR - type {kind}, {shown}: unknown_frame");
        let bytes = frame(kind, channel, payload);
        closed(door, bytes, &Close::connection(501, &text, (0, 0))).await;
    }
}

/// It is refused as soon as its size is known: nobody waits for 4 GiB.
async fn a_frame_that_is_too_large(door: &Door) {
    for size in [131_073, 1 << 24, u32::MAX] {
        let text =
            format!("FRAME_ERROR - type 3, all octets = <<>>: {{frame_too_large,{size},131064}}");
        let bytes = frame_start(3, 1, size);
        closed(door, bytes, &Close::connection(501, &text, (0, 0))).await;
    }
    let mut peer = tuned_to_4096(door).await;
    let text = "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4097,4088}";
    let refusal = Close::connection(501, text, (0, 0));
    closed_on(&mut peer, frame_start(3, 1, 4097), &refusal).await;
}

/// RabbitMQ is lenient by the eight bytes around the payload, since clients have counted wrong.
async fn a_frame_of_exactly_the_maximum(door: &Door) {
    let mut peer = tuned_to_4096(door).await;
    for payload in [4088, 4096] {
        let content = [
            publish_method(1, "", "nowhere", 0),
            header(1, payload, [0, 0]),
            frame(3, 1, vec![b'x'; usize::try_from(payload).unwrap()]),
        ];
        peer.send(content.concat()).await;
        peer.expect_alive(1).await;
    }
}

async fn garbage(door: &Door) {
    let mut bystander = Bystander::new(door).await;
    let rows: [(&[u8], u8, u32); 4] = [
        (&[0xDE, 0xAD, 0xBE, 0xEF, 0xDE, 0xAD, 0xBE, 0xEF], 222, 0xEFDE_ADBE),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 71, 0x202F_2048),
        (&PROTOCOL_HEADER, 65, 0x5000_0009),
        (&[0xFF; 4096], 255, u32::MAX),
    ];
    for (bytes, kind, size) in rows {
        let text = format!(
            "FRAME_ERROR - type {kind}, all octets = <<>>: {{frame_too_large,{size},131064}}"
        );
        closed(door, bytes, &Close::connection(501, &text, (0, 0))).await;
    }
    bystander.notices_nothing().await;
}

async fn a_method_frame_without_a_method(door: &Door) {
    for (payload, shown) in [(&[][..], "<<>>"), (&[0], "<<0>>"), (&[0, 60, 0], "<<0,60,0>>")] {
        let text = format!("FRAME_ERROR - type 1, all octets = {shown}: unknown_frame");
        let bytes = frame(METHOD, 1, payload);
        closed(door, bytes, &Close::connection(501, &text, (0, 0))).await;
    }
}

async fn arguments_that_are_cut_or_too_long(door: &Door) {
    let rows = [
        (60, 10, [long(0), short(1), octet(0), b"extra".to_vec()].concat()),
        (60, 10, long(0)),
        (50, 10, [short(0), b"\x05ab".to_vec()].concat()),
        (50, 10, [short(0), shortstr("q"), octet(0), long(u32::MAX)].concat()),
        (20, 10, Vec::new()),
        (60, 80, vec![0; 8]),
    ];
    for (class, id, arguments) in rows {
        let text = format!("FRAME_ERROR - cannot decode <<{}>>", decimal(&arguments));
        let refusal = Close::connection(501, &text, (class, id));
        closed(door, method(1, class, id, arguments), &refusal).await;
    }
}

/// RabbitMQ's reader crashes over them; ours says what it says of other arguments.
async fn a_table_that_lies(door: &Door) {
    let mut bystander = Bystander::new(door).await;
    let tables = [
        table(&[field("k", b'S', [long(1000), b"ab".to_vec()].concat())]),
        table(&[field("k", b'S', long(u32::MAX))]),
        table(&[field("k", b'F', long(u32::MAX))]),
        table(&[field("k", b'A', long(1 << 31))]),
        table(&[field("k", b'?', b"ab")]),
        table(&[field("k", b'I', [0, 0, 0])]),
        longstr(b"\xFFname"),
        longstr(shortstr("k")),
    ];
    for table in tables {
        let arguments = [short(0), shortstr("tl"), octet(EXCLUSIVE), table].concat();
        let text = format!("FRAME_ERROR - cannot decode <<{}>>", decimal(&arguments));
        let ours = Refusal::Close(Close::connection(501, &text, (50, 10)));
        let expected = door.either(ours, Refusal::Dropped);
        refused(door, method(1, 50, 10, arguments), &expected).await;
    }
    bystander.notices_nothing().await;
}

async fn a_name_that_is_not_utf_8(door: &Door) {
    let exchange = [short(0), shortstr([0xE9]), shortstr("direct"), octet(4), table(&[])].concat();
    let rows = [
        queue_declare(1, [0xFF, 0xFE], EXCLUSIVE, table(&[])),
        get(1, [0xFF], 0),
        consume(1, "", [0xC3], 0),
        method(1, 40, 10, exchange),
    ];
    for bytes in rows {
        let text = "FRAME_ERROR - Malformed UTF-8 in shortstr";
        closed(door, bytes, &Close::connection(501, text, (0, 0))).await;
    }
    // But a name may hold anything else, also what ends texts elsewhere.
    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    peer.send(queue_declare(1, "nul\0inside", EXCLUSIVE, table(&[]))).await;
    assert!(peer.expect_method(1, 50, 11).await.starts_with(b"\x0Anul\0inside"));
}

/// RabbitMQ routes by whatever bytes there are.
async fn a_routing_key_that_is_not_utf_8(door: &Door) {
    let bytes = publish_method(1, "", [0xFF, 0xFE], 1);
    let bytes = [bytes, header(1, 0, [0, 0])].concat();
    if door.target == Target::RabbitMq {
        let mut peer = RawPeer::with_channels(door.address, &[1]).await;
        peer.send(bytes).await;
        assert!(peer.expect_method(1, 60, 50).await.ends_with(b"\x02\xFF\xFE"));
    } else {
        let text = "FRAME_ERROR - Malformed UTF-8 in shortstr";
        closed(door, bytes, &Close::connection(501, text, (0, 0))).await;
    }
}

async fn heartbeats(door: &Door) {
    for channel in [1, 9] {
        let text = "UNEXPECTED_FRAME - type 8, all octets = <<>>";
        let bytes = frame(HEARTBEAT, channel, []);
        closed(door, bytes, &Close::connection(505, text, (0, 0))).await;
    }
    let text = "FRAME_ERROR - type 8, all octets = <<\"abc\">>: unknown_frame";
    closed(door, frame(HEARTBEAT, 0, "abc"), &Close::connection(501, text, (0, 0))).await;

    let mut peer = RawPeer::with_channels(door.address, &[1]).await;
    // Also in the middle of a content, since they belong to no channel.
    let parts = [publish(1, "", "nowhere", 1, b"x"), flow(1)];
    let cut = parts[0].len() - 9;
    let bytes = [&heartbeat(), &parts[0][..cut], &heartbeat(), &parts[0][cut..], &parts[1]];
    peer.send(bytes.concat()).await;
    peer.expect_method(1, 60, 50).await;
    peer.expect_frame("a header").await;
    peer.expect_frame("a body").await;
    peer.expect_method(1, 20, 21).await;
}

async fn channel_0_takes_no_content(door: &Door) {
    let text = "UNEXPECTED_FRAME - type 2, all octets = <<0,60,0,0,0,0,0,0,0,0,0,1,0,0>>";
    let refusal = Close::connection(505, text, (0, 0));
    closed(door, header(0, 1, [0, 0]), &refusal).await;
    let text = "UNEXPECTED_FRAME - type 3, all octets = <<\"x\">>";
    closed(door, frame(3, 0, "x"), &Close::connection(505, text, (0, 0))).await;
    let text = "FRAME_ERROR - type 2, all octets = <<>>: unknown_frame";
    closed(door, frame(HEADER, 0, []), &Close::connection(501, text, (0, 0))).await;
}

async fn tuned_to_4096(door: &Door) -> RawPeer {
    let mut peer = RawPeer::connect(door.address).await;
    let tune = Tune { frame_max: 4096, ..Tune::default() };
    assert!(is_open_ok(&peer.handshake("guest", "guest", "/", tune).await));
    peer.open_channel(1).await;
    peer.open_channel(2).await;
    peer
}

fn decimal(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}
