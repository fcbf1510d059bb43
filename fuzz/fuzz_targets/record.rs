//! What a disk may have where the store has written: records, indexes, segments. It is read, or told to
//! be damaged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use springhare_broker::store::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let [kind, flags, payload @ ..] = bytes else { return };
    fuzzing::record(*kind, *flags, payload);
    fuzzing::file(bytes);
    fuzzing::segment(bytes);
});
