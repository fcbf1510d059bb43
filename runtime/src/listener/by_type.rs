//! Which of the handlers of one `impl` a message goes to: by the name of its type.

use std::fmt;

use springhare_amqp::FieldValue;

use super::context::DeliveryContext;
use super::endpoint::{Invocation, InvokeOne};
use super::outcome::{ListenerError, Outcome};
use crate::state::Requirements;

/// The header in which Spring's converters write the type of a body.
const TYPE_ID: &str = "__TypeId__";

/// One `#[rabbit_handler]`.
#[derive(Clone, Copy)]
pub struct TypedHandler {
    /// What it takes: the name of a type; none for one that is only the default.
    pub type_name: Option<&'static str>,
    /// Whether it takes what no other does.
    pub is_default: bool,
    /// Collects what its arguments need of the application.
    pub require: fn(&mut Requirements),
    /// Extracts the arguments and calls the method.
    pub invoke: InvokeOne,
}

impl fmt::Debug for TypedHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedHandler").field("type_name", &self.type_name).finish_non_exhaustive()
    }
}

/// A message of a type that no handler takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoHandler {
    /// Its type is another.
    #[error("no handler takes a message of the type '{type_name}'; there are handlers of {known}")]
    Unknown {
        /// The message's.
        type_name: String,
        /// The handlers'.
        known: String,
    },
    /// It does not say which.
    #[error(
        "the message does not say what its type is: it has neither the property `type` nor the \
         header `__TypeId__`; publish it with one, or make a handler the `default`"
    )]
    Untyped,
}

/// Calls the handler of the message's type.
#[must_use]
pub fn invoke_by_type<'d>(cx: &'d DeliveryContext, handlers: &[TypedHandler]) -> Invocation<'d> {
    let type_name = type_name(cx);
    let found = type_name.and_then(|name| taker(name, handlers));
    match found.or_else(|| handlers.iter().find(|handler| handler.is_default)) {
        Some(handler) => (handler.invoke)(cx),
        None => {
            let error = no_handler(type_name, handlers);
            Box::pin(std::future::ready(Outcome::Failed(ListenerError::fatal(error))))
        }
    }
}

/// Collects what each handler needs. Only one of them is called with a message, so each may take its
/// delivery tag.
pub fn require_each(requirements: &mut Requirements, handlers: &[TypedHandler]) {
    for handler in handlers {
        let mut own = Requirements::default();
        (handler.require)(&mut own);
        requirements.or(own);
    }
}

/// Who takes this type: by its whole name, or else by its last word, as it may have a path before it:
/// `com.shop.OrderCreated`.
fn taker<'h>(type_name: &str, handlers: &'h [TypedHandler]) -> Option<&'h TypedHandler> {
    let by = |name| handlers.iter().find(|handler| handler.type_name == Some(name));
    by(type_name).or_else(|| by(type_name.rsplit(['.', '$', ':']).next()?))
}

/// The message's type, by its property or by the header of Spring's.
fn type_name(cx: &DeliveryContext) -> Option<&str> {
    let properties = cx.properties();
    let header = || properties.header(TYPE_ID).and_then(FieldValue::as_str);
    properties.kind.as_deref().filter(|kind| !kind.is_empty()).or_else(header)
}

fn no_handler(type_name: Option<&str>, handlers: &[TypedHandler]) -> NoHandler {
    let Some(type_name) = type_name else { return NoHandler::Untyped };
    let known: Vec<&str> = handlers.iter().filter_map(|handler| handler.type_name).collect();
    NoHandler::Unknown { type_name: type_name.to_owned(), known: known.join(", ") }
}

#[cfg(test)]
mod tests {
    use springhare_amqp::ShortString;

    use super::*;

    fn handler(type_name: Option<&'static str>, is_default: bool) -> TypedHandler {
        let invoke: InvokeOne = |_| Box::pin(std::future::ready(Outcome::Ack));
        TypedHandler { type_name, is_default, require: Requirements::delivery_tag, invoke }
    }

    fn who_takes(type_name: &str, handlers: &[TypedHandler]) -> Option<&'static str> {
        taker(type_name, handlers).and_then(|handler| handler.type_name)
    }

    #[test]
    fn a_type_is_known_by_its_name_or_the_last_word_of_its_path() {
        let handlers = [
            handler(None, true),
            handler(Some("OrderCreated"), false),
            handler(Some("order.created"), false),
        ];
        for name in [
            "OrderCreated",
            "com.shop.OrderCreated",
            "com.shop.Events$OrderCreated",
            "shop::OrderCreated",
        ] {
            assert_eq!(who_takes(name, &handlers), Some("OrderCreated"), "{name}");
        }
        for name in ["", "Created", "orderCreated", "OrderCreated.v2"] {
            assert_eq!(who_takes(name, &handlers), None, "{name}");
        }
        assert_eq!(who_takes("order.created", &handlers), Some("order.created"));
    }

    #[test]
    fn a_whole_name_counts_before_a_last_word_wherever_its_handler_stands() {
        let handlers =
            [handler(Some("Created"), false), handler(Some("com.billing.Created"), false)];
        for (name, taker) in [
            ("com.billing.Created", "com.billing.Created"),
            ("com.shop.Created", "Created"),
            ("Created", "Created"),
        ] {
            assert_eq!(who_takes(name, &handlers), Some(taker));
        }
    }

    #[test]
    fn the_property_counts_before_the_header() {
        let cx = DeliveryContext::for_test().header(TYPE_ID, "com.shop.A").build();
        assert_eq!(type_name(&cx), Some("com.shop.A"));
        let cx = DeliveryContext::for_test().header(TYPE_ID, "com.shop.A");
        let cx = cx.properties(|own| own.kind = Some(ShortString::from_static("B"))).build();
        assert_eq!(type_name(&cx), Some("B"));
        assert_eq!(type_name(&DeliveryContext::for_test().build()), None);
    }

    #[test]
    fn each_handler_may_take_the_delivery_tag() {
        let mut requirements = Requirements::default();
        require_each(&mut requirements, &[handler(Some("A"), false), handler(Some("B"), true)]);
        assert_eq!(requirements.delivery_tags(), 1);
    }
}
