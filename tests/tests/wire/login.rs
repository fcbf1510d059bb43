//! Everything up to `connection.open-ok`: versions, mechanisms, passwords, tuning, virtual hosts.

use futures_util::future::join_all;
use springhare_tests::raw::bytes::{
    PROTOCOL_HEADER, field, frame, frame_start, frame_with_end, heartbeat, long, longstr, method,
    short, shortstr, table, text_field,
};
use springhare_tests::raw::methods::{
    channel_open, connection_close, connection_close_ok, open, start_ok, tune_ok,
};
use springhare_tests::raw::{Close, RawPeer, Received, Tune, is_open_ok};

use crate::door::{Door, Target};
use crate::refused::Bystander;

wire!(
    what_the_broker_says_first,
    another_protocol,
    a_protocol_header_in_pieces,
    plain,
    amqplain,
    a_wrong_password,
    a_response_without_a_password,
    an_unknown_mechanism,
    a_handshake_out_of_order,
    tune_within_bounds,
    tune_out_of_bounds,
    a_missing_virtual_host,
    a_large_frame_before_the_login,
);

const REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism";

/// A client that wants to be told.
const TOLD: [&str; 1] = ["authentication_failure_close"];

async fn what_the_broker_says_first(door: &Door) {
    let mut peer = RawPeer::connect(door.address).await;
    let start = peer.greet().await;
    assert_eq!(start[..2], [0, 9], "version 0-9");
    // RabbitMQ has them in the order of a table of its runtime, which is another on other machines.
    let orders = ["PLAIN AMQPLAIN", "AMQPLAIN PLAIN"];
    let ends = |mechanisms| start.ends_with(&[longstr(mechanisms), longstr("en_US")].concat());
    let may_be = if door.target == Target::RabbitMq { &orders[..] } else { &orders[..1] };
    assert!(may_be.iter().copied().any(ends));
    let names = [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ];
    let capabilities: Vec<_> = names.iter().map(|name| field(name, b't', [1])).collect();
    let capabilities = field("capabilities", b'F', table(&capabilities));
    assert!(start[6..].starts_with(&capabilities), "{}", start.escape_ascii());
    peer.send(start_ok("PLAIN", "\0guest\0guest", &[])).await;
    let tune = peer.expect_method(0, 10, 30).await;
    assert_eq!(tune, [short(2047), long(131_072), short(60)].concat());
}

/// The answer is the header of the version that is spoken here, and the end.
async fn another_protocol(door: &Door) {
    let tls_hello = [&[0x16, 3, 1, 0, 0xA5, 1, 0, 0, 0xA1, 3, 3][..], &[0x11; 159]].concat();
    let others: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &tls_hello,
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        b"AMQP\x01\x01\x00\x0A",
        b"AMQP\x00\x00\x09\x02",
        b"AMQX\x00\x00\x09\x01",
        &[0; 8],
        &[0xDE, 0xAD, 0xBE, 0xEF, 0, 1, 2, 3, 4, 5, 6, 7],
    ];
    let mut bystander = Bystander::new(door).await;
    for other in others {
        let mut peer = RawPeer::connect(door.address).await;
        peer.send(other).await;
        let header = Received::ProtocolHeader(PROTOCOL_HEADER);
        assert_eq!(peer.next().await, header, "after {}", other.escape_ascii());
        assert_eq!(peer.next().await, Received::Dropped);
    }
    bystander.notices_nothing().await;
}

async fn a_protocol_header_in_pieces(door: &Door) {
    let mut peer = RawPeer::connect(door.address).await;
    for byte in PROTOCOL_HEADER {
        peer.send([byte]).await;
    }
    peer.expect_method(0, 10, 10).await;
}

async fn plain(door: &Door) {
    let mut peer = RawPeer::connect(door.address).await;
    // A heartbeat may come at any time, even now.
    peer.greet().await;
    peer.send([heartbeat(), start_ok("PLAIN", "\0guest\0guest", &[])].concat()).await;
    peer.expect_method(0, 10, 30).await;
    peer.send(tune_ok(10, 8192, 0)).await;
    peer.send(open("/")).await;
    assert_eq!(peer.expect_method(0, 10, 41).await, shortstr(""));
    peer.close().await;
}

async fn amqplain(door: &Door) {
    let (user, password) = (text_field("LOGIN", "guest"), text_field("PASSWORD", "guest"));
    let binary = field("LOGIN", b'x', longstr("guest"));
    for response in [
        [&*user, &password].concat(),
        [&*password, &user].concat(),
        [&*binary, &password].concat(),
        [&text_field("more", "x"), &*user, &password].concat(),
    ] {
        let mut peer = RawPeer::connect(door.address).await;
        peer.greet().await;
        peer.send(start_ok("AMQPLAIN", response, &TOLD)).await;
        peer.expect_method(0, 10, 30).await;
    }
}

async fn a_wrong_password(door: &Door) {
    let wrong = [text_field("LOGIN", "guest"), text_field("PASSWORD", "no")].concat();
    let rows: [(&str, &[u8]); 5] = [
        ("PLAIN", b"\0guest\0wrong"),
        ("PLAIN", b"\0nobody\0guest"),
        ("PLAIN", b"\0guest\0"),
        ("PLAIN", b"\0\0guest"),
        ("AMQPLAIN", &wrong),
    ];
    for (mechanism, response) in rows {
        let mut peer = RawPeer::connect(door.address).await;
        peer.greet().await;
        peer.send(start_ok(mechanism, response, &TOLD)).await;
        let text = format!("{REFUSED} {mechanism}. For details see the broker logfile.");
        assert_eq!(peer.expect_close().await, Close::connection(403, &text, (0, 0)));
        peer.send(connection_close_ok()).await;
        assert_eq!(peer.next().await, Received::Dropped);
    }
    // A client that does not know of this is dropped, and without a word.
    let silent = rows.map(|(mechanism, response)| start_ok(mechanism, response, &[]));
    all_dropped(door, &silent).await;
}

/// A mechanism's response that is not even one has no user to tell anything to.
async fn a_response_without_a_password(door: &Door) {
    let responses: [(&str, Vec<u8>); 10] = [
        ("PLAIN", Vec::new()),
        ("PLAIN", b"guest".to_vec()),
        ("PLAIN", b"\0guest".to_vec()),
        ("PLAIN", b"other\0guest\0guest".to_vec()),
        ("PLAIN", b"\0guest\0guest\0more".to_vec()),
        ("AMQPLAIN", Vec::new()),
        ("AMQPLAIN", vec![0xFF; 3]),
        ("AMQPLAIN", text_field("LOGIN", "guest")),
        ("AMQPLAIN", text_field("PASSWORD", "guest")),
        ("AMQPLAIN", [field("LOGIN", b'I', long(4)), text_field("PASSWORD", "guest")].concat()),
    ];
    let sent = responses.map(|(mechanism, response)| start_ok(mechanism, response, &TOLD));
    all_dropped(door, &sent).await;
}

async fn an_unknown_mechanism(door: &Door) {
    let mechanisms = ["", "plain", "EXTERNAL", "ANONYMOUS", "RABBIT-CR-DEMO", "NOPE"];
    all_dropped(door, &mechanisms.map(|name| start_ok(name, "\0guest\0guest", &TOLD))).await;
}

async fn a_handshake_out_of_order(door: &Door) {
    let sent = [
        method(0, 10, 11, table(&[])),
        method(0, 10, 11, [0xFF; 5]),
        method(0, 99, 99, []),
        tune_ok(0, 131_072, 0),
        open("/"),
        channel_open(1),
        connection_close(),
        connection_close_ok(),
        frame_with_end(1, 0, [0, 10, 0, 11], 0),
        frame(9, 0, "xx"),
        frame(2, 1, [0; 14]),
        frame(3, 1, "x"),
        PROTOCOL_HEADER.to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xDE, 0xAD, 0xBE, 0xEF, 0xDE, 0xAD, 0xBE, 0xEF],
    ];
    let mut bystander = Bystander::new(door).await;
    all_dropped(door, &sent).await;
    bystander.notices_nothing().await;
}

async fn tune_within_bounds(door: &Door) {
    for (channel_max, frame_max, heartbeat) in
        [(1, 4096, 0), (2047, 131_072, 60), (100, 8192, u16::MAX)]
    {
        let mut peer = RawPeer::connect(door.address).await;
        let tune = Tune { channel_max, frame_max, heartbeat };
        assert!(is_open_ok(&peer.handshake("guest", "guest", "/", tune).await), "{tune:?}");
        peer.open_channel(1).await;
        peer.close().await;
    }
}

/// RabbitMQ refuses 0 too, which is AMQP's "no limit".
async fn tune_out_of_bounds(door: &Door) {
    let refused = [
        (2048, 131_072),
        (0, 131_072),
        (u16::MAX, 131_072),
        (2047, 131_073),
        (2047, u32::MAX),
        (2047, 4095),
        (2047, 1),
        (2047, 0),
    ];
    let attempts = refused.map(async |(channel_max, frame_max)| {
        let mut peer = RawPeer::connect(door.address).await;
        let tune = Tune { channel_max, frame_max, heartbeat: 0 };
        let answer = peer.handshake("guest", "guest", "/", tune).await;
        assert_eq!(answer, Received::Dropped, "{tune:?}");
    });
    join_all(attempts).await;
}

async fn a_missing_virtual_host(door: &Door) {
    let long_name = "v".repeat(255);
    for name in ["missing", "", "/missing", "*", &long_name] {
        let mut peer = RawPeer::connect(door.address).await;
        let answer = peer.handshake("guest", "guest", name, Tune::default()).await;
        let Received::Frame(frame) = answer else { panic!("{name}: {answer:?}") };
        let mut text = format!("NOT_ALLOWED - vhost {name} not found");
        if text.len() > 255 {
            text.truncate(252);
            text.push_str("...");
        }
        let close = frame.close().unwrap();
        assert_eq!(close, Close::connection(530, &text, (10, 40)));
        peer.confirm_close(&close).await;
        assert_eq!(peer.next().await, Received::Dropped);
    }
}

/// Who has not logged in may not have frames of more than 4,096 bytes.
async fn a_large_frame_before_the_login(door: &Door) {
    let starts = [4097, 5000, 131_072, u32::MAX].map(|size| frame_start(1, 0, size));
    all_dropped(door, &starts).await;
    let properties = table(&[text_field("product", &"x".repeat(3900))]);
    let mut peer = RawPeer::connect(door.address).await;
    peer.greet().await;
    let rest = [shortstr("PLAIN"), longstr("\0guest\0guest"), shortstr("en_US")].concat();
    peer.send(method(0, 10, 11, [properties, rest].concat())).await;
    peer.expect_method(0, 10, 30).await;
}

/// Each of these, sent after `connection.start`, ends its connection without a word. All at
/// once, since RabbitMQ takes three seconds over it.
async fn all_dropped(door: &Door, sent: &[Vec<u8>]) {
    let attempts = sent.iter().map(async |bytes| {
        let mut peer = RawPeer::connect(door.address).await;
        peer.greet().await;
        peer.send(bytes).await;
        assert_eq!(peer.next().await, Received::Dropped, "after {}", bytes.escape_ascii());
    });
    join_all(attempts).await;
}
