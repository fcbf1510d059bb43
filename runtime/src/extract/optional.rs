//! Extractors that may come to nothing, and those that may fail.

use std::convert::Infallible;

use super::FromDelivery;
use crate::listener::context::DeliveryContext;
use crate::listener::outcome::ListenerError;
use crate::state::Requirements;

/// An extractor that knows a delivery without it, so that `Option` of it is an argument.
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` cannot be taken from a delivery",
    label = "never absent, or not an extractor",
    note = "for a body that may be empty write `Option<Json<..>>`; for a header that may be \
            missing mark the argument `#[header(\"name\")]`",
    note = "what is always there is taken without `Option`"
)]
pub trait OptionalFromDelivery<'d>: Sized {
    /// Why there is neither a value nor nothing.
    type Rejection: Into<ListenerError>;

    /// Takes the value if there is one.
    ///
    /// # Errors
    ///
    /// Its [`Rejection`](Self::Rejection) when what is there does not fit.
    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, Self::Rejection>;
}

// Recommended, unlike other blankets: the message of `OptionalFromDelivery` says more.
impl<'d, E: OptionalFromDelivery<'d>> FromDelivery<'d> for Option<E> {
    type Rejection = E::Rejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, E::Rejection> {
        E::optional_from_delivery(cx)
    }
}

/// Hands a rejection to the handler, as itself or as what it converts to, a [`ListenerError`]
/// among others.
#[diagnostic::do_not_recommend]
impl<'d, E, R> FromDelivery<'d> for Result<E, R>
where
    E: FromDelivery<'d>,
    R: From<E::Rejection>,
{
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(E::from_delivery(cx).map_err(R::from))
    }

    fn require(requirements: &mut Requirements) {
        E::require(requirements);
    }
}
