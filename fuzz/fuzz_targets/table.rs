//! A field table: what was read is written as it reads, and then always the same.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use springhare_amqp::wire::{decode_table, encode_table};

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = decode_table(bytes) else { return };
    let mut written = BytesMut::new();
    encode_table(&table, &mut written);
    assert_eq!(written.len(), table.encoded_len());
    let again = decode_table(&written).expect("ours is a table");
    let mut twice = BytesMut::new();
    encode_table(&again, &mut twice);
    assert_eq!(twice, written);
});
