mod contents;

use bytes::{Bytes, BytesMut};
use springhare_amqp::wire::method::{basic, channel, connection, queue};
use springhare_amqp::wire::{
    Frame, FrameKind, Method, PROTOCOL_HEADER, encode_body_frame, encode_header_frame,
    encode_heartbeat,
};
use springhare_amqp::{
    AmqpError, FieldTable, FieldValue, MessageProperties, MethodId, ReplyCode, ShortString,
};

use super::connection::Negotiable;
use super::{ChannelMethod, Connection, Ending, Fault, Request, ServerProperties};

const OFFER: Negotiable = Negotiable { channel_max: 3, frame_max: 131_072, heartbeat: 60 };

/// A connection and its peer, which says what it is told to and remembers what it hears.
struct Pair {
    connection: Connection,
    said: BytesMut,
}

/// What came of what the peer said.
#[derive(Debug)]
enum Came {
    Request(Request),
    Fault(Fault),
}

impl Pair {
    fn new() -> Self {
        let server = ServerProperties {
            product: "springhare".into(),
            version: "3.13.0".into(),
            cluster_name: "test".into(),
        };
        Self { connection: Connection::new(OFFER, server, 1 << 20), said: BytesMut::new() }
    }

    /// Through the handshake, with channel 1 open.
    fn running() -> Self {
        let mut pair = Self::new();
        pair.say(&PROTOCOL_HEADER);
        pair.method(0, start_ok("PLAIN", b"\0guest\0guest", FieldTable::new()));
        pair.come();
        pair.connection.log_in();
        pair.method(0, connection::TuneOk { channel_max: 2, frame_max: 4096, heartbeat: 0 });
        pair.method(0, connection::Open { virtual_host: ShortString::from_static("/") });
        pair.come();
        pair.connection.opened();
        pair.method(1, channel::Open {});
        pair.come();
        pair.connection.channel_opened(1);
        pair.heard();
        pair
    }

    fn say(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
    }

    fn method(&mut self, channel: u16, method: impl Into<Method>) {
        method.into().encode_frame(channel, &mut self.said);
    }

    fn publish(&mut self, channel: u16, key: &'static str) {
        self.method(
            channel,
            basic::Publish {
                exchange: ShortString::EMPTY,
                routing_key: ShortString::from_static(key),
                mandatory: false,
                immediate: false,
            },
        );
    }

    /// All that comes of what was said so far; faults are told to the peer.
    fn come(&mut self) -> Vec<Came> {
        let bytes = std::mem::take(&mut self.said);
        let (mut at, mut came) = (0, Vec::new());
        loop {
            match self.connection.receive(&bytes, &mut at) {
                Ok(None) => break,
                Ok(Some(request)) => came.push(Came::Request(request)),
                Err(fault) => {
                    self.connection.fail(&fault);
                    came.push(Came::Fault(fault));
                }
            }
        }
        self.said.extend_from_slice(&bytes[at..]);
        came
    }

    fn fault(&mut self) -> AmqpError {
        match self.come().pop() {
            Some(Came::Fault(fault)) => fault.error,
            other => panic!("expected a fault, got {other:?}"),
        }
    }

    /// The methods that the peer hears, by channel.
    fn heard(&mut self) -> Vec<(u16, Method)> {
        let mut bytes = Vec::new();
        let output = self.connection.output();
        let mut slices = super::Output::no_slices();
        let filled = output.slices(&mut slices);
        for slice in &slices[..filled] {
            bytes.extend_from_slice(slice);
        }
        output.written(bytes.len());
        let mut rest = &bytes[..];
        let mut heard = Vec::new();
        while let Some(frame) = Frame::decode(rest, usize::MAX).unwrap() {
            if frame.kind == FrameKind::Method {
                heard.push((frame.channel, Method::decode(frame.payload).unwrap()));
            }
            rest = &rest[frame.encoded_len()..];
        }
        heard
    }
}

fn start_ok(mechanism: &'static str, response: &'static [u8], capabilities: FieldTable) -> Method {
    let mut client_properties = FieldTable::new();
    client_properties.insert("capabilities", capabilities).unwrap();
    let start_ok = connection::StartOk {
        client_properties,
        mechanism: ShortString::from_static(mechanism),
        response: Bytes::from_static(response),
        locale: ShortString::from_static("en_US"),
    };
    start_ok.into()
}

#[test]
fn a_handshake_says_what_rabbitmq_says() {
    let mut pair = Pair::new();
    pair.say(&PROTOCOL_HEADER[..5]);
    assert!(pair.come().is_empty());
    pair.say(&PROTOCOL_HEADER[5..]);
    assert!(pair.come().is_empty());
    let heard = pair.heard();
    let [(0, Method::Connection(connection::Method::Start(start)))] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(
        (&start.mechanisms[..], &start.locales[..]),
        (&b"PLAIN AMQPLAIN"[..], &b"en_US"[..])
    );
    let FieldValue::Table(capabilities) = start.server_properties.get("capabilities").unwrap()
    else {
        panic!("{start:?}");
    };
    let names: Vec<_> = capabilities.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names.join(" "),
        "publisher_confirms exchange_exchange_bindings basic.nack \
        consumer_cancel_notify connection.blocked consumer_priorities \
        authentication_failure_close per_consumer_qos direct_reply_to"
    );
    pair.method(0, start_ok("PLAIN", b"\0guest\0guest", FieldTable::new()));
    assert!(
        matches!(&pair.come()[..], [Came::Request(Request::LogIn(login))] if login.user == "guest")
    );
    pair.connection.log_in();
    let heard = pair.heard();
    let [(0, Method::Connection(connection::Method::Tune(tune)))] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!((tune.channel_max, tune.frame_max, tune.heartbeat), (3, 131_072, 60));
}

#[test]
fn another_protocol_hears_ours_and_no_more() {
    let mut pair = Pair::new();
    pair.say(b"GET / HTTP/1.1\r\n");
    pair.come();
    assert_eq!(pair.connection.ending(), Ending::Closed);
    assert_eq!(pair.connection.output().len(), 8);
}

#[test]
fn a_refused_login_is_told_to_who_asked_for_it_only() {
    for asked in [true, false] {
        let mut pair = Pair::new();
        pair.say(&PROTOCOL_HEADER);
        let mut capabilities = FieldTable::new();
        capabilities.insert("authentication_failure_close", asked).unwrap();
        pair.method(0, start_ok("PLAIN", b"\0guest\0wrong", capabilities));
        pair.come();
        pair.heard();
        let error = AmqpError::new(ReplyCode::AccessRefused, MethodId::NONE, "Login was refused");
        pair.connection.fail(&Fault { channel: 0, error });
        let told = pair.heard();
        assert_eq!(told.len(), usize::from(asked), "{told:?}");
        let expected = if asked { Ending::Closing } else { Ending::Dismissed };
        assert_eq!(pair.connection.ending(), expected);
    }
}

#[test]
fn tuning_out_of_bounds_is_refused_in_rabbitmqs_words() {
    for (channel_max, frame_max, text) in [
        (
            0,
            4096,
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (3)",
        ),
        (4, 4096, "negotiated channel_max = 4 is higher than the maximum allowed value (3)"),
        (
            3,
            0,
            "negotiated frame_max = 0 (no limit) is higher than the maximum allowed value (131072)",
        ),
        (3, 4095, "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)"),
    ] {
        let mut pair = Pair::new();
        pair.say(&PROTOCOL_HEADER);
        pair.method(0, start_ok("PLAIN", b"\0guest\0guest", FieldTable::new()));
        pair.come();
        pair.connection.log_in();
        pair.method(0, connection::TuneOk { channel_max, frame_max, heartbeat: 60 });
        let error = pair.fault();
        assert_eq!(error.text(), format!("NOT_ALLOWED - {text}"));
        assert_eq!(pair.connection.ending(), Ending::Dismissed);
    }
}

#[test]
fn a_closing_channel_ignores_all_but_the_close() {
    let mut pair = Pair::running();
    let error = AmqpError::new(ReplyCode::NotFound, MethodId::QUEUE_DECLARE, "no queue 'q'");
    pair.connection.fail(&Fault { channel: 1, error });
    pair.publish(1, "q");
    encode_header_frame(1, 1, &MessageProperties::default(), &mut pair.said);
    encode_body_frame(1, b"x", &mut pair.said);
    pair.method(1, basic::Ack { delivery_tag: 7, multiple: false });
    pair.method(
        1,
        channel::Close {
            reply_code: 200,
            reply_text: ShortString::EMPTY,
            class_id: 0,
            method_id: 0,
        },
    );
    assert!(pair.come().is_empty());
    let heard = pair.heard();
    assert!(matches!(
        &heard[..],
        [
            (1, Method::Channel(channel::Method::Close(_))),
            (1, Method::Channel(channel::Method::CloseOk(_)))
        ]
    ));
    pair.method(1, channel::CloseOk {});
    assert!(pair.come().is_empty());
    pair.method(1, basic::Ack { delivery_tag: 7, multiple: false });
    assert_eq!(pair.fault().text(), "CHANNEL_ERROR - expected 'channel.open'");
}

#[test]
fn channels_are_counted_and_opened_once() {
    let mut pair = Pair::running();
    pair.method(1, channel::Open {});
    assert_eq!(pair.fault().text(), "CHANNEL_ERROR - second 'channel.open' seen");

    let mut pair = Pair::running();
    pair.method(60_000, channel::Open {});
    assert!(matches!(pair.come()[..], [Came::Request(Request::OpenChannel { channel: 60_000 })]));
    pair.connection.channel_opened(60_000);
    pair.method(3, channel::Open {});
    assert_eq!(
        pair.fault().text(),
        "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)"
    );
}

#[test]
fn methods_that_no_client_sends_are_503() {
    let mut pair = Pair::running();
    pair.method(1, connection::OpenOk {});
    let error = pair.fault();
    assert_eq!(error.text(), "COMMAND_INVALID - unimplemented method");
    assert_eq!((error.method().class, error.method().method), (10, 41));

    let mut pair = Pair::running();
    pair.say(&[1, 0, 1, 0, 0, 0, 4, 0, 99, 0, 9, 0xCE]);
    let error = pair.fault();
    assert_eq!(error.text(), "COMMAND_INVALID - unimplemented method");
    assert_eq!((error.method().class, error.method().method), (99, 9));
}

#[test]
fn bytes_that_are_no_frame_are_501() {
    let mut pair = Pair::running();
    pair.say(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(
        pair.fault().text(),
        "FRAME_ERROR - type 71, all octets = <<>>: {frame_too_large,539959368,4088}"
    );
    let mut pair = Pair::running();
    pair.say(&[1, 0, 1, 0, 0, 0, 5, 0, 50, 0, 10, 7, 0xCE]);
    let error = pair.fault();
    assert_eq!(error.text(), "FRAME_ERROR - cannot decode <<7>>");
    assert_eq!(error.method(), MethodId::QUEUE_DECLARE);
}

#[test]
fn the_connection_closes_with_an_answer_and_ignores_what_comes_between() {
    let mut pair = Pair::running();
    encode_heartbeat(&mut pair.said);
    pair.method(
        0,
        connection::Close {
            reply_code: 200,
            reply_text: ShortString::EMPTY,
            class_id: 0,
            method_id: 0,
        },
    );
    assert!(matches!(&pair.come()[..], [Came::Request(Request::Close)]));
    assert!(pair.heard().is_empty(), "first all that came before is answered");
    pair.connection.closed_by_peer();
    assert!(matches!(&pair.heard()[..], [(0, Method::Connection(connection::Method::CloseOk(_)))]));
    assert_eq!(pair.connection.ending(), Ending::Leaving);

    let mut pair = Pair::running();
    pair.method(0, connection::OpenOk {});
    let error = pair.fault();
    assert_eq!(error.text(), "CHANNEL_ERROR - unexpected method in connection state running");
    pair.method(1, queue::Purge { queue: ShortString::EMPTY, no_wait: false });
    pair.say(&[2, 0, 0, 0, 0, 0, 0, 0xCE]);
    assert!(pair.come().is_empty());
    pair.method(0, connection::CloseOk {});
    pair.come();
    assert_eq!(pair.connection.ending(), Ending::Closed);
}

#[test]
fn a_method_of_a_channel_comes_as_it_is() {
    let mut pair = Pair::running();
    pair.method(1, queue::Purge { queue: ShortString::from_static("q"), no_wait: true });
    pair.method(1, channel::Flow { active: true });
    let came = pair.come();
    assert!(matches!(
        &came[..],
        [
            Came::Request(Request::Method { channel: 1, method: ChannelMethod::Queue(queue::Method::Purge(purge)) }),
            Came::Request(Request::Method { channel: 1, method: ChannelMethod::Flow { active: true } }),
        ] if purge.queue == "q" && purge.no_wait
    ));
}
