//! Which of the handlers that share a queue a message goes to: by the exchange and the key that it
//! was published with, the most specific binding first.
//!
//! Deliberately out: what route a message has (that is the context's), and which handlers share a
//! queue (that is the graph's).

use std::cmp::Ordering;
use std::collections::HashMap;

use springhare_amqp::ShortString;

use super::pattern::{Pattern, words};

/// The handlers of one queue of a container, each by its place among the container's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dispatch {
    /// All messages go to this one.
    One(usize),
    /// Each goes by its route.
    ByRoute(RouteTable),
}

/// The bindings of handlers that share a queue.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RouteTable {
    exchanges: HashMap<ShortString, ExchangeRoutes>,
    /// The handler without a key: it takes what no other does.
    fallback: Option<usize>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct ExchangeRoutes {
    exact: HashMap<ShortString, usize>,
    /// The most specific first.
    patterns: Vec<(Pattern, usize)>,
}

/// What keys a binding takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RouteKey {
    /// This one.
    Exact(ShortString),
    /// Those that match.
    Pattern(Pattern),
}

impl RouteTable {
    /// Sends what `key` takes of `exchange` to `handler`. Refused if a message could as well go to
    /// another handler, which is returned.
    pub(crate) fn add(
        &mut self,
        exchange: &ShortString,
        key: RouteKey,
        handler: usize,
    ) -> Result<(), usize> {
        let routes = self.exchanges.entry(exchange.clone()).or_default();
        match key {
            RouteKey::Exact(key) => match *routes.exact.entry(key).or_insert(handler) {
                taken if taken == handler => Ok(()),
                other => Err(other),
            },
            RouteKey::Pattern(pattern) => routes.add_pattern(pattern, handler),
        }
    }

    /// Sends what no binding takes to `handler`. Refused if another handler takes that.
    pub(crate) fn add_fallback(&mut self, handler: usize) -> Result<(), usize> {
        match *self.fallback.get_or_insert(handler) {
            taken if taken == handler => Ok(()),
            other => Err(other),
        }
    }

    /// The handler of what was published to `exchange` with `key`.
    pub(crate) fn find(&self, exchange: &str, key: &str) -> Option<usize> {
        let routes = self.exchanges.get(exchange)?;
        let pattern = || routes.patterns.iter().find(|(pattern, _)| pattern.matches(key));
        routes.exact.get(key).copied().or_else(|| pattern().map(|(_, handler)| *handler))
    }

    /// The handler without a key.
    pub(crate) fn fallback(&self) -> Option<usize> {
        self.fallback
    }
}

impl ExchangeRoutes {
    fn add_pattern(&mut self, pattern: Pattern, handler: usize) -> Result<(), usize> {
        let is_tie = |(known, other): &&(Pattern, usize)| {
            *other != handler
                && known.by_specificity(&pattern) == Ordering::Equal
                && known.meets(&pattern)
        };
        if let Some((_, other)) = self.patterns.iter().find(is_tie) {
            return Err(*other);
        }
        let before =
            |(known, _): &(Pattern, usize)| known.by_specificity(&pattern) != Ordering::Greater;
        let at = self.patterns.partition_point(before);
        self.patterns.insert(at, (pattern, handler));
        Ok(())
    }
}

impl RouteKey {
    /// What a binding key of a topic exchange takes.
    pub(crate) fn of_topic(key: &ShortString) -> Self {
        if words(key).any(|word| matches!(word, "*" | "#")) {
            Self::Pattern(Pattern::new(key))
        } else {
            Self::Exact(key.clone())
        }
    }

    /// Every key.
    pub(crate) fn all() -> Self {
        Self::Pattern(Pattern::all())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::listener::pattern::tests::{key, naive, pattern, shortest, split};

    fn short(text: &str) -> ShortString {
        ShortString::truncated(text)
    }

    /// Whether `one` is more specific: the first word that differs decides.
    fn is_before(one: &str, other: &str) -> bool {
        let rank = |word: Option<&&str>| match word {
            Some(&"#") => 3,
            None => 2,
            Some(&"*") => 1,
            Some(_) => 0,
        };
        let (one, other) = (split(one), split(other));
        let mut at = 0;
        loop {
            let (left, right) = (rank(one.get(at)), rank(other.get(at)));
            if left != right {
                return left < right;
            }
            if left == 2 {
                return false;
            }
            at += 1;
        }
    }

    proptest! {
        #[test]
        fn a_message_goes_to_the_most_specific_of_those_that_match(
            patterns in prop::collection::vec(pattern(), 1..8),
            key in key(),
        ) {
            let x = short("x");
            let mut table = RouteTable::default();
            let taken: Vec<(usize, String)> = patterns
                .iter()
                .enumerate()
                .filter(|(index, pattern)| {
                    table.add(&x, RouteKey::of_topic(&short(pattern)), *index).is_ok()
                })
                .map(|(index, pattern)| (index, shortest(pattern)))
                .collect();
            let matching =
                taken.iter().filter(|(_, pattern)| naive(&split(pattern), &split(&key)));
            let best = matching.reduce(|best, next| {
                if is_before(&next.1, &best.1) { next } else { best }
            });
            prop_assert_eq!(table.find("x", &key), best.map(|(index, _)| *index));
            prop_assert_eq!(table.find("y", &key), None);
        }

    }

    #[test]
    fn a_tie_is_refused_with_the_other_handler() {
        let x = short("x");
        let mut table = RouteTable::default();
        let mut add = |key: &str, handler| table.add(&x, RouteKey::of_topic(&short(key)), handler);
        assert_eq!(add("a.b", 0), Ok(()));
        assert_eq!(add("a.b", 1), Err(0));
        assert_eq!(add("a.b", 0), Ok(()), "a handler may name a key twice");
        assert_eq!(add("#.a.#", 2), Ok(()));
        assert_eq!(add("#.b.#", 3), Err(2), "a.b matches both");
        assert_eq!(add("*.*.#", 4), Ok(()));
        assert_eq!(add("#.*.#.*", 5), Err(4), "they are one");
        assert_eq!(add("a.*", 6), Ok(()));
        assert_eq!(add("b.*", 7), Ok(()), "no key matches both");
        assert_eq!(table.add_fallback(8), Ok(()));
        assert_eq!(table.add_fallback(9), Err(8));
        assert_eq!(table.fallback(), Some(8));
    }

    #[test]
    fn a_literal_comes_before_a_star_and_a_star_before_a_hash() {
        let x = short("x");
        let mut table = RouteTable::default();
        for (handler, key) in ["#", "a.#", "*.b", "a.*", "a.b.#", "a.b"].iter().enumerate() {
            table.add(&x, RouteKey::of_topic(&short(key)), handler).unwrap();
        }
        let found = |key| table.find("x", key).unwrap();
        assert_eq!(
            ["a.b", "a.b.c", "a.c", "c.b", "a.c.c", "a", "c", ""].map(found),
            [5, 4, 3, 2, 1, 1, 0, 0]
        );
    }
}
