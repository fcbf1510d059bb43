//! Contents: how they are put together, and what may not come in between.

use super::*;

#[test]
fn a_content_is_put_together_whatever_the_frames() {
    let properties = MessageProperties::default();
    for cuts in [vec![], vec![5], vec![3, 2], vec![1, 0, 1, 3], vec![4096 - 8, 100]] {
        let mut pair = Pair::running();
        let body: Vec<u8> = (0..=255).cycle().take(cuts.iter().sum()).collect();
        pair.publish(1, "q");
        encode_header_frame(1, body.len() as u64, &properties, &mut pair.said);
        let mut at = 0;
        for cut in cuts {
            encode_body_frame(1, &body[at..at + cut], &mut pair.said);
            at += cut;
        }
        let came = pair.come();
        let [Came::Request(Request::Publish { channel: 1, publish })] = &came[..] else {
            panic!("{came:?}");
        };
        assert_eq!(publish.routing_key, "q");
        assert_eq!(publish.message.body, body);
        assert_eq!(pair.connection.held_bytes(), 0);
    }
}

#[test]
fn contents_of_two_channels_may_alternate() {
    let mut pair = Pair::running();
    pair.method(2, channel::Open {});
    pair.come();
    pair.connection.channel_opened(2);
    let properties = MessageProperties::default();
    pair.publish(1, "one");
    pair.publish(2, "two");
    encode_header_frame(2, 4, &properties, &mut pair.said);
    encode_header_frame(1, 2, &properties, &mut pair.said);
    encode_body_frame(2, b"tw", &mut pair.said);
    encode_body_frame(1, b"on", &mut pair.said);
    encode_body_frame(2, b"o.", &mut pair.said);
    let bodies: Vec<_> = pair
        .come()
        .into_iter()
        .map(|came| match came {
            Came::Request(Request::Publish { channel, publish }) => (channel, publish.message.body),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bodies, [(1, Bytes::from("on")), (2, Bytes::from("two."))]);
}

#[test]
fn frames_out_of_order_are_505_in_rabbitmqs_words() {
    let properties = MessageProperties::default();
    let expected_method = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    let expected_header = "UNEXPECTED_FRAME - expected content header for class 60, got non content \
                           header frame instead";
    let expected_body =
        "UNEXPECTED_FRAME - expected content body, got non content body frame instead";

    let mut pair = Pair::running();
    encode_header_frame(1, 0, &properties, &mut pair.said);
    assert_eq!(pair.fault().text(), expected_method);
    assert_eq!(pair.connection.ending(), Ending::Closing);

    let mut pair = Pair::running();
    encode_body_frame(1, b"x", &mut pair.said);
    assert_eq!(pair.fault().text(), expected_method);

    let mut pair = Pair::running();
    pair.publish(1, "q");
    encode_body_frame(1, b"x", &mut pair.said);
    let error = pair.fault();
    assert_eq!((error.text(), error.method()), (expected_header, MethodId::BASIC_PUBLISH));

    let mut pair = Pair::running();
    pair.publish(1, "q");
    pair.publish(1, "q");
    assert_eq!(pair.fault().text(), expected_header);

    let mut pair = Pair::running();
    pair.publish(1, "q");
    encode_header_frame(1, 4, &properties, &mut pair.said);
    encode_header_frame(1, 4, &properties, &mut pair.said);
    assert_eq!(pair.fault().text(), expected_body);

    let mut pair = Pair::running();
    pair.say(&[8, 0, 1, 0, 0, 0, 0, 0xCE]);
    assert_eq!(pair.fault().text(), "UNEXPECTED_FRAME - type 8, all octets = <<>>");
}

#[test]
fn a_body_that_is_announced_too_large_closes_its_channel_before_it_comes() {
    let mut pair = Pair::running();
    pair.publish(1, "q");
    encode_header_frame(1, u64::MAX, &MessageProperties::default(), &mut pair.said);
    encode_body_frame(1, b"ignored", &mut pair.said);
    let error = pair.fault();
    assert_eq!(
        error.text(),
        "PRECONDITION_FAILED - message size 18446744073709551615 is larger than configured max \
         size 1048576"
    );
    assert!(pair.connection.is_running());
    let heard = pair.heard();
    assert!(matches!(
        &heard[..],
        [(1, Method::Channel(channel::Method::Close(close)))]
            if (close.class_id, close.method_id) == (60, 40)
    ));
    // The channel opens anew once the peer has answered.
    pair.method(1, channel::CloseOk {});
    pair.method(1, channel::Open {});
    assert!(matches!(&pair.come()[..], [Came::Request(Request::OpenChannel { channel: 1 })]));
}

#[test]
fn more_body_than_announced_is_refused_at_once() {
    let mut pair = Pair::running();
    pair.publish(1, "q");
    encode_header_frame(1, 3, &MessageProperties::default(), &mut pair.said);
    encode_body_frame(1, b"four", &mut pair.said);
    assert_eq!(
        pair.fault().text(),
        "FRAME_ERROR - content body is larger than the 3 bytes that its header announced"
    );
}

#[test]
fn what_unfinished_contents_hold_is_counted_and_forgotten_with_them() {
    let mut pair = Pair::running();
    pair.method(2, channel::Open {});
    pair.come();
    pair.connection.channel_opened(2);
    for channel in [1, 2] {
        pair.publish(channel, "q");
        encode_header_frame(channel, 3000, &MessageProperties::default(), &mut pair.said);
        encode_body_frame(channel, &[7; 1000], &mut pair.said);
    }
    pair.come();
    let both = pair.connection.held_bytes();
    assert!((2000..300_000).contains(&both), "{both}");
    encode_body_frame(1, &[7; 2000], &mut pair.said);
    assert_eq!(pair.come().len(), 1);
    assert_eq!(pair.connection.held_bytes(), both / 2);
    pair.connection.channel_closed(2);
    assert_eq!(pair.connection.held_bytes(), 0);
}
