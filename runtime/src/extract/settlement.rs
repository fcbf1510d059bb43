//! The channel and the right to settle, and the application's template.

use std::convert::Infallible;

use super::FromDelivery;
use super::rejection::Receiver;
use crate::channel::{Channel, DeliveryTag};
use crate::listener::context::DeliveryContext;
use crate::state::Requirements;
use crate::template::RabbitTemplate;

/// The channel that the message came on.
impl<'d> FromDelivery<'d> for Channel {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(cx.channel())
    }
}

/// The application's template: to publish from a handler.
impl<'d> FromDelivery<'d> for RabbitTemplate {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(cx.template().clone())
    }
}

/// The handler takes the right to settle twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{receiver}: the handler takes two delivery tags, but a delivery is settled once; take one \
     `DeliveryTag` and hand it on"
)]
pub struct DeliveryTagRejection {
    receiver: Receiver,
}

/// The right to settle the delivery; there is one.
impl<'d> FromDelivery<'d> for DeliveryTag {
    type Rejection = DeliveryTagRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, DeliveryTagRejection> {
        cx.take_delivery_tag().ok_or_else(|| DeliveryTagRejection { receiver: Receiver::of(cx) })
    }

    fn require(requirements: &mut Requirements) {
        requirements.delivery_tag();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_tag_exists_once() {
        let mut cx = DeliveryContext::for_test().build();
        assert!(cx.settlement().is_none(), "nothing is made for who does not ask");
        let tag = DeliveryTag::from_delivery(&cx).unwrap();
        assert_eq!(tag.value(), 1);
        assert!(DeliveryTag::from_delivery(&cx).unwrap_err().to_string().contains("settled once"));
        assert!(cx.settlement().is_some());
        let next = cx.delivery().clone();
        cx.deliver(next);
        assert!(DeliveryTag::from_delivery(&cx).is_ok(), "the next delivery has a tag of its own");
    }

    #[test]
    fn a_delivery_tag_is_known_at_start() {
        let mut requirements = Requirements::default();
        DeliveryTag::require(&mut requirements);
        Channel::require(&mut requirements);
        assert_eq!(requirements.delivery_tags(), 1);
    }

    #[test]
    fn the_channel_is_the_deliverys() {
        let cx = DeliveryContext::for_test().build();
        let channel = Channel::from_delivery(&cx).unwrap();
        assert_eq!(channel.epoch(), cx.channel().epoch());
        RabbitTemplate::from_delivery(&cx).unwrap();
    }
}
