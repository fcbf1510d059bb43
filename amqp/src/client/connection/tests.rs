use bytes::Bytes;

use super::*;
use crate::client::IncomingDelivery;
use crate::wire::FRAME_MIN_SIZE;
use crate::wire::method::{confirm, queue};
use crate::{BasicProperties, FieldTable, FieldValue, ReplyCode};

fn open() -> Connection {
    let agreed = Agreed { channel_max: 3, frame_max: FRAME_MIN_SIZE, heartbeat: 10 };
    Connection::new(agreed, Duration::ZERO)
}

/// The methods in what is to be sent, with their channels; contents are left out.
fn sent(connection: &mut Connection) -> Vec<(u16, Method)> {
    let bytes = connection.output().split();
    let mut rest = &bytes[..];
    let mut methods = Vec::new();
    while let Some(frame) = Frame::decode(rest, usize::MAX).unwrap() {
        rest = &rest[frame.encoded_len()..];
        if frame.kind == FrameKind::Method {
            methods.push((frame.channel, Method::decode(frame.payload).unwrap()));
        }
    }
    methods
}

/// What a broker would send.
fn received(channel: u16, method: impl Into<Method>) -> BytesMut {
    let mut bytes = BytesMut::new();
    method.into().encode_frame(channel, &mut bytes);
    bytes
}

fn content(bytes: &mut BytesMut, channel: u16, message: &Message) {
    let length = u64::try_from(message.body.len()).unwrap();
    encode_header_frame(channel, length, &message.properties, bytes);
    for part in message.body.chunks(FRAME_MIN_SIZE - FRAME_OVERHEAD) {
        encode_body_frame(channel, part, bytes);
    }
}

fn events(connection: &mut Connection, bytes: &[u8]) -> Vec<Event> {
    assert_eq!(connection.handle(bytes), Ok(bytes.len()));
    std::iter::from_fn(|| connection.poll_event()).collect()
}

/// An open connection with one open channel.
fn with_channel() -> (Connection, u16) {
    let mut connection = open();
    let channel = connection.open_channel().unwrap();
    assert_eq!(sent(&mut connection), [(channel, channel::Open.into())]);
    let call = MethodId::CHANNEL_OPEN;
    let reply = Event::Reply { channel, call, method: channel::OpenOk.into() };
    assert_eq!(events(&mut connection, &received(channel, channel::OpenOk)), [reply]);
    (connection, channel)
}

fn deliver(delivery_tag: u64, redelivered: bool, routing_key: &'static str) -> basic::Deliver {
    basic::Deliver {
        consumer_tag: ShortString::from_static("c"),
        delivery_tag,
        redelivered,
        exchange: ShortString::from_static("logs"),
        routing_key: ShortString::from_static(routing_key),
    }
}

#[test]
fn a_call_has_one_answer() {
    let (mut connection, channel) = with_channel();
    connection.call(channel, &confirm::Select { no_wait: false }).unwrap();
    connection.call(channel, &queue::Purge { ..Default::default() }).unwrap();
    let select_ok = received(channel, confirm::SelectOk);
    let call = MethodId::CONFIRM_SELECT;
    let expected = Event::Reply { channel, call, method: confirm::SelectOk.into() };
    assert_eq!(events(&mut connection, &select_ok), [expected]);
    // An answer that nothing asked for.
    let method = MethodId::CONFIRM_SELECT_OK;
    let fault = connection.handle(&select_ok).unwrap_err();
    assert_eq!(fault, PeerFault::UnexpectedMethod { channel, method });
    let last = sent(&mut connection).pop().unwrap();
    let (0, Method::Connection(connection::Method::Close(close))) = last else {
        panic!("{last:?}")
    };
    assert_eq!(close.reply_code, ReplyCode::CommandInvalid.code());
    assert!(close.reply_text.contains("confirm.select-ok on channel 1"), "{}", close.reply_text);
    assert!(!connection.is_open());
}

/// RabbitMQ's queue sends it, while the channel goes on.
#[test]
fn a_cancel_ok_may_be_overtaken() {
    let (mut connection, channel) = with_channel();
    connection.call(channel, &basic::Cancel::default()).unwrap();
    connection.call(channel, &queue::Purge::default()).unwrap();
    let mut bytes = received(channel, queue::PurgeOk { message_count: 1 });
    bytes.extend(received(channel, basic::CancelOk::default()));
    let calls: Vec<_> = events(&mut connection, &bytes)
        .into_iter()
        .map(|event| match event {
            Event::Reply { call, .. } => call,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(calls, [MethodId::QUEUE_PURGE, MethodId::BASIC_CANCEL]);
}

#[test]
fn an_answer_of_get_may_be_empty_and_unbind_ok_has_a_number_of_its_own() {
    let (mut connection, channel) = with_channel();
    let get = basic::Get { queue: ShortString::from_static("q"), no_ack: true };
    connection.call(channel, &get).unwrap();
    connection.call(channel, &crate::wire::method::exchange::Unbind::default()).unwrap();
    connection.call(channel, &get).unwrap();
    let got = basic::GetOk { delivery_tag: 1, message_count: 4, ..Default::default() };
    let mut bytes = received(channel, basic::GetEmpty);
    bytes.extend(received(channel, crate::wire::method::exchange::UnbindOk));
    bytes.extend(received(channel, got.clone()));
    let message = Message::new("hello");
    content(&mut bytes, channel, &message);
    let events = events(&mut connection, &bytes);
    assert!(matches!(events[0], Event::Reply { .. }) && matches!(events[1], Event::Reply { .. }));
    assert_eq!(events[2], Event::Got { channel, got, message });
}

#[test]
fn deliveries_are_read_whatever_came_before() {
    let channel = 1;
    let properties = BasicProperties {
        headers: Some(FieldTable::from_iter([(ShortString::from_static("x"), FieldValue::I32(7))])),
        ..Default::default()
    };
    let long = Message::new(vec![7; 3 * FRAME_MIN_SIZE]).with_properties(properties);
    let mut bytes = BytesMut::new();
    let mut expected = Vec::new();
    for (tag, redelivered, key, message) in [
        (1, false, "a", long.clone()),
        (2, true, "a", Message::new("")),
        (3, false, "ab", Message::new("x")),
        (4, false, "a", long),
    ] {
        bytes.extend(received(channel, deliver(tag, redelivered, key)));
        content(&mut bytes, channel, &message);
        let deliver = deliver(tag, redelivered, key);
        expected.push(IncomingDelivery {
            consumer_tag: deliver.consumer_tag,
            delivery_tag: tag,
            redelivered,
            exchange: deliver.exchange,
            routing_key: deliver.routing_key,
            message,
        });
    }
    // In two pieces, wherever they are cut.
    for cut in [1, 30, bytes.len() / 2, bytes.len() - 1] {
        let mut connection = with_channel().0;
        let done = connection.handle(&bytes[..cut]).unwrap();
        assert_eq!(connection.handle(&bytes[done..]), Ok(bytes.len() - done));
        let events: Vec<_> = std::iter::from_fn(|| connection.poll_event()).collect();
        let told = expected.iter().cloned().map(|delivery| Event::Delivered { channel, delivery });
        assert_eq!(events, told.collect::<Vec<_>>());
    }
}

#[test]
fn a_large_body_is_cut_into_frames() {
    let (mut connection, channel) = with_channel();
    let message = Message::new(Bytes::from(vec![1; FRAME_MIN_SIZE]));
    connection.publish(channel, &basic::Publish::default(), &message).unwrap();
    let bytes = connection.output().split();
    let mut rest = &bytes[..];
    let mut kinds = Vec::new();
    while let Some(frame) = Frame::decode(rest, FRAME_MIN_SIZE).unwrap() {
        kinds.push((frame.kind, frame.payload.len()));
        rest = &rest[frame.encoded_len()..];
    }
    let bodies = [(FrameKind::Body, FRAME_MIN_SIZE - 8), (FrameKind::Body, 8)];
    assert_eq!(kinds[2..], bodies);
}

#[test]
fn what_is_larger_than_a_frame_is_refused_and_leaves_nothing_behind() {
    let (mut connection, channel) = with_channel();
    let header = (ShortString::from_static("x"), FieldValue::text("y".repeat(FRAME_MIN_SIZE)));
    let headers = FieldTable::from_iter([header]);
    let properties = BasicProperties { headers: Some(headers.clone()), ..Default::default() };
    let message = Message::new("").with_properties(properties);
    let refused = connection.publish(channel, &basic::Publish::default(), &message).unwrap_err();
    assert!(matches!(refused, Refused::TooLargeForAFrame { max: FRAME_MIN_SIZE, .. }));
    let declare = queue::Declare { arguments: headers, ..Default::default() };
    assert!(connection.call(channel, &declare).is_err());
    assert_eq!(connection.output_len(), 0);
}

#[test]
fn a_channel_that_the_broker_closes_is_free_again() {
    let (mut connection, channel) = with_channel();
    connection.call(channel, &queue::Purge::default()).unwrap();
    let close = channel::Close {
        reply_code: 404,
        reply_text: ShortString::from_static("NOT_FOUND - no queue 'q' in vhost '/'"),
        class_id: 50,
        method_id: 30,
    };
    let events = events(&mut connection, &received(channel, close));
    let error =
        AmqpError::new(ReplyCode::NotFound, MethodId::QUEUE_PURGE, "no queue 'q' in vhost '/'");
    assert_eq!(events, [Event::ChannelClosed { channel, error }]);
    assert_eq!(sent(&mut connection).pop(), Some((channel, channel::CloseOk.into())));
    assert_eq!(connection.call(channel, &queue::Purge::default()), Err(Refused::ChannelClosed));
    assert_eq!(connection.open_channel(), Ok(channel));
}

#[test]
fn nothing_of_a_channel_counts_once_it_is_being_closed() {
    let (mut connection, channel) = with_channel();
    connection.close_channel(channel).unwrap();
    assert_eq!(connection.close_channel(channel), Err(Refused::ChannelClosed));
    let mut bytes = received(channel, deliver(1, false, "a"));
    content(&mut bytes, channel, &Message::new("late"));
    bytes.extend(received(channel, basic::Ack { delivery_tag: 1, multiple: false }));
    bytes.extend(received(channel, channel::CloseOk));
    assert_eq!(events(&mut connection, &bytes), [Event::ChannelCloseOk { channel }]);
}

#[test]
fn channels_have_a_limit() {
    let mut connection = open();
    for number in 1..=3 {
        assert_eq!(connection.open_channel(), Ok(number));
    }
    assert_eq!(connection.open_channel(), Err(Refused::NoChannelLeft { max: 3 }));
}

#[test]
fn a_close_of_either_side_is_the_last_event() {
    let (mut connection, _) = with_channel();
    let close = connection::Close {
        reply_code: 320,
        reply_text: ShortString::from_static("CONNECTION_FORCED - maintenance"),
        ..Default::default()
    };
    let error = AmqpError::new(ReplyCode::ConnectionForced, MethodId::NONE, "maintenance");
    assert_eq!(events(&mut connection, &received(0, close)), [Event::Closed(Some(error))]);
    assert_eq!(sent(&mut connection), [(0, connection::CloseOk.into())]);

    let mut connection = open();
    connection.close();
    assert_eq!(connection.open_channel(), Err(Refused::ConnectionClosed));
    let events = events(&mut connection, &received(0, connection::CloseOk));
    assert_eq!(events, [Event::Closed(None)]);
}

#[test]
fn a_broken_broker_is_told_why() {
    for (bytes, text) in [
        (&b"\x01\x00\x01\x00\x00\x00\x00\x00"[..], "no frame"),
        (b"\x01\x00\x09\x00\x00\x00\x00\xce", "channel 9, which is not open"),
        (b"\x01\x00\x01\x00\x00\x00\x01\x00\xce", "can't be read"),
        (b"\x03\x00\x01\x00\x00\x00\x01\x00\xce", "without its header"),
        (b"\x02\x00\x01\x00\x00\x00\x01\x00\xce", "without its method"),
        (b"\x02\x00\x00\x00\x00\x00\x01\x00\xce", "channel 0, which is not open"),
    ] {
        let (mut connection, _) = with_channel();
        let fault = connection.handle(bytes).unwrap_err();
        assert!(fault.to_string().contains(text), "{fault}");
        let close = sent(&mut connection).pop();
        assert!(matches!(close, Some((0, Method::Connection(connection::Method::Close(_))))));
    }
}

#[test]
fn heartbeats_go_both_ways() {
    let (mut connection, _) = with_channel();
    let second = Duration::from_secs(1);
    assert_eq!(connection.tick(5 * second), HeartbeatStep::Wait(Some(10 * second)));
    assert_eq!(connection.output().split(), b"\x08\x00\x00\x00\x00\x00\x00\xce"[..]);
    assert_eq!(connection.tick(20 * second), HeartbeatStep::Dead);
    connection.received(19 * second);
    assert_ne!(connection.tick(20 * second), HeartbeatStep::Dead);
}
