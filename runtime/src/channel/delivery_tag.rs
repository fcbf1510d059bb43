use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::open_tags::OpenTags;

/// The right to settle one delivery: taken by a handler as an argument, given up by
/// [`Channel::ack`](crate::Channel::ack) and its siblings.
///
/// It is neither `Copy` nor `Clone`, so that a delivery can't be settled twice by mistake, and
/// it knows the channel it came on: a tag of a channel that has since been replaced is refused
/// before anything is sent. A handler may move it into a task of its own and settle later; one
/// that is dropped unsettled is logged, and its message comes back when the channel closes.
///
/// A consumer of a listener with `ack = "manual"` that ends (its listener stops or pauses, has fewer
/// consumers or an open circuit) closes its channel when all of its tags are settled or dropped, and
/// after a second at the latest.
pub struct DeliveryTag {
    value: u64,
    epoch: u64,
    settlement: Arc<Settlement>,
    /// Where it is counted until it is dropped, which settling does once that is sent.
    counted: Arc<OpenTags>,
}

impl DeliveryTag {
    pub(super) fn new(
        value: u64,
        epoch: u64,
        settlement: Arc<Settlement>,
        counted: Arc<OpenTags>,
    ) -> Self {
        counted.opens();
        Self { value, epoch, settlement, counted }
    }

    /// The number that the broker gave the delivery; counted on each channel from 1.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn settlement(&self) -> &Settlement {
        &self.settlement
    }
}

impl fmt::Debug for DeliveryTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeliveryTag").field(&self.value).finish()
    }
}

impl Drop for DeliveryTag {
    fn drop(&mut self) {
        if self.settlement.tag_dropped() == Dropped::AfterTheHandler {
            self.settlement.warn(self.value);
        }
        self.counted.closes();
    }
}

const OPEN: u8 = 0;
const OPEN_AND_RETURNED: u8 = 1;
const DROPPED: u8 = 2;
const SETTLED: u8 = 3;

/// Whether a delivery is settled, known to its tag and to its listener's container.
#[derive(Debug)]
pub(crate) struct Settlement {
    state: AtomicU8,
    listener: Arc<str>,
}

/// When an unsettled tag was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    BeforeTheHandlerReturned,
    AfterTheHandler,
    Settled,
}

impl Settlement {
    pub(crate) fn new(listener: Arc<str>) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(OPEN), listener })
    }

    /// Makes the caller the one who settles; false when somebody did before.
    pub(crate) fn claim(&self) -> bool {
        self.state.swap(SETTLED, Ordering::AcqRel) != SETTLED
    }

    /// The handler returned `Ok` in manual mode: from now on a dropped tag is a loss to tell of.
    pub(crate) fn handler_returned(&self, value: u64) {
        let found = self.state.compare_exchange(
            OPEN,
            OPEN_AND_RETURNED,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if found == Err(DROPPED) {
            self.warn(value);
        }
    }

    fn tag_dropped(&self) -> Dropped {
        let moved = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            (state != SETTLED).then_some(DROPPED)
        });
        match moved {
            Ok(OPEN_AND_RETURNED) => Dropped::AfterTheHandler,
            Ok(_) => Dropped::BeforeTheHandlerReturned,
            Err(_) => Dropped::Settled,
        }
    }

    fn warn(&self, value: u64) {
        tracing::warn!(
            listener = &*self.listener,
            delivery_tag = value,
            "a manual listener dropped a delivery tag without settling it; the message stays \
             unacknowledged until the channel closes"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_may_be_held_across_a_panic_that_is_caught() {
        fn is_unwind_safe<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
        is_unwind_safe::<DeliveryTag>();
    }

    #[test]
    fn one_claim_wins() {
        let settlement = Settlement::new("l".into());
        assert!(settlement.claim());
        assert!(!settlement.claim());
    }

    #[test]
    fn a_tag_dropped_after_the_handler_is_told_apart() {
        let settlement = Settlement::new("l".into());
        assert_eq!(settlement.tag_dropped(), Dropped::BeforeTheHandlerReturned);
        let settlement = Settlement::new("l".into());
        settlement.handler_returned(1);
        assert_eq!(settlement.tag_dropped(), Dropped::AfterTheHandler);
        assert!(settlement.claim());
        assert_eq!(settlement.tag_dropped(), Dropped::Settled);
    }
}
