//! The words of the routing key that stand in braces in the listener's: `key = "logs.{level}"`.

mod read;
mod shape;

use std::ops::Deref;

use serde::Deserialize;

use super::rejection::Receiver;
use super::{FromDelivery, OptionalFromDelivery};
use crate::listener::context::DeliveryContext;
use crate::state::Requirements;
use read::Words;
use shape::shape_of;

pub use read::PathError;

/// The words of the routing key that stand in braces in the listener's `key`.
///
/// A single word is read as a text, a number, a `bool` or an enum; several as a tuple, in their
/// order, or as a struct, by their names. What is read may borrow from the key. A message that was
/// tried again or came back from a dead-letter queue has the words of the key that it was first
/// published with.
///
/// ```
/// use serde::Deserialize;
/// use springhare::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Reading { site: String, sensor: u32 }
///
/// #[rabbit_listener(queue = "readings", exchange = "sites", kind = "topic", key = "{site}.{sensor}")]
/// async fn store(Path(reading): Path<Reading>, Text(value): Text) {
///     println!("{} {}: {value}", reading.site, reading.sensor);
/// }
///
/// #[rabbit_listener(queue = "log", exchange = "logs", kind = "topic", key = "logs.{level}")]
/// async fn log(Path(level): Path<String>, Text(line): Text) {
///     println!("{level}: {line}");
/// }
/// # fn main() {}
/// ```
///
/// `Option<Path<T>>` is none for a message whose key does not match, which was sent straight to the
/// queue; it is fatal for the message otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path<T>(pub T);

/// A message's routing key has no such words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathRejection {
    /// The key does not match the listener's.
    #[error(
        "{receiver}: the routing key '{key}' has no words for {expected}; publish it with a key \
         that matches, or take `Option<Path<_>>`"
    )]
    NoMatch {
        /// Who received the message.
        receiver: Receiver,
        /// The message's key.
        key: String,
        /// The listener's key.
        expected: String,
    },
    /// A word is not what is wanted.
    #[error("{receiver}: the routing key '{key}': {source}")]
    Unfit {
        /// Who received the message.
        receiver: Receiver,
        /// The message's key.
        key: String,
        /// What is wrong with it.
        source: PathError,
    },
}

impl PathRejection {
    /// Who received the message.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        match self {
            Self::NoMatch { receiver, .. } | Self::Unfit { receiver, .. } => receiver,
        }
    }
}

impl<'d, T: Deserialize<'d>> OptionalFromDelivery<'d> for Path<T> {
    type Rejection = PathRejection;

    fn optional_from_delivery(cx: &'d DeliveryContext) -> Result<Option<Self>, PathRejection> {
        let Some((path, words)) = cx.key_path() else { return Ok(None) };
        let names: Vec<&str> = path.names().collect();
        match T::deserialize(Words::new(&names, &words)) {
            Ok(value) => Ok(Some(Self(value))),
            Err(source) => Err(PathRejection::Unfit {
                receiver: Receiver::of(cx),
                key: cx.routing_key().to_string(),
                source,
            }),
        }
    }
}

impl<'d, T: Deserialize<'d>> FromDelivery<'d> for Path<T> {
    type Rejection = PathRejection;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, PathRejection> {
        Self::optional_from_delivery(cx)?.ok_or_else(|| PathRejection::NoMatch {
            receiver: Receiver::of(cx),
            key: cx.routing_key().to_string(),
            expected: match cx.key_paths() {
                [] => "a path, and its listener's key has no word in braces".to_owned(),
                [first, ..] => format!("'{}'", first.key()),
            },
        })
    }

    fn require(requirements: &mut Requirements) {
        requirements.path(shape_of::<'d, T>());
    }
}

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Path<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::outcome::{Disposition, Outcome};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Warn,
        Error,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Line<'d> {
        host: &'d str,
        level: Level,
        #[serde(rename = "code")]
        number: u16,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Code(u16);

    fn line(key: &str) -> DeliveryContext {
        DeliveryContext::for_test()
            .keyed("logs", "{host}.{level}.{code}")
            .route("logs", key)
            .build()
    }

    fn one(key: &str) -> DeliveryContext {
        DeliveryContext::for_test().keyed("logs", "code.{code}").route("logs", key).build()
    }

    #[test]
    fn words_are_read_by_order_and_by_name() {
        let cx = line("kern.error.7");
        let Path(by_name) = Path::<Line<'_>>::from_delivery(&cx).unwrap();
        assert_eq!(by_name, Line { host: "kern", level: Level::Error, number: 7 });
        let Path(in_order) = Path::<(String, Level, Code)>::from_delivery(&cx).unwrap();
        assert_eq!(in_order, ("kern".to_owned(), Level::Error, Code(7)));
        let Path(list) = Path::<Vec<&str>>::from_delivery(&cx).unwrap();
        assert_eq!(list, ["kern", "error", "7"]);
        let cx = one("code.7");
        assert_eq!(Path::<u16>::from_delivery(&cx).unwrap(), Path(7));
        assert_eq!(Path::<Code>::from_delivery(&cx).unwrap(), Path(Code(7)));
        assert_eq!(Path::<(i8,)>::from_delivery(&cx).unwrap(), Path((7,)));
        assert_eq!(Path::<&str>::from_delivery(&cx).unwrap(), Path("7"));
    }

    #[test]
    fn a_word_that_does_not_fit_is_named_and_fatal() {
        let cx = one("code.70000");
        let rejection = Path::<u16>::from_delivery(&cx).unwrap_err();
        let text = rejection.to_string();
        assert!(text.contains("'code.70000': `{code}` is \"70000\", which is no `u16`"), "{text}");
        let outcome = Outcome::from_rejection(rejection);
        let Outcome::Failed(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.disposition(), Disposition::Fatal);
        let cx = line("kern.fine.7");
        let text = Path::<Line<'_>>::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("fine"), "{text}");
        let text = Path::<u16>::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("one word, and the key has 3"), "{text}");
    }

    #[test]
    fn a_key_that_does_not_match_has_no_words() {
        let cx = one("orders");
        assert_eq!(Option::<Path<u16>>::from_delivery(&cx), Ok(None));
        let text = Path::<u16>::from_delivery(&cx).unwrap_err().to_string();
        assert!(text.contains("'orders'") && text.contains("'code.{code}'"), "{text}");
        assert!(Option::<Path<u16>>::from_delivery(&one("code.x")).is_err());
    }

    #[test]
    fn a_retry_copy_has_the_words_of_its_original() {
        let cx = DeliveryContext::for_test()
            .keyed("logs", "code.{code}")
            .route("", "test")
            .header("x-springhare-failures", 1_i64)
            .header("x-springhare-queue", "test")
            .header("x-springhare-exchange", "logs")
            .header("x-springhare-routing-key", "code.7")
            .header("x-springhare-deaths", 0_i64)
            .build();
        assert_eq!(Path::<u16>::from_delivery(&cx).unwrap(), Path(7));
    }
}
