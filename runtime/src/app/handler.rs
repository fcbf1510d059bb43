//! Functions and closures that handle messages without an attribute: for listeners that are made
//! while the program runs.

use std::future::Future;

use crate::extract::FromDelivery;
use crate::listener::context::DeliveryContext;
use crate::listener::endpoint::Invocation;
use crate::listener::handled::{handled, rejected};
use crate::listener::outcome::IntoOutcome;
use crate::state::Requirements;

/// What handles the messages of a [`Listener`](crate::Listener): an async function, or a closure that
/// returns a future, of up to eight extractors by value, with the results that a function with
/// [`#[rabbit_listener]`](crate::rabbit_listener) may have.
///
/// An extractor that borrows from the message, as `Headers<'_>` and `&str`, is for such functions only;
/// so are `#[payload]` and `#[header(..)]`. Lists of messages are for a [`BatchHandler`](crate::BatchHandler).
///
/// ```
/// use springhare::prelude::*;
///
/// async fn fulfil(Text(order): Text, key: RoutingKey) -> ListenerResult {
///     println!("{key}: {order}");
///     Ok(())
/// }
///
/// let by_function = Listener::queue("orders").handler(fulfil);
/// let by_closure = Listener::queue("orders.eu").handler(|Text(order): Text| async move {
///     println!("{order}");
/// });
/// # drop((by_function, by_closure));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle messages",
    label = "not a handler",
    note = "a handler is an async function, or a closure that returns a future, of at most 8 extractors \
            by value: `|Json(order): Json<Order>, db: State<Db>| async move {{ .. }}`",
    note = "name the type of every argument of a closure, and let its future be `Send`",
    note = "`#[rabbit_listener]` on a function says more precisely what is wrong"
)]
pub trait Handler<Arguments>: Send + Sync + 'static {
    /// Says what its arguments need of the application.
    #[doc(hidden)]
    fn require(requirements: &mut Requirements);

    /// Takes the arguments from a delivery, and calls it.
    #[doc(hidden)]
    fn call<'d>(&self, cx: &'d DeliveryContext) -> Invocation<'d>;
}

/// Handlers of so many arguments.
macro_rules! handlers {
    ($(($($Argument:ident $argument:ident),*),)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<F, Called, $($Argument,)*> Handler<($($Argument,)*)> for F
        where
            F: Fn($($Argument),*) -> Called + Send + Sync + 'static,
            Called: Future<Output: IntoOutcome> + Send + 'static,
            $($Argument: for<'d> FromDelivery<'d>,)*
        {
            fn require(_requirements: &mut Requirements) {
                $(<$Argument as FromDelivery<'_>>::require(_requirements);)*
            }

            fn call<'d>(&self, cx: &'d DeliveryContext) -> Invocation<'d> {
                $(let $argument = match $Argument::from_delivery(cx) {
                    Ok(argument) => argument,
                    Err(rejection) => return rejected(rejection),
                };)*
                handled(Box::new(self($($argument),*)), IntoOutcome::into_outcome, cx)
            }
        }
    )*};
}

handlers! {
    (),
    (A a),
    (A a, B b),
    (A a, B b, C c),
    (A a, B b, C c, D d),
    (A a, B b, C c, D d, E e),
    (A a, B b, C c, D d, E e, G g),
    (A a, B b, C c, D d, E e, G g, H h),
    (A a, B b, C c, D d, E e, G g, H h, I i),
}
