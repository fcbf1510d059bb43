use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use springhare::prelude::*;

use crate::support::{Tell, is_down, is_up_again, publish, telling};
use crate::switch_link::SwitchLink;

/// Which keys are in a handler now.
#[derive(Debug, Default)]
struct Busy(Mutex<BTreeSet<String>>);

/// In a handler, however that ends.
struct InHand<'b>(&'b Busy, String);

impl Busy {
    fn enter(&self, key: &str) -> InHand<'_> {
        assert!(
            self.0.lock().unwrap().insert(key.to_owned()),
            "'{key}' is handled twice at a time"
        );
        InHand(self, key.to_owned())
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
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
    let app = Springhare::builder()
        .link(link.clone())
        .listeners(listeners![in_order])
        .manage(Busy::default())
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
        is_down(&app).await;
        is_up_again(&app, &hand).await;
    }
    let all = KEYS.len() * usize::try_from(4 * EACH).unwrap();
    while note(told.next().await) < all {}
    app.stop().await.unwrap();
}
