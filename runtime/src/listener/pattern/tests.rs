use proptest::prelude::*;

use super::*;

/// Whether the words match, by trying everything.
pub(in crate::listener) fn naive(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => (0..=key.len()).any(|taken| naive(rest, &key[taken..])),
        (["*", rest @ ..], [_, key @ ..]) => naive(rest, key),
        ([first, rest @ ..], [word, key @ ..]) => first == word && naive(rest, key),
        _ => false,
    }
}

pub(in crate::listener) fn split(key: &str) -> Vec<&str> {
    words(key).collect()
}

/// A pattern as it is kept, in words.
pub(in crate::listener) fn shortest(pattern: &str) -> String {
    let words = Pattern::new(pattern).words;
    let word = |word: &Word| match word {
        Word::Literal(literal) => literal.to_string(),
        Word::One => "*".to_owned(),
        Word::Any => "#".to_owned(),
    };
    words.iter().map(word).collect::<Vec<_>>().join(".")
}

pub(in crate::listener) fn pattern() -> impl Strategy<Value = String> {
    let word = prop_oneof![Just("a"), Just("b"), Just("*"), Just("#")];
    prop::collection::vec(word, 0..6).prop_map(|words| words.join("."))
}

pub(in crate::listener) fn key() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![Just("a"), Just("b")], 0..6).prop_map(|words| words.join("."))
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
