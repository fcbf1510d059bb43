//! The accumulator for everything that is wrong with one listener.
//!
//! A listener's author sees all mistakes of one compilation at once, each under the token that
//! holds it. So nothing in this crate returns at the first mistake: it is added here, and the
//! pipeline asks once, at its end, whether there were any.

use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;

/// Collects mistakes until [`finish`](Self::finish); dropping it unasked is a bug of this crate.
#[derive(Debug)]
pub(crate) struct Errors {
    /// `None` once `finish` has been called.
    collected: Option<Vec<syn::Error>>,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self { collected: Some(Vec::new()) }
    }

    /// Adds a mistake under the tokens of `at`: what is wrong, and the way out of it.
    pub(crate) fn add(&mut self, at: &impl ToTokens, what: impl Display, help: impl Display) {
        self.push(syn::Error::new_spanned(at, message(what, help)));
    }

    /// Adds a mistake that has a place, but no token of its own there.
    pub(crate) fn add_at(&mut self, at: Span, what: impl Display, help: impl Display) {
        self.push(syn::Error::new(at, message(what, help)));
    }

    /// Adds a mistake that the parser found and worded.
    pub(crate) fn push(&mut self, error: syn::Error) {
        if let Some(collected) = &mut self.collected {
            collected.push(error);
        }
    }

    /// How many there are so far: whoever compares before and after knows about a step.
    pub(crate) fn count(&self) -> usize {
        self.collected.as_ref().map_or(0, Vec::len)
    }

    /// All mistakes as one error.
    pub(crate) fn finish(mut self) -> syn::Result<()> {
        let all = self.collected.take().unwrap_or_default();
        let combined = all.into_iter().reduce(|mut first, next| {
            first.combine(next);
            first
        });
        combined.map_or(Ok(()), Err)
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        let forgotten = self.collected.is_some() && !std::thread::panicking();
        assert!(!forgotten, "the mistakes of a listener were collected, but never reported");
    }
}

fn message(what: impl Display, help: impl Display) -> String {
    format!("{what}\nhelp: {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_all_in_the_order_of_their_finding() {
        let mut errors = Errors::new();
        errors.add_at(Span::call_site(), "first", "a");
        errors.add_at(Span::call_site(), "second", "b");
        assert_eq!(errors.count(), 2);
        let texts: Vec<_> =
            errors.finish().unwrap_err().into_iter().map(|e| e.to_string()).collect();
        assert_eq!(texts, ["first\nhelp: a", "second\nhelp: b"]);
    }

    #[test]
    #[should_panic(expected = "never reported")]
    fn refuses_to_be_forgotten() {
        drop(Errors::new());
    }
}
