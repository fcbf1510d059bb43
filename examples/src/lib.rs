//! What the examples share: a ledger, in which the handlers note what they got, so that each
//! example can say at its end whether anything is missing.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// So does the code in what is told of queues and exchanges.
#[cfg(doctest)]
#[doc = include_str!("../../docs/queues.md")]
mod queues {}

/// And in what is told of concurrency.
#[cfg(doctest)]
#[doc = include_str!("../../docs/concurrency.md")]
mod concurrency {}

/// And in what is told of listeners that come and go.
#[cfg(doctest)]
#[doc = include_str!("../../docs/dynamic.md")]
mod dynamic {}

/// And in what is told of handlers that share a queue.
#[cfg(doctest)]
#[doc = include_str!("../../docs/dispatch.md")]
mod dispatch {}

/// And in what is told of requests and replies.
#[cfg(doctest)]
#[doc = include_str!("../../docs/requests.md")]
mod requests {}

/// And the code in what is told of failures.
#[cfg(doctest)]
#[doc = include_str!("../../docs/failures.md")]
mod failures {}

/// And that in what is told of settings.
#[cfg(doctest)]
#[doc = include_str!("../../docs/configuration.md")]
mod configuration {}

/// And in what is told of testing.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
mod testing {}

/// And in what is told of verbs.
#[cfg(doctest)]
#[doc = include_str!("../../docs/describing.md")]
mod describing {}

/// So does the code in what is told of middleware.
#[cfg(doctest)]
#[doc = include_str!("../../docs/middleware.md")]
mod middleware {}

/// And in what is told of observability.
#[cfg(doctest)]
#[doc = include_str!("../../docs/observability.md")]
mod observability {}

/// What an example's `main` returns: an error ends the program with exit code 1.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long an example waits for what it expects before it says that it is missing.
const LIMIT: Duration = Duration::from_secs(20);

/// The handlers' side of the ledger: an example manages it, and handlers take it as
/// `State<Ledger>`.
#[derive(Debug)]
pub struct Ledger(mpsc::UnboundedSender<Entry>);

/// One message that a handler got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who got it.
    pub consumer: String,
    /// What it was.
    pub message: String,
}

/// The other side of the ledger: what is noted comes out here.
#[derive(Debug)]
pub struct Entries(mpsc::UnboundedReceiver<Entry>);

impl Ledger {
    /// A ledger, and what will be noted in it.
    #[must_use]
    pub fn open() -> (Self, Entries) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Entries(receiver))
    }

    /// Notes, and prints, that `consumer` got `message`, and how it signs for it.
    pub fn got(&self, consumer: impl fmt::Display, message: impl fmt::Display, signed: &str) {
        let (consumer, message) = (consumer.to_string(), message.to_string());
        println!("  {consumer:<14} got        {message:<26} {signed}");
        self.note(consumer, message);
    }

    /// Notes without a word that `consumer` got `message`.
    pub fn note(&self, consumer: impl Into<String>, message: impl Into<String>) {
        let entry = Entry { consumer: consumer.into(), message: message.into() };
        // Nobody reads the ledger any more when the example has seen enough.
        let _ = self.0.send(entry);
    }
}

impl Entries {
    /// Waits for the next `count` entries.
    ///
    /// # Errors
    ///
    /// When they don't come in time: something is missing.
    pub async fn take(&mut self, count: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < count {
            match timeout(LIMIT, self.0.recv()).await {
                Ok(Some(entry)) => entries.push(entry),
                _ => {
                    let got = entries.len();
                    return Err(format!("{got} of {count} messages were received").into());
                }
            }
        }
        Ok(entries)
    }

    /// Waits until every consumer got as many messages as are expected of it, all in all, and
    /// says how many each got.
    ///
    /// # Errors
    ///
    /// When one got less or more.
    pub async fn expect(&mut self, expected: &[(&str, usize)]) -> Result<BTreeMap<String, usize>> {
        let sum = expected.iter().map(|(_, count)| count).sum();
        let counts = count_by_consumer(&self.take(sum).await?);
        for (consumer, expected) in expected {
            let got = counts.get(*consumer).copied().unwrap_or(0);
            if got != *expected {
                return Err(format!("{consumer} got {got} messages instead of {expected}").into());
            }
        }
        Ok(counts)
    }

    /// Whether nothing was noted yet that was not taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How many messages each consumer got.
#[must_use]
pub fn count_by_consumer(entries: &[Entry]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.consumer.clone()).or_default() += 1;
    }
    counts
}

/// Prints that the example published `message`, and where to.
pub fn published(message: impl fmt::Display, to: impl fmt::Display) {
    let message = message.to_string();
    println!("  {:<14} published  {message:<26} {to}", "main");
}

/// Stands for work that takes a while.
#[expect(clippy::disallowed_methods, reason = "the time is the work, nothing is waited for")]
pub async fn work(duration: Duration) {
    tokio::time::sleep(duration).await;
}
