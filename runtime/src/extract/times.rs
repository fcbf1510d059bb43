//! When the message was made, and how long it was kept back.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use springhare_amqp::FieldValue;

use super::names::PropertyRejection;
use super::{FromDelivery, OptionalFromDelivery};
use crate::listener::context::DeliveryContext;

/// The message's timestamp, as its publisher set it, to the second.
///
/// A message without it is rejected; `Option` of it is none then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// The time.
    #[must_use]
    pub fn time(self) -> SystemTime {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time)
    }
}

impl<'d> OptionalFromDelivery<'d> for Timestamp {
    type Rejection = Infallible;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, Infallible> {
        let seconds = cx.properties().timestamp.map(Duration::from_secs);
        Ok(seconds.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(seconds)).map(Self))
    }
}

impl<'d> FromDelivery<'d> for Timestamp {
    type Rejection = PropertyRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, PropertyRejection> {
        let Ok(found) = Self::optional_from_delivery(cx);
        found.ok_or_else(|| PropertyRejection::new(cx, "timestamp", "Timestamp"))
    }
}

/// How long a delayed exchange kept the message back, as its publisher asked for it: the header
/// `x-delay`. Zero for a message that was not delayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceivedDelay(Duration);

impl ReceivedDelay {
    /// The time.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for ReceivedDelay {
    fn from(delay: Duration) -> Self {
        Self(delay)
    }
}

impl<'d> FromDelivery<'d> for ReceivedDelay {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        // Once the time is over, brokers write it down with a minus.
        let millis = cx.properties().header("x-delay").and_then(FieldValue::as_i64);
        Ok(Self(Duration::from_millis(millis.unwrap_or_default().unsigned_abs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_a_time_to_the_second() {
        let cx = DeliveryContext::for_test();
        let cx = cx.properties(|properties| properties.timestamp = Some(60)).build();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        assert_eq!(Timestamp::from_delivery(&cx).unwrap().time(), time);
        let cx = DeliveryContext::for_test().build();
        assert_eq!(Option::<Timestamp>::from_delivery(&cx), Ok(None));
        let text = Timestamp::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("no property `timestamp`") && text.contains("Option<Timestamp>"));
    }

    #[test]
    fn a_delay_is_told_without_its_sign() {
        let cx = DeliveryContext::for_test().header("x-delay", -5000_i64).build();
        let delay = ReceivedDelay::from_delivery(&cx).unwrap();
        assert_eq!(delay.duration(), Duration::from_secs(5));
        let cx = DeliveryContext::for_test().build();
        assert_eq!(ReceivedDelay::from_delivery(&cx).unwrap(), ReceivedDelay::default());
    }
}
