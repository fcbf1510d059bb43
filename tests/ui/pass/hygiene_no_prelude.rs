//! A crate without the standard library's prelude.

#![no_implicit_prelude]

#[::springhare::rabbit_listener(queue = "q", key = "k", exchange = "e", prefetch = 1)]
async fn listener(
    ::springhare::Text(_body): ::springhare::Text,
    #[header("x-level", default = 3)] _level: i64,
) -> ::springhare::ListenerResult {
    ::core::result::Result::Ok(())
}

#[::springhare::rabbit_listener(queue = "q", blocking)]
fn blocking(#[payload] _body: ::std::string::String) {}

fn main() {}
