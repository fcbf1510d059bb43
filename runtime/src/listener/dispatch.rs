//! Which of the handlers that share a queue a message goes to: by the exchange and the key that it
//! was published with, the most specific binding first.
//!
//! Deliberately out: what route a message has (that is the context's), and which handlers share a
//! queue (that is the graph's).

use std::cmp::Ordering;
use std::collections::HashMap;

use springhare_amqp::ShortString;

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

/// A topic's pattern. Every run of wildcards is in its shortest form: `#.*.#` and `*.#` are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Literal(Box<str>),
    /// `*`
    One,
    /// `#`
    Any,
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
        Self::Pattern(Pattern { words: vec![Word::Any] })
    }
}

impl Pattern {
    fn new(key: &str) -> Self {
        let mut pattern = Vec::new();
        let mut open = false;
        for word in words(key) {
            match word {
                "*" => pattern.push(Word::One),
                "#" => open = true,
                literal => {
                    pattern.extend(std::mem::take(&mut open).then_some(Word::Any));
                    pattern.push(Word::Literal(literal.into()));
                }
            }
        }
        pattern.extend(open.then_some(Word::Any));
        Self { words: pattern }
    }

    /// Whether a message with this key matches.
    fn matches(&self, key: &str) -> bool {
        let (mut pattern, mut key) = (&*self.words, words(key));
        // Where to go on if what follows does not fit: the last `#` takes one word more.
        let mut retry = None;
        loop {
            if let Some((Word::Any, rest)) = pattern.split_first() {
                pattern = rest;
                retry = Some((rest, key.clone()));
                continue;
            }
            let word = key.next();
            match (pattern.split_first(), word) {
                (None, None) => return true,
                (Some((first, rest)), Some(word)) if first.takes(word) => pattern = rest,
                _ => {
                    let Some((rest, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (pattern, key) = (*rest, from.clone());
                }
            }
        }
    }

    /// Less is more specific, word by word from the left: a literal, `*`, the end, `#`.
    fn by_specificity(&self, other: &Self) -> Ordering {
        let ranks = |pattern: &Self| {
            let end = std::iter::once(2_u8);
            let ranks = pattern.words.iter().map(|word| match word {
                Word::Literal(_) => 0,
                Word::One => 1,
                Word::Any => 3,
            });
            ranks.chain(end).collect::<Vec<u8>>()
        };
        ranks(self).cmp(&ranks(other))
    }

    /// Whether some key matches both.
    fn meets(&self, other: &Self) -> bool {
        // reached[j]: what stands before here and the first j words of `other` can be one key.
        let mut reached = vec![false; other.words.len() + 1];
        if let Some(nothing) = reached.first_mut() {
            *nothing = true;
        }
        spread(&mut reached, &other.words);
        for word in &self.words {
            let mut next = vec![false; reached.len()];
            for (j, _) in reached.iter().enumerate().filter(|(_, is_reached)| **is_reached) {
                let theirs = other.words.get(j);
                // One that takes any number of words takes this one and goes on, or none.
                let stays = *word == Word::Any || theirs == Some(&Word::Any);
                let goes_on = theirs.is_some_and(|theirs| word.meets(theirs));
                for at in [stays.then_some(j), goes_on.then_some(j + 1)].into_iter().flatten() {
                    next.get_mut(at).into_iter().for_each(|slot| *slot = true);
                }
            }
            if *word == Word::Any {
                let from = next.iter().position(|is_reached| *is_reached);
                next.iter_mut().skip(from.unwrap_or(usize::MAX)).for_each(|slot| *slot = true);
            }
            spread(&mut next, &other.words);
            reached = next;
        }
        reached.last().copied().unwrap_or_default()
    }
}

impl Word {
    /// Whether it stands for this word of a key.
    fn takes(&self, word: &str) -> bool {
        match self {
            Self::Literal(literal) => **literal == *word,
            Self::One | Self::Any => true,
        }
    }

    /// Whether one word can be both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            _ => true,
        }
    }
}

/// A `#` may take no word at all.
fn spread(reached: &mut [bool], pattern: &[Word]) {
    let mut is_before = false;
    let words = std::iter::once(None).chain(pattern.iter().map(Some));
    for (slot, word) in reached.iter_mut().zip(words) {
        *slot |= is_before && word == Some(&Word::Any);
        is_before = *slot;
    }
}

/// The words of a key. The empty key has none.
fn words(key: &str) -> impl Iterator<Item = &str> + Clone {
    key.split('.').filter(move |_| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn short(text: &str) -> ShortString {
        ShortString::truncated(text)
    }

    /// Whether the words match, by trying everything.
    fn naive(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern, key) {
            ([], []) => true,
            (["#", rest @ ..], _) => (0..=key.len()).any(|taken| naive(rest, &key[taken..])),
            (["*", rest @ ..], [_, key @ ..]) => naive(rest, key),
            ([first, rest @ ..], [word, key @ ..]) => first == word && naive(rest, key),
            _ => false,
        }
    }

    fn split(key: &str) -> Vec<&str> {
        words(key).collect()
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

    /// A pattern as it is kept, in words.
    fn shortest(pattern: &str) -> String {
        let words = Pattern::new(pattern).words;
        let word = |word: &Word| match word {
            Word::Literal(literal) => literal.to_string(),
            Word::One => "*".to_owned(),
            Word::Any => "#".to_owned(),
        };
        words.iter().map(word).collect::<Vec<_>>().join(".")
    }

    fn pattern() -> impl Strategy<Value = String> {
        let word = prop_oneof![Just("a"), Just("b"), Just("*"), Just("#")];
        prop::collection::vec(word, 0..6).prop_map(|words| words.join("."))
    }

    fn key() -> impl Strategy<Value = String> {
        prop::collection::vec(prop_oneof![Just("a"), Just("b")], 0..6)
            .prop_map(|words| words.join("."))
    }

    /// All keys of up to six words of `a`, `b` and another.
    fn all_keys() -> Vec<String> {
        let mut keys = vec![String::new()];
        let mut last = vec![Vec::new()];
        for _ in 0..6 {
            last = last
                .iter()
                .flat_map(|words: &Vec<&str>| {
                    ["a", "b", "c"].map(|word| words.iter().copied().chain([word]).collect())
                })
                .collect();
            keys.extend(last.iter().map(|words: &Vec<&str>| words.join(".")));
        }
        keys
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_matches_word_by_word(pattern in pattern(), key in key()) {
            let expected = naive(&split(&pattern), &split(&key));
            prop_assert_eq!(Pattern::new(&pattern).matches(&key), expected);
        }

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

        #[test]
        fn two_patterns_meet_if_some_key_matches_both(
            one in "[ab*#](\\.[ab*#]){0,2}",
            other in "[ab*#](\\.[ab*#]){0,2}",
        ) {
            let both = |key: &String| {
                naive(&split(&one), &split(key)) && naive(&split(&other), &split(key))
            };
            let expected = all_keys().iter().any(both);
            prop_assert_eq!(Pattern::new(&one).meets(&Pattern::new(&other)), expected);
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
