//! The body as it is.

use std::convert::Infallible;

use bytes::Bytes;

use super::{FromDelivery, OptionalFromDelivery};
use crate::listener::context::DeliveryContext;
use crate::state::Requirements;

/// Shares the body with the broker; nothing is copied.
impl<'d> FromDelivery<'d> for Bytes {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(cx.body().clone())
    }

    fn require(requirements: &mut Requirements) {
        requirements.payload::<[u8]>("application/octet-stream");
    }
}

/// None for an empty body.
impl<'d> OptionalFromDelivery<'d> for Bytes {
    type Rejection = Infallible;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, Infallible> {
        Ok((!cx.body().is_empty()).then(|| cx.body().clone()))
    }
}

/// Borrows the body.
impl<'d> FromDelivery<'d> for &'d [u8] {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(cx.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_shared_not_copied() {
        let body = Bytes::from(vec![1, 2, 3]);
        let cx = DeliveryContext::for_test().body(body.clone()).build();
        assert_eq!(Bytes::from_delivery(&cx).unwrap().as_ptr(), body.as_ptr());
        assert_eq!(<&[u8]>::from_delivery(&cx).unwrap().as_ptr(), body.as_ptr());
    }

    #[test]
    fn an_empty_body_is_none_where_that_is_asked_for() {
        let cx = DeliveryContext::for_test().build();
        assert_eq!(Bytes::from_delivery(&cx), Ok(Bytes::new()));
        assert_eq!(Option::<Bytes>::from_delivery(&cx), Ok(None));
    }
}
