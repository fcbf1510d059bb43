//! Keys with words in braces, `logs.{level}`: what they are bound with, and which words of a
//! message's key are meant.

use std::borrow::Cow;

use springhare_amqp::ShortString;

use super::pattern::{Word, matches, words};

/// A binding whose key has words in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPath {
    exchange: ShortString,
    /// As it is written.
    key: Box<str>,
    words: Vec<Word>,
    /// The names, each with its place among the words that stand for one.
    names: Vec<(Box<str>, usize)>,
}

/// What is wrong with the braces of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyPathError {
    #[error("braces stand for a whole word: in '{0}' there is more")]
    InsideWord(String),
    #[error("the braces of '{0}' do not hold a name, as `{{level}}` does")]
    NoName(String),
    #[error("`{{{0}}}` stands twice; give the words names of their own")]
    Twice(String),
}

impl KeyPath {
    /// The key as the broker gets it, and its path if it has one.
    pub(crate) fn parse<'k>(
        exchange: &ShortString,
        key: &'k str,
    ) -> Result<(Cow<'k, str>, Option<Self>), KeyPathError> {
        if !key.contains(['{', '}']) {
            return Ok((key.into(), None));
        }
        let mut bound = Vec::new();
        let (mut pattern, mut names, mut ones) = (Vec::new(), Vec::new(), 0);
        for word in words(key) {
            let name = name_in(word)?;
            if let Some(name) = name {
                if names.iter().any(|(known, _): &(Box<str>, usize)| **known == *name) {
                    return Err(KeyPathError::Twice(name.to_owned()));
                }
                names.push((name.into(), ones));
            }
            let word = if name.is_some() { "*" } else { word };
            bound.push(word);
            pattern.push(match word {
                "*" => {
                    ones += 1;
                    Word::One
                }
                "#" => Word::Any,
                literal => Word::Literal(literal.into()),
            });
        }
        let path = Self { exchange: exchange.clone(), key: key.into(), words: pattern, names };
        Ok((bound.join(".").into(), Some(path)))
    }

    /// As it is written.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The names of its words, in their order.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|(name, _)| &**name)
    }

    pub(crate) fn is_of(&self, exchange: &str) -> bool {
        self.exchange == *exchange
    }

    /// The words of `key` that the names stand for; none if it does not match.
    pub(crate) fn words_of<'k>(&self, key: &'k str) -> Option<Vec<&'k str>> {
        let mut ones = Vec::new();
        let of_name = |ones: &[&'k str], (_, at): &(Box<str>, usize)| ones.get(*at).copied();
        matches(&self.words, key, Some(&mut ones))
            .then(|| self.names.iter().filter_map(|name| of_name(&ones, name)).collect())
    }
}

/// The name in the braces of a word; none if it has no braces.
fn name_in(word: &str) -> Result<Option<&str>, KeyPathError> {
    if !word.contains(['{', '}']) {
        return Ok(None);
    }
    let inside = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(name) = inside.filter(|name| !name.contains(['{', '}'])) else {
        return Err(KeyPathError::InsideWord(word.to_owned()));
    };
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    if begins && letters.all(|letter| letter.is_alphanumeric() || letter == '_') {
        Ok(Some(name))
    } else {
        Err(KeyPathError::NoName(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(key: &str) -> (String, KeyPath) {
        let (bound, path) = KeyPath::parse(&ShortString::from_static("x"), key).unwrap();
        (bound.into_owned(), path.unwrap())
    }

    #[test]
    fn a_word_in_braces_is_bound_as_a_star_and_found_again() {
        let (bound, logs) = path("logs.{level}.*.{host}");
        assert_eq!(bound, "logs.*.*.*");
        assert_eq!(logs.names().collect::<Vec<_>>(), ["level", "host"]);
        assert_eq!(logs.words_of("logs.error.de.kern"), Some(vec!["error", "kern"]));
        assert_eq!(logs.words_of("logs.error.de"), None);
        assert_eq!(logs.words_of("mail.error.de.kern"), None);
        let (bound, tail) = path("#.end.{last}");
        assert_eq!(bound, "#.end.*");
        assert_eq!(tail.words_of("a.end.b.end.c"), Some(vec!["c"]));
        assert_eq!(tail.words_of("end.c"), Some(vec!["c"]));
        assert_eq!(path("{a}.#").1.words_of("1.2.3"), Some(vec!["1"]));
        let plain = KeyPath::parse(&ShortString::from_static("x"), "logs.*").unwrap();
        assert_eq!(plain, ("logs.*".into(), None));
    }

    #[test]
    fn braces_that_stand_for_no_word_are_refused() {
        let error = |key| KeyPath::parse(&ShortString::from_static("x"), key).unwrap_err();
        for inside in ["logs.x{level}", "logs.{level", "level}", "{a{b}}", "{a}{b}"] {
            assert!(matches!(error(inside), KeyPathError::InsideWord(_)), "{inside}");
        }
        for no_name in ["{}", "logs.{1}", "{a-b}", "{ a }"] {
            assert!(matches!(error(no_name), KeyPathError::NoName(_)), "{no_name}");
        }
        assert_eq!(
            error("{a}.{a}").to_string(),
            "`{a}` stands twice; give the words names of their own"
        );
    }
}
