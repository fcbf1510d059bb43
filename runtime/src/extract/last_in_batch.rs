use std::convert::Infallible;

use super::FromDelivery;
use crate::listener::context::DeliveryContext;

/// Whether a message is the last of a batch that a producer has made
/// ([`RabbitTemplate::batching`](crate::RabbitTemplate::batching), Spring's `BatchingRabbitTemplate`);
/// false for one that came alone.
///
/// All messages of such a batch have one delivery tag: a listener with `ack = "manual"` acknowledges
/// with the last.
///
/// ```
/// use springhare::LastInBatch;
///
/// assert!(LastInBatch::from(true).value());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LastInBatch(bool);

impl LastInBatch {
    /// Whether it is.
    #[must_use]
    pub fn value(self) -> bool {
        self.0
    }
}

impl From<bool> for LastInBatch {
    fn from(is_last: bool) -> Self {
        Self(is_last)
    }
}

impl<'d> FromDelivery<'d> for LastInBatch {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self(cx.is_last_in_batch()))
    }
}
