//! A stream of frames, read as a connection would.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use springhare_amqp::MessageProperties;
use springhare_amqp::wire::{
    ContentHeader, FRAME_MIN_SIZE, Frame, FrameKind, Method, encode_body_frame, encode_heartbeat,
};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        let frame = match Frame::decode(rest, FRAME_MIN_SIZE) {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) => {
                assert!(error.to_string().starts_with("type "));
                return;
            }
        };
        assert!(frame.encoded_len() <= FRAME_MIN_SIZE);
        let mut again = BytesMut::new();
        match frame.kind {
            FrameKind::Method => {
                let _ = Method::decode(frame.payload);
            }
            FrameKind::Header => {
                let _ = ContentHeader::decode(frame.payload)
                    .and_then(|header| MessageProperties::parse(header.properties));
            }
            FrameKind::Body => {
                encode_body_frame(frame.channel, frame.payload, &mut again);
                assert_eq!(again, &rest[..frame.encoded_len()]);
            }
            FrameKind::Heartbeat => encode_heartbeat(&mut again),
        }
        rest = &rest[frame.encoded_len()..];
    }
});
