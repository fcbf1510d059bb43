//! A module whose names are not the ones of the standard library.

#![expect(dead_code, non_camel_case_types, unused_macros, reason = "they only stand in the way")]

use springhare::rabbit_listener;

mod core {}
mod std {}
mod inventory {}

struct Result;
struct Option;
struct Ok;
struct Err;
struct Some;
struct None;
struct Box;
struct Pin;
struct Vec;
struct String;
struct Outcome;
struct FromDelivery;
struct IntoOutcome;
struct Requirements;
struct str;
struct u16;
struct u32;
struct i32;
struct bool;
trait Send {}
trait Sync {}
trait Default {}
trait Into {}
trait From {}
trait Future {}
fn drop() {}

macro_rules! line {
    () => {
        compile_error!("not this one")
    };
}
macro_rules! file {
    () => {
        compile_error!("not this one")
    };
}
macro_rules! module_path {
    () => {
        compile_error!("not this one")
    };
}
macro_rules! submit {
    () => {
        compile_error!("not this one")
    };
}

const DEFAULT_LEVEL: ::core::primitive::i64 = 3;

#[rabbit_listener(queue = "q", arguments("x-expires" = 1000), concurrency = 2, priority = 1)]
async fn listener(
    springhare::Text(_body): springhare::Text,
    #[header("x-level", default = DEFAULT_LEVEL)] _level: ::core::primitive::i64,
) -> ::core::result::Result<(), ::std::io::Error> {
    ::core::result::Result::Ok(())
}

#[rabbit_listener(queue = "q", blocking)]
fn blocking(#[payload] _body: ::std::string::String) {}

fn main() {}
