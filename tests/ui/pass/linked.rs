//! A crate that nobody refers to otherwise: `link!` brings its listeners in.

use springhare::__private::{Registration, inventory};

springhare::link!(springhare_linked);

fn main() {
    let mut ids: Vec<_> = inventory::iter::<Registration>().map(|r| r.0.id()).collect();
    ids.sort();
    assert_eq!(ids, ["springhare_linked::nested::on_refund", "springhare_linked::on_order"]);
}
