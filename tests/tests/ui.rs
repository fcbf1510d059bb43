//! What `#[rabbit_listener]` accepts, and what it says to mistakes.
//!
//! Each file below `ui/fail` holds one mistake; what the compiler says about it stands beside it.
//! After a change of a text, `TRYBUILD=overwrite cargo test -p springhare-tests --test ui` writes
//! the new ones: read them before they are committed.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
