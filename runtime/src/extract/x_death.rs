//! Where the message was dead-lettered before it came here: the header `x-death`.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use springhare_amqp::{FieldValue, ShortString};

use super::FromDelivery;
use crate::listener::context::DeliveryContext;
use crate::template::DeathEntry;

/// How often a message was dead-lettered, from which queues and why: the header `x-death`, the last
/// death first. Empty for a message that never was.
///
/// Anybody may publish such a header; what in it is no entry is passed over.
///
/// ```
/// use springhare::prelude::*;
///
/// #[rabbit_listener(queue = "orders.dead")]
/// async fn on_dead_letter(Text(order): Text, deaths: XDeath) {
///     if let Some(death) = deaths.first() {
///         println!("{order}: {} in {} ({})", death.reason(), death.queue(), death.exchange());
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XDeath(Vec<Death>);

/// One entry of `x-death`: a queue that the message was dead-lettered from, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    queue: ShortString,
    reason: ShortString,
    count: u64,
    exchange: ShortString,
    routing_keys: Vec<ShortString>,
    time: Option<SystemTime>,
    original_expiration: Option<Duration>,
}

impl XDeath {
    /// The entries, the last death first.
    #[must_use]
    pub fn deaths(&self) -> &[Death] {
        &self.0
    }

    /// The last death.
    #[must_use]
    pub fn last(&self) -> Option<&Death> {
        self.0.first()
    }

    /// The death before all others, which knows where the message was first published to.
    #[must_use]
    pub fn first(&self) -> Option<&Death> {
        self.0.last()
    }

    /// How often it was dead-lettered from this queue, for whatever reason.
    #[must_use]
    pub fn count_of(&self, queue: &str) -> u64 {
        let counts = self.0.iter().filter(|death| death.queue == *queue).map(|death| death.count);
        counts.fold(0, u64::saturating_add)
    }
}

impl Death {
    /// The queue that it was dead-lettered from.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Why: `rejected`, `expired`, `maxlen` or `delivery_limit`.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How often that happened in this queue for this reason.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The exchange that it had been published to; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.exchange
    }

    /// The keys that it had been published with: the routing key, then those of its `CC` header.
    #[must_use]
    pub fn routing_keys(&self) -> &[ShortString] {
        &self.routing_keys
    }

    /// When it died there first, to the second.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        self.time
    }

    /// The expiration that it had been published with, and lost when it died.
    #[must_use]
    pub fn original_expiration(&self) -> Option<Duration> {
        self.original_expiration
    }

    fn of(entry: DeathEntry<'_>) -> Self {
        let text = |name| ShortString::truncated(entry.text(name).unwrap_or_default());
        let expiration = entry.text("original-expiration").and_then(|millis| millis.parse().ok());
        Self {
            queue: text("queue"),
            reason: text("reason"),
            count: entry
                .value("count")
                .and_then(FieldValue::as_i64)
                .and_then(|count| u64::try_from(count).ok())
                .unwrap_or(1),
            exchange: text("exchange"),
            routing_keys: entry.routing_keys().map(ShortString::truncated).collect(),
            time: match entry.value("time") {
                Some(FieldValue::Timestamp(seconds)) => {
                    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(*seconds))
                }
                _ => None,
            },
            original_expiration: expiration.map(Duration::from_millis),
        }
    }
}

impl<'d> FromDelivery<'d> for XDeath {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self(DeathEntry::all(cx.properties()).map(Death::of).collect()))
    }
}

#[cfg(test)]
mod tests {
    use springhare_amqp::FieldTable;

    use super::*;

    fn entry(queue: &str, reason: &str, count: i64) -> FieldValue {
        let mut entry = FieldTable::new();
        entry.insert("queue", queue).unwrap();
        entry.insert("reason", reason).unwrap();
        entry.insert("count", count).unwrap();
        entry.insert("exchange", "shop").unwrap();
        entry.insert("routing-keys", vec!["order.new", "copy"]).unwrap();
        entry.insert("time", FieldValue::Timestamp(7)).unwrap();
        entry.insert("original-expiration", "1500").unwrap();
        FieldValue::Table(entry)
    }

    #[test]
    fn deaths_are_read_and_what_is_none_is_passed_over() {
        let deaths = vec![
            entry("wait", "expired", 2),
            FieldValue::from("nonsense"),
            entry("orders", "rejected", 3),
            entry("orders", "maxlen", 1),
        ];
        let cx = DeliveryContext::for_test().header("x-death", FieldValue::Array(deaths)).build();
        let deaths = XDeath::from_delivery(&cx).unwrap();
        assert_eq!(deaths.deaths().len(), 3);
        assert_eq!(deaths.last().map(Death::reason), Some("expired"));
        assert_eq!(deaths.first().map(Death::reason), Some("maxlen"));
        assert_eq!((deaths.count_of("orders"), deaths.count_of("nowhere")), (4, 0));
        let first = deaths.first().unwrap();
        assert_eq!((first.queue(), first.exchange(), first.count()), ("orders", "shop", 1));
        assert_eq!(first.routing_keys(), ["order.new", "copy"]);
        assert_eq!(first.time(), SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(7)));
        assert_eq!(first.original_expiration(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_message_that_never_died_has_no_deaths() {
        for header in [FieldValue::from("forged"), FieldValue::Array(vec![7.into()])] {
            let cx = DeliveryContext::for_test().header("x-death", header).build();
            assert_eq!(XDeath::from_delivery(&cx).unwrap(), XDeath::default());
        }
        let cx = DeliveryContext::for_test().build();
        assert!(XDeath::from_delivery(&cx).unwrap().deaths().is_empty());
    }
}
