//! Listeners in a crate that exports nothing: whoever wants them says `springhare::link!`.

use springhare::prelude::*;

#[rabbit_listener(queue = "linked.orders")]
async fn on_order(Text(_order): Text) {}

mod nested {
    use springhare::prelude::*;

    #[rabbit_listener(queue = "linked.refunds", blocking)]
    fn on_refund(#[payload] _refund: String) {}
}
