//! `#[cfg(..)]` above and below the attribute.

use springhare::__private::{Registration, inventory};
use springhare::prelude::*;

#[cfg(any())]
#[rabbit_listener(queue = "q")]
async fn never(_: Missing) {}

#[rabbit_listener(queue = "q")]
#[cfg(any())]
async fn neither(_: Missing) {}

#[rabbit_listener(queue = "q")]
#[cfg(all())]
async fn always(Text(_line): Text) {}

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler]
    #[cfg(any())]
    async fn never(&self, _: Json<Missing>) {}

    #[cfg(all())]
    #[rabbit_handler(type = "either")]
    async fn always(&self, Text(_line): Text) {}

    #[cfg(not(all()))]
    #[rabbit_handler(type = "either")]
    async fn neither(&self, _: Missing) {}
}

fn main() {
    assert_eq!(inventory::iter::<Registration>().count(), 2);
    let _ = springhare::listeners![always, Orders];
}
