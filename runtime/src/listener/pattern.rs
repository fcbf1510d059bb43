//! Patterns of routing keys, as a topic exchange has them: which keys match, which of two patterns
//! is more specific, whether some key matches both.

use std::cmp::Ordering;

/// A topic's pattern. Every run of wildcards is in its shortest form: `#.*.#` and `*.#` are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    words: Vec<Word>,
}

/// One word of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Literal(Box<str>),
    /// `*`
    One,
    /// `#`
    Any,
}

impl Pattern {
    pub(super) fn new(key: &str) -> Self {
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

    /// What every key matches.
    pub(super) fn all() -> Self {
        Self { words: vec![Word::Any] }
    }

    /// Whether a message with this key matches.
    pub(super) fn matches(&self, key: &str) -> bool {
        matches(&self.words, key, None)
    }

    /// Less is more specific, word by word from the left: a literal, `*`, the end, `#`.
    pub(super) fn by_specificity(&self, other: &Self) -> Ordering {
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
    pub(super) fn meets(&self, other: &Self) -> bool {
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

/// Whether `key` matches, each `#` with as few words as possible; what stands for the `*`s is added to
/// `ones`.
pub(super) fn matches<'k>(
    mut pattern: &[Word],
    key: &'k str,
    mut ones: Option<&mut Vec<&'k str>>,
) -> bool {
    let mut key = words(key);
    // Where to go on if what follows does not fit: the last `#` takes one word more.
    let mut retry = None;
    loop {
        if let Some((Word::Any, rest)) = pattern.split_first() {
            pattern = rest;
            retry = Some((rest, key.clone(), ones.as_ref().map_or(0, |ones| ones.len())));
            continue;
        }
        match (pattern.split_first(), key.next()) {
            (None, None) => return true,
            (Some((first, rest)), Some(word)) if first.takes(word) => {
                if let (Word::One, Some(ones)) = (first, &mut ones) {
                    ones.push(word);
                }
                pattern = rest;
            }
            _ => {
                let Some((rest, from, found)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, key) = (*rest, from.clone());
                if let Some(ones) = &mut ones {
                    ones.truncate(*found);
                }
            }
        }
    }
}

/// The words of a key. The empty key has none.
pub(super) fn words(key: &str) -> impl Iterator<Item = &str> + Clone {
    key.split('.').filter(move |_| !key.is_empty())
}

#[cfg(test)]
pub(super) mod tests;
