use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use springhare::prelude::*;

use crate::support::{Tell, is_up_again, publish, telling};
use crate::switch_link::SwitchLink;

/// Which keys are in a handler now, and how often one came to be while it was. A panic in the
/// handler would be a failure of its message and no more: the test asks for the number.
#[derive(Debug, Default)]
struct Busy {
    keys: Mutex<BTreeSet<String>>,
    overlaps: Arc<AtomicUsize>,
}

/// In a handler, however that ends.
struct InHand<'b>(&'b Busy, String);

impl Busy {
    fn enter(&self, key: &str) -> InHand<'_> {
        if !self.keys.lock().unwrap().insert(key.to_owned()) {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        InHand(self, key.to_owned())
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.keys.lock().unwrap().remove(&self.1);
    }
}

/// What a handler says when it begins.
#[derive(Debug)]
struct Began {
    key: String,
    number: u32,
    is_first: bool,
}

#[rabbit_listener(
    queue = "keys",
    exchange = "numbers",
    kind = "topic",
    key = "#",
    partition_by = "routing_key",
    concurrency = 3
)]
async fn in_order(
    text: Text,
    key: RoutingKey,
    redelivered: Redelivered,
    busy: State<Busy>,
    seen: State<Tell<Began>>,
) -> ListenerResult {
    let _in_hand = busy.enter(&key);
    let number = text.0.parse()?;
    seen.tell(Began { key: key.to_string(), number, is_first: !redelivered.is_redelivered() });
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_each_key_outlives_connections_and_none_is_handled_twice_at_a_time() {
    const KEYS: [&str; 4] = ["ann", "bob", "cid", "dot"];
    const EACH: u32 = 40;
    let (link, broker, hand) = SwitchLink::on();
    let (seen, mut told) = telling::<Began>();
    let busy = Busy::default();
    let overlaps = Arc::clone(&busy.overlaps);
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![in_order])
        .manage(busy)
        .manage(seen)
        .start()
        .await
        .unwrap();
    let mut last: BTreeMap<String, u32> = BTreeMap::new();
    let mut handled: BTreeSet<(String, u32)> = BTreeSet::new();
    let mut note = |Began { key, number, is_first }: Began| {
        let before = last.entry(key.clone()).or_default();
        // One that comes again may come before or after those that were under way.
        assert!(!is_first || *before <= number, "{key} {number} came after {before}");
        *before = number.max(*before);
        handled.insert((key, number));
        handled.len()
    };
    for round in 0..4 {
        for number in round * EACH..(round + 1) * EACH {
            for key in KEYS {
                publish(&broker, "numbers", key, &number.to_string()).await;
            }
        }
        // In the middle of them.
        for _ in 0..EACH {
            note(told.next().await);
        }
        link.close_connections();
        is_up_again(&app, &hand).await;
    }
    let all = KEYS.len() * usize::try_from(4 * EACH).unwrap();
    while note(told.next().await) < all {}
    app.stop().await.unwrap();
    assert_eq!(overlaps.load(Ordering::Relaxed), 0, "a key was handled twice at a time");
}
