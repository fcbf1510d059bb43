//! The payload of a method frame: what was read is written so that it reads the same.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use springhare_amqp::wire::{Frame, Method};

fuzz_target!(|payload: &[u8]| {
    let Ok(method) = Method::decode(payload) else { return };
    assert!(method.id().name().is_some());
    let mut written = BytesMut::new();
    method.encode_frame(7, &mut written);
    let frame = Frame::decode(&written, usize::MAX).expect("ours is a frame").expect("and whole");
    let again = Method::decode(frame.payload).expect("it was read before");
    // By its text: a number that is none is not equal to itself.
    assert_eq!(format!("{again:?}"), format!("{method:?}"));
});
