use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::rejection::Receiver;
use super::{FromDelivery, OptionalFromDelivery};
use crate::listener::context::DeliveryContext;
use crate::state::Requirements;

/// A value of the application, by its type: what the builder's
/// [`manage`](crate::SpringhareBuilder::manage) was given. Dereferences to `T`.
///
/// A listener that takes a type which is not managed fails the start, which names its file and
/// line. `Option<State<T>>` is none then.
///
/// ```
/// use springhare::State;
///
/// struct Greeting(String);
///
/// fn greet(name: &str, greeting: State<Greeting>) -> String {
///     format!("{}, {name}", greeting.0)
/// }
///
/// assert_eq!(greet("hare", State::new(Greeting("Hello".into()))), "Hello, hare");
/// ```
pub struct State<T>(Arc<T>);

/// A value of the application is not managed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{receiver}: no value of type `{type_name}` is managed; give one to the application with \
     `.manage(..)`"
)]
pub struct StateRejection {
    receiver: Receiver,
    type_name: &'static str,
}

impl StateRejection {
    /// The type that is missing.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }
}

impl<T> State<T> {
    /// A state of its own, as a handler's unit test gives it.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The value, shared: for a task that outlives the handler.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<'d, T: Send + Sync + 'static> FromDelivery<'d> for State<T> {
    type Rejection = StateRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, StateRejection> {
        let rejection =
            || StateRejection { receiver: Receiver::of(cx), type_name: type_name::<T>() };
        cx.state().map(Self).ok_or_else(rejection)
    }

    fn require(requirements: &mut Requirements) {
        requirements.state::<T>();
    }
}

impl<'d, T: Send + Sync + 'static> OptionalFromDelivery<'d> for State<T> {
    type Rejection = std::convert::Infallible;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, Self::Rejection> {
        Ok(cx.state().map(Self))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<Arc<T>> for State<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateRegistry;

    #[test]
    fn a_managed_value_is_shared() {
        let cx = DeliveryContext::for_test().manage(String::from("db")).build();
        let first = State::<String>::from_delivery(&cx).unwrap();
        let second = State::<String>::from_delivery(&cx).unwrap();
        assert_eq!(first.as_str(), "db");
        assert!(Arc::ptr_eq(&first.into_inner(), &second.into_inner()));
    }

    #[test]
    fn what_is_not_managed_is_named_and_required_at_start() {
        let cx = DeliveryContext::for_test().build();
        let rejection = State::<String>::from_delivery(&cx).unwrap_err();
        assert!(rejection.to_string().contains("type `alloc::string::String` is managed"));
        assert!(Option::<State<String>>::from_delivery(&cx).unwrap().is_none());
        let mut requirements = Requirements::default();
        Result::<State<String>, StateRejection>::require(&mut requirements);
        Option::<State<u8>>::require(&mut requirements);
        let missing: Vec<_> = StateRegistry::default().missing(&requirements).collect();
        assert_eq!(missing, ["alloc::string::String"]);
    }
}
