//! The arguments of a handler that gets several messages at a time.

use std::convert::Infallible;

use super::FromDelivery;
use super::names::{ConsumerTag, QueueName};
use super::state::{State, StateRejection};
use crate::channel::Channel;
use crate::listener::context::{BatchContext, DeliveryContext};
use crate::listener::outcome::ListenerError;
use crate::state::Requirements;
use crate::template::RabbitTemplate;

/// What an argument of a listener with `batch = ..` is taken from its messages by.
///
/// `Vec<E>` takes one `E` from each message, whatever extractor that is. What all messages of a
/// consumer have in common is taken once: [`State`], [`RabbitTemplate`], [`Channel`],
/// [`QueueName`], [`ConsumerTag`], and [`BatchSize`].
///
/// A type of yours may gather what it likes:
///
/// ```
/// use springhare::prelude::*;
/// use springhare::{BatchContext, DeliveryContext, FromBatch};
///
/// /// How many bytes the bodies have.
/// struct Bytes(usize);
///
/// impl<'d> FromBatch<'d> for Bytes {
///     type Item = usize;
///     type Rejection = std::convert::Infallible;
///
///     fn from_message(cx: &'d DeliveryContext) -> Result<usize, ListenerError> {
///         Ok(cx.body().len())
///     }
///
///     fn from_batch(_cx: &'d BatchContext, items: Vec<usize>) -> Result<Self, Self::Rejection> {
///         Ok(Self(items.into_iter().sum()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a batch",
    label = "not of a batch",
    note = "what each message has is taken as a list: `Vec<{Self}>`",
    note = "a type of your own becomes an argument by implementing `FromBatch`"
)]
pub trait FromBatch<'d>: Sized {
    /// What is taken from each message; `()` for nothing.
    type Item: Send;
    /// Why there is no value. It is [fatal](crate::Disposition::Fatal) for all messages, unless it
    /// is a [`ListenerError`] that says otherwise.
    type Rejection: Into<ListenerError>;

    /// Takes one message's part.
    ///
    /// # Errors
    ///
    /// Why the message can't be read. It is taken out of the batch then, and the handler gets the
    /// others. It is [fatal](crate::Disposition::Fatal) for the message, unless the error says
    /// otherwise.
    fn from_message(cx: &'d DeliveryContext) -> Result<Self::Item, ListenerError>;

    /// Makes the value of the parts.
    ///
    /// # Errors
    ///
    /// Its [`Rejection`](Self::Rejection) when there is none.
    fn from_batch(cx: &'d BatchContext, items: Vec<Self::Item>) -> Result<Self, Self::Rejection>;

    /// Says what it needs of the application, so that a start can fail in place of a batch.
    fn require(_requirements: &mut Requirements) {}
}

/// One from each message.
impl<'d, E: FromDelivery<'d> + Send> FromBatch<'d> for Vec<E> {
    type Item = E;
    type Rejection = Infallible;

    fn from_message(cx: &'d DeliveryContext) -> Result<E, ListenerError> {
        E::from_delivery(cx).map_err(Into::into)
    }

    fn from_batch(_cx: &'d BatchContext, items: Self) -> Result<Self, Infallible> {
        Ok(items)
    }

    fn require(requirements: &mut Requirements) {
        E::require(requirements);
    }
}

/// How many messages a handler got.
///
/// ```
/// use springhare::BatchSize;
///
/// assert_eq!(BatchSize::from(3).value(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchSize(usize);

impl BatchSize {
    /// The number.
    #[must_use]
    pub fn value(self) -> usize {
        self.0
    }
}

impl From<usize> for BatchSize {
    fn from(messages: usize) -> Self {
        Self(messages)
    }
}

impl<'d> FromBatch<'d> for BatchSize {
    type Item = ();
    type Rejection = Infallible;

    fn from_message(_cx: &'d DeliveryContext) -> Result<(), ListenerError> {
        Ok(())
    }

    fn from_batch(_cx: &'d BatchContext, items: Vec<()>) -> Result<Self, Infallible> {
        Ok(Self(items.len()))
    }
}

/// What all messages of a consumer have in common.
macro_rules! common {
    ($extractor:ty, $rejection:ty $(, [$($generics:tt)*])?) => {
        impl<'d, $($($generics)*)?> FromBatch<'d> for $extractor {
            type Item = ();
            type Rejection = $rejection;

            fn from_message(_cx: &'d DeliveryContext) -> Result<(), ListenerError> {
                Ok(())
            }

            fn from_batch(cx: &'d BatchContext, _items: Vec<()>) -> Result<Self, $rejection> {
                Self::from_delivery(cx.consumer())
            }

            fn require(requirements: &mut Requirements) {
                <Self as FromDelivery<'d>>::require(requirements);
            }
        }
    };
}

common!(State<T>, StateRejection, [T: Send + Sync + 'static]);
common!(RabbitTemplate, Infallible);
common!(Channel, Infallible);
common!(QueueName, Infallible);
common!(ConsumerTag, Infallible);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Json, Text};

    #[test]
    fn a_list_takes_one_from_each_message_and_the_rest_is_taken_once() {
        let consumer = DeliveryContext::for_test().manage(7_u8).build();
        let mut batch = BatchContext::new(consumer);
        for body in ["1", "x"] {
            batch.push(DeliveryContext::for_test().body(body).build().delivery().clone());
        }
        let items = batch.messages().iter().map(<Vec<Text>>::from_message);
        let texts = <Vec<Text>>::from_batch(&batch, items.collect::<Result<_, _>>().unwrap());
        assert_eq!(texts.unwrap(), [Text("1".to_owned()), Text("x".to_owned())]);
        let refused = <Vec<Json<u8>>>::from_message(&batch.messages()[1]).unwrap_err();
        assert!(refused.to_string().contains("test::listener"), "{refused}");
        assert_eq!(*State::<u8>::from_batch(&batch, vec![(); 2]).unwrap(), 7);
        assert_eq!(BatchSize::from_batch(&batch, vec![(); 2]), Ok(BatchSize::from(2)));
        assert_eq!(QueueName::from_batch(&batch, vec![()]).unwrap(), "test");
    }

    #[test]
    fn a_batch_asks_for_what_its_arguments_need() {
        let mut requirements = Requirements::default();
        <Vec<crate::DeliveryTag> as FromBatch<'_>>::require(&mut requirements);
        <State<u8> as FromBatch<'_>>::require(&mut requirements);
        let mut expected = Requirements::default();
        expected.delivery_tag();
        expected.state::<u8>();
        assert_eq!(requirements, expected);
    }
}
