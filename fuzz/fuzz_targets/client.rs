//! What a broker may send to a client, in pieces: it is taken, or refused with a reason, and nothing
//! of it is done twice or in part.
#![no_main]

use std::time::Duration;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use springhare_amqp::client::{Agreed, Connection, Event, Handshake, Login};
use springhare_amqp::wire::method::{basic, queue};
use springhare_amqp::ShortString;

fn login() -> Login {
    Login {
        user: "guest".to_owned(),
        password: "guest".to_owned(),
        virtual_host: ShortString::from_static("/"),
        connection_name: String::new(),
        channel_max: 0,
        frame_max: 0,
        heartbeat: 0,
    }
}

fuzz_target!(|input: (Vec<u8>, u16)| {
    let (bytes, cut) = input;
    let mut out = BytesMut::new();
    let _ = Handshake::new(login(), &mut out).handle(&bytes, &mut out);

    let agreed = Agreed { channel_max: 4, frame_max: 4096, heartbeat: 0 };
    let mut connection = Connection::new(agreed, Duration::ZERO);
    for _ in 0..2 {
        let channel = connection.open_channel().expect("there is room");
        connection.call(channel, &queue::Purge::default()).expect("it is open");
        connection.call(channel, &basic::Get::default()).expect("it is open");
    }
    let (first, _) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let mut done = 0;
    for end in [first.len(), bytes.len()] {
        while let Ok(taken @ 1..) = connection.handle(&bytes[done..end]) {
            done += taken;
            while let Some(event) = connection.poll_event() {
                if let Event::Closed(_) = event {
                    assert!(connection.open_channel().is_err());
                }
            }
        }
    }
});
