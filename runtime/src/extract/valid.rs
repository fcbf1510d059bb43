use std::ops::Deref;

use garde::{Report, Validate};

use super::rejection::Receiver;
use super::{FromDelivery, OptionalFromDelivery};
use crate::listener::context::DeliveryContext;
use crate::listener::outcome::ListenerError;
use crate::state::Requirements;

/// A body that was checked: feature `garde`. A message that breaks a rule never reaches the handler,
/// and is given up as one whose body does not convert.
///
/// It goes round whatever holds a value that `garde` can check: `Valid<Json<Order>>`,
/// `Valid<Payload<Order>>`.
///
/// ```
/// use garde::Validate;
/// use serde::Deserialize;
/// use springhare::{Json, Valid};
///
/// #[derive(Deserialize, Validate)]
/// struct Order {
///     #[garde(length(min = 1))]
///     item: String,
///     #[garde(range(min = 1, max = 100))]
///     count: u32,
/// }
///
/// async fn fulfil(Valid(Json(order)): Valid<Json<Order>>) {
///     println!("{} times {}", order.count, order.item);
/// }
/// # drop(fulfil(Valid(Json(Order { item: "tea".into(), count: 1 }))));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Valid<E>(pub E);

/// A body breaks the rules of its type; its text names the first of them, its
/// [`report`](Self::report) all.
#[derive(Debug, thiserror::Error)]
#[error("{receiver}: the body is not valid: {}", on_one_line(report))]
pub struct Invalid {
    receiver: Receiver,
    report: Report,
}

impl Invalid {
    /// Who received the message.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Every field that breaks a rule, and which.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// How many faults an error's text names.
const NAMED_MAX: usize = 16;
/// How many bytes of its text a fault has there: a body's own keys may be in it.
const NAMED_BYTES_MAX: usize = 256;

fn on_one_line(report: &Report) -> String {
    let faults = report.iter().take(NAMED_MAX).map(|(path, error)| match path.to_string() {
        path if path.is_empty() => cut(error.to_string()),
        path => cut(format!("{path}: {error}")),
    });
    let faults = faults.collect::<Vec<_>>().join("; ");
    match report.iter().count().saturating_sub(NAMED_MAX) {
        0 => faults,
        more => format!("{faults}; and {more} more"),
    }
}

fn cut(mut text: String) -> String {
    if text.len() > NAMED_BYTES_MAX {
        let end = (0..=NAMED_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push_str("..");
    }
    text
}

impl<E> Valid<E>
where
    E: Deref<Target: Validate<Context: Default>>,
{
    fn check(extracted: E, cx: &DeliveryContext) -> Result<Self, ListenerError> {
        match extracted.validate() {
            Ok(()) => Ok(Self(extracted)),
            Err(report) => {
                Err(ListenerError::fatal(Invalid { receiver: Receiver::of(cx), report }))
            }
        }
    }
}

impl<'d, E> FromDelivery<'d> for Valid<E>
where
    E: FromDelivery<'d> + Deref<Target: Validate<Context: Default>>,
{
    type Rejection = ListenerError;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, ListenerError> {
        Self::check(E::from_delivery(cx).map_err(Into::into)?, cx)
    }

    fn require(requirements: &mut Requirements) {
        E::require(requirements);
    }
}

impl<'d, E> OptionalFromDelivery<'d> for Valid<E>
where
    E: OptionalFromDelivery<'d> + Deref<Target: Validate<Context: Default>>,
{
    type Rejection = ListenerError;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, ListenerError> {
        match E::optional_from_delivery(cx).map_err(Into::into)? {
            Some(extracted) => Self::check(extracted, cx).map(Some),
            None => Ok(None),
        }
    }
}

impl<E> Deref for Valid<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Json, JsonRejection};
    use crate::listener::outcome::{Disposition, Outcome};

    #[derive(Debug, serde::Deserialize, Validate)]
    struct Order {
        #[garde(length(min = 1))]
        item: String,
        #[garde(range(min = 1, max = 100))]
        count: u32,
    }

    type ValidOrder = Valid<Json<Order>>;

    #[test]
    fn a_body_that_breaks_rules_is_fatal_and_every_field_is_named() {
        let cx = DeliveryContext::for_test().body("{\"item\":\"\",\"count\":101}").build();
        let error = ValidOrder::from_delivery(&cx).unwrap_err();
        let text = error.to_string();
        let start = "listener 'test::listener', queue 'test': the body is not valid: ";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("count: ") && text.contains("; item: "), "{text}");
        let Outcome::Failed(error) = Outcome::from_rejection(error) else { panic!("it failed") };
        assert_eq!(error.disposition(), Disposition::Fatal);
        assert_eq!(error.find::<Invalid>().unwrap().report().iter().count(), 2);
    }

    #[derive(Debug, serde::Deserialize, Validate)]
    #[serde(transparent)]
    struct Orders(#[garde(dive)] std::collections::BTreeMap<String, Order>);

    #[test]
    fn the_text_of_an_invalid_body_is_bounded_and_its_report_whole() {
        let order = "{\"item\":\"\",\"count\":1}";
        let key = "\u{e9}".repeat(1000);
        let orders: Vec<_> = (0..100).map(|n| format!("\"{n}{key}\":{order}")).collect();
        let body = format!("{{{}}}", orders.join(","));
        let cx = DeliveryContext::for_test().body(body).build();
        let error = Valid::<Json<Orders>>::from_delivery(&cx).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("; and 84 more"), "{text}");
        assert!(text.len() < 17 * NAMED_BYTES_MAX, "{} bytes", text.len());
        assert_eq!(error.find::<Invalid>().unwrap().report().iter().count(), 100);
    }

    #[test]
    fn a_valid_body_is_handed_on_and_one_that_is_none_stays_so() {
        let cx = DeliveryContext::for_test().body("{\"item\":\"tea\",\"count\":1}").build();
        let Valid(Json(order)) = ValidOrder::from_delivery(&cx).unwrap();
        assert_eq!((&*order.item, order.count), ("tea", 1));
        let cx = DeliveryContext::for_test().body("{").build();
        assert!(ValidOrder::from_delivery(&cx).unwrap_err().find::<JsonRejection>().is_some());
        let cx = DeliveryContext::for_test().build();
        assert!(Option::<ValidOrder>::from_delivery(&cx).unwrap().is_none());
    }
}
