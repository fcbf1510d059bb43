//! A test binary, too, has the listeners of a crate that it only links.

use springhare::__private::{Registration, inventory};

springhare::link!(springhare_linked);

#[test]
fn listeners_of_a_linked_crate_are_registered() {
    let ids: Vec<_> = inventory::iter::<Registration>().map(|found| found.0.id()).collect();
    for id in ["springhare_linked::on_order", "springhare_linked::nested::on_refund"] {
        assert_eq!(ids.iter().filter(|found| *found == id).count(), 1, "{id} in {ids:?}");
    }
}
