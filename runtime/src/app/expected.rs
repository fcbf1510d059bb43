//! The listeners that must be there. One that registers itself is not, where its crate was not linked.

use std::borrow::Cow;
use std::panic::Location;

use super::SpringhareBuilder;
use crate::error::{Place, StartFault};
use crate::settings::{Placeholders, suggestion};

/// The id of a listener that must be there, and who says so.
#[derive(Debug, Clone)]
pub(super) struct ExpectedListener {
    id: String,
    place: Place,
}

impl SpringhareBuilder {
    /// Keeps the application from starting where one of these listeners is not there, by id.
    ///
    /// A listener registers itself when its crate is linked into the program, and a crate of which
    /// nothing is used is left out: [`link!`](crate::link) links it. Where listeners stand in
    /// crates of their own, this finds the one that was forgotten.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// #[rabbit_listener(id = "orders", queue = "orders")]
    /// async fn fulfil(_order: Text) {}
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder().expect_listeners(["orders"]).start().await?;
    /// # app.stop().await
    /// # }
    /// ```
    ///
    /// That an id is missing is a fault of the start, beside all others.
    #[track_caller]
    pub fn expect_listeners<I: Into<String>>(mut self, ids: impl IntoIterator<Item = I>) -> Self {
        let caller = Location::caller();
        let place = Place { file: caller.file(), line: caller.line() };
        let expected = |id: I| ExpectedListener { id: id.into(), place };
        self.expected.extend(ids.into_iter().map(expected));
        self
    }
}

/// A fault for each listener that is missing. The `running` ones are well, the `named` ones run if they
/// are well, the `linked` ones are in the program.
pub(super) fn missing(
    expected: &[ExpectedListener],
    running: &[&str],
    named: impl Iterator<Item = String>,
    linked: impl Iterator<Item = String>,
    placeholders: &Placeholders<'_>,
) -> Vec<StartFault> {
    if expected.is_empty() {
        return Vec::new();
    }
    let resolved = |id: String| placeholders.resolve(&id).map_or(id.clone(), Cow::into_owned);
    // One that is not well is there: what is wrong with it is told by itself.
    let mut there: Vec<String> = named.map(resolved).collect();
    there.extend(running.iter().map(|id| (*id).to_owned()));
    let linked: Vec<String> = linked.map(resolved).collect();
    let known: Vec<&str> = there.iter().map(String::as_str).collect();
    let is_missing = |one: &&ExpectedListener| !known.contains(&one.id.as_str());
    let fault = |ExpectedListener { id, place }: &ExpectedListener| {
        let text = if linked.contains(id) {
            format!(
                "listener `{id}` is expected and linked, but it is not among those that \
                 `.listeners(..)` names; add it there"
            )
        } else {
            format!(
                "listener `{id}` is expected, and there is none{}; if it stands in a crate of \
                 which nothing else is used, the linker leaves that out: add \
                 `springhare::link!(its_crate);`",
                suggestion(id, &known)
            )
        };
        StartFault::new(text).at(place.file, place.line)
    };
    expected.iter().filter(is_missing).map(fault).collect()
}
