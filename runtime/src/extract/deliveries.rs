//! Whether and how often the message was delivered before.

use std::convert::Infallible;

use super::FromDelivery;
use crate::listener::context::DeliveryContext;

/// Whether the message may have been delivered before, to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redelivered(bool);

impl Redelivered {
    /// Whether it may have been delivered before.
    #[must_use]
    pub fn is_redelivered(self) -> bool {
        self.0
    }
}

impl From<bool> for Redelivered {
    fn from(redelivered: bool) -> Self {
        Self(redelivered)
    }
}

impl<'d> FromDelivery<'d> for Redelivered {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self(cx.delivery().redelivered || cx.retried().is_some()))
    }
}

/// How many deliveries of the message have failed before this one: 0 for the first.
///
/// The broker counts them: the embedded one always, RabbitMQ on quorum queues. On its classic
/// queues the listener does, and a message that came back for another reason (its consumer
/// stopped or was lost, or asked for it again) counts as failed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryCount(u32);

impl DeliveryCount {
    /// The number.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0
    }
}

impl From<u32> for DeliveryCount {
    fn from(failed: u32) -> Self {
        Self(failed)
    }
}

impl<'d> FromDelivery<'d> for DeliveryCount {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self(cx.failures().before))
    }
}

/// Which call of the handler with this delivery it is: 1 for the first.
///
/// A listener with `retry(max_attempts = ..)` is called again with the delivery that it failed on.
/// How many deliveries failed before is in [`DeliveryCount`].
///
/// ```
/// use springhare::prelude::*;
///
/// #[rabbit_listener(queue = "orders", retry(max_attempts = 5, backoff = "100ms..10s"))]
/// async fn fulfil(Text(order): Text, attempt: Attempt) -> ListenerResult {
///     println!("{order}, for the {}. time", attempt.value());
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// The number.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0
    }
}

impl From<u32> for Attempt {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl<'d> FromDelivery<'d> for Attempt {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self(cx.attempt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_delivery_and_a_later_one_are_told_apart() {
        let cx = DeliveryContext::for_test().build();
        assert!(!Redelivered::from_delivery(&cx).unwrap().is_redelivered());
        assert_eq!(DeliveryCount::from_delivery(&cx).unwrap().value(), 0);
        let cx = DeliveryContext::for_test().failed_before(2).build();
        assert_eq!(Redelivered::from_delivery(&cx), Ok(Redelivered::from(true)));
        assert_eq!(DeliveryCount::from_delivery(&cx), Ok(DeliveryCount::from(2)));
    }
}
