//! Three attributes on one function: each is a listener, at its own line.

use springhare::__private::{ListenerItem, Registration, inventory};
use springhare::prelude::*;

#[rabbit_listener(queue = "first")]
#[springhare::rabbit_listener(queue = "second")]
#[rabbit_listener(id = "third", queue = "third")]
async fn on_any(Text(_line): Text) {}

fn main() {
    let endpoints = on_any::ENDPOINTS;
    let seen: Vec<_> = endpoints.iter().map(|e| (e.ordinal, e.attributes.queues[0])).collect();
    assert_eq!(seen, [(1, "first"), (2, "second"), (3, "third")]);
    let lines: Vec<_> = endpoints.iter().map(|e| e.line).collect();
    assert_eq!(lines, [6, 7, 8]);
    let ids: Vec<_> = endpoints.iter().map(|e| e.id()).collect();
    let own = format!("{}::on_any", module_path!());
    assert_eq!(ids, [own.clone(), format!("{own}#2"), "third".to_owned()]);
    assert!(endpoints[0].file.ends_with("stacked.rs"), "{}", endpoints[0].file);
    assert_eq!(inventory::iter::<Registration>().count(), 3);
}
