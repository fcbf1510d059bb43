//! Functions and closures that handle several messages at a time, without an attribute.

use std::future::{Future, ready};

use crate::extract::FromBatch;
use crate::listener::batch::IntoBatchOutcome;
use crate::listener::context::BatchContext;
use crate::listener::endpoint::Invocation;
use crate::listener::handled::rejected;
use crate::listener::outcome::Outcome;
use crate::state::Requirements;

/// What handles the messages of a [`Listener`](crate::Listener) with
/// [`batch`](crate::ListenerBuilder::batch): an async function, or a closure that returns a future, of up to
/// eight arguments by value that are [taken from a batch](FromBatch), with the results that a
/// function with `#[rabbit_listener(batch = ..)]` may have: one for all messages, one for
/// each, or [the message that failed](crate::BatchError).
///
/// ```
/// use springhare::BatchError;
/// use springhare::prelude::*;
///
/// async fn import(lines: Vec<Text>) -> ListenerResult {
///     for (index, Text(line)) in lines.iter().enumerate() {
///         line.parse::<u32>().map_err(|error| BatchError::at(index, error))?;
///     }
///     Ok(())
/// }
///
/// let by_function = Listener::queue("lines").batch(100).handler(import);
/// let by_closure = Listener::queue("words").batch(50).handler(|words: Vec<Text>| async move {
///     let known = |word: &Text| if word.0.is_empty() { Outcome::Reject } else { Outcome::Ack };
///     words.iter().map(known).collect::<Vec<_>>()
/// });
/// # drop((by_function, by_closure));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle batches",
    label = "not a handler of batches",
    note = "such a handler is an async function, or a closure that returns a future, of 1 to 8 \
            arguments by value that are taken from a batch: `|orders: Vec<Json<Order>>, db: State<Db>| \
            async move {{ .. }}`",
    note = "name the type of every argument of a closure, and let its future be `Send`",
    note = "`#[rabbit_listener(batch = ..)]` on a function says more precisely what is wrong"
)]
pub trait BatchHandler<Arguments>: Send + Sync + 'static {
    /// Says what its arguments need of the application.
    #[doc(hidden)]
    fn require(requirements: &mut Requirements);

    /// Takes the arguments from the messages of a batch, and calls it.
    #[doc(hidden)]
    fn call<'d>(&self, cx: &'d BatchContext) -> Invocation<'d>;
}

/// Handlers of so many arguments.
macro_rules! handlers {
    ($(($($Argument:ident $argument:ident $part:ident),+),)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<F, Called, $($Argument,)+> BatchHandler<($($Argument,)+)> for F
        where
            F: Fn($($Argument),+) -> Called + Send + Sync + 'static,
            Called: Future<Output: IntoBatchOutcome> + Send + 'static,
            $($Argument: for<'d> FromBatch<'d>,)+
        {
            fn require(requirements: &mut Requirements) {
                $(<$Argument as FromBatch<'_>>::require(requirements);)+
            }

            fn call<'d>(&self, cx: &'d BatchContext) -> Invocation<'d> {
                $(let mut $argument = Vec::with_capacity(cx.messages().len());)+
                for (index, message) in cx.messages().iter().enumerate() {
                    let parts = || Ok(($(<$Argument as FromBatch<'d>>::from_message(message)?,)+));
                    // One that can't be read gives no part to any of them.
                    if let Some(($($part,)+)) = cx.take_parts(index, parts) {
                        $($argument.push($part);)+
                    }
                }
                if cx.accepted() == 0 {
                    return Box::pin(ready(Outcome::Ack));
                }
                $(let $argument = match <$Argument as FromBatch<'d>>::from_batch(cx, $argument) {
                    Ok(argument) => argument,
                    Err(rejection) => return rejected(rejection),
                };)+
                let called = self($($argument),+);
                Box::pin(async move { called.await.into_batch_outcome(cx) })
            }
        }
    )*};
}

handlers! {
    (A a a1),
    (A a a1, B b b1),
    (A a a1, B b b1, C c c1),
    (A a a1, B b b1, C c c1, D d d1),
    (A a a1, B b b1, C c c1, D d d1, E e e1),
    (A a a1, B b b1, C c c1, D d d1, E e e1, G g g1),
    (A a a1, B b b1, C c c1, D d d1, E e e1, G g g1, H h h1),
    (A a a1, B b b1, C c c1, D d d1, E e e1, G g g1, H h h1, I i i1),
}
