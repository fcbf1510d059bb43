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

fn main() {
    assert_eq!(inventory::iter::<Registration>().count(), 1);
    let _ = springhare::listeners![always];
}
