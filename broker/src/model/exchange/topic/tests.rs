use proptest::prelude::*;
use springhare_amqp::FieldTable;

use super::*;
use crate::model::binding::Destination;

type Trie = Topic<usize>;

fn binding(key: &str, queue: usize) -> Binding {
    let name = |text: &str| ShortString::new(text).unwrap();
    let queue = Destination::Queue(name(&queue.to_string()));
    Binding::new(name("x"), queue, name(key), FieldTable::new())
}

fn trie(keys: &[&str]) -> Trie {
    let mut trie = Trie::default();
    for (queue, key) in keys.iter().enumerate() {
        trie.add(&binding(key, queue), Target::Queue(queue));
    }
    trie
}

fn matches(trie: &Trie, key: &str) -> Vec<usize> {
    let mut found = Found::default();
    trie.matching(key, &mut found);
    let mut queues: Vec<usize> = found
        .targets()
        .map(|target| match target {
            Target::Queue(queue) => *queue,
            Target::Exchange(name) => panic!("no exchange was bound: {name}"),
        })
        .collect();
    queues.sort_unstable();
    queues
}

/// The definition of a match, without any thought of speed.
fn naive_match(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (Some((&"#", rest)), None) => naive_match(rest, key),
        (Some((&"#", rest)), Some((_, key_rest))) => {
            naive_match(rest, key) || naive_match(pattern, key_rest)
        }
        (Some((&"*", rest)), Some((_, key_rest))) => naive_match(rest, key_rest),
        (Some((word, rest)), Some((key_word, key_rest))) => {
            word == key_word && naive_match(rest, key_rest)
        }
        _ => false,
    }
}

fn check(pattern: &str, key: &str, expected: &str) {
    let matched = !matches(&trie(&[pattern]), key).is_empty();
    assert_eq!(matched, expected == "matches", "pattern '{pattern}', key '{key}'");
}

#[test]
fn the_examples_of_the_tutorial() {
    check("*.orange.*", "quick.orange.rabbit", "matches");
    check("*.orange.*", "lazy.orange.elephant", "matches");
    check("*.orange.*", "quick.orange.new.rabbit", "misses");
    check("*.*.rabbit", "quick.orange.rabbit", "matches");
    check("lazy.#", "lazy.orange.new.rabbit", "matches");
    check("lazy.#", "lazy", "matches");
    check("lazy.#", "lazybones", "misses");
}

#[test]
fn an_empty_key_has_no_words_and_a_dot_parts_two_empty_ones() {
    check("", "", "matches");
    check("#", "", "matches");
    check("*", "", "misses");
    check("*.*", ".", "matches");
    check("a.*", "a.", "matches");
    check("a", "a.", "misses");
    check(".", ".", "matches");
    check("", ".", "misses");
}

#[test]
fn a_wildcard_in_a_word_is_a_letter() {
    check("a*.b", "ax.b", "misses");
    check("a*.b", "a*.b", "matches");
    check("a#", "a", "misses");
    check("*", "*", "matches");
    check("#.b", "#.#.b", "matches");
}

#[test]
fn runs_of_wildcards_are_counted_words() {
    check("#.#", "", "matches");
    check("#.*", "", "misses");
    check("*.#", "a.b.c", "matches");
    check("#.*.#.*", "a", "misses");
    check("#.*.#.*", "a.b", "matches");
    check("a.#.#.b", "a.b", "matches");
    check("#.a.#", "x.y.a.z", "matches");
}

#[test]
fn a_destination_bound_by_several_equal_patterns_stays_until_the_last_goes() {
    let mut trie = Trie::default();
    for key in ["#.*", "*.#"] {
        trie.add(&binding(key, 1), Target::Queue(1));
    }
    assert_eq!(matches(&trie, "a"), [1]);
    trie.remove(&binding("#.*", 1));
    assert_eq!(matches(&trie, "a"), [1]);
    trie.remove(&binding("*.#", 1));
    assert!(trie.root.is_bare());
}

#[test]
fn removing_all_leaves_a_bare_root_and_cuts_no_other_branch() {
    let keys = ["a.b.c", "a.b", "a.*.c", "a.#", "#", "", "a.b.d.e.f"];
    let mut trie = trie(&keys);
    for (queue, key) in keys.iter().enumerate() {
        trie.remove(&binding(key, queue));
        for (other, key) in keys.iter().enumerate().skip(queue + 1) {
            assert!(matches(&trie, key).contains(&other), "{key} is gone with {}", keys[queue]);
        }
    }
    assert!(trie.root.is_bare());
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut trie = trie(&["a.b"]);
    for key in ["a", "a.b.c", "#", "a.*"] {
        trie.remove(&binding(key, 0));
    }
    trie.remove(&binding("a.b", 7));
    assert_eq!(matches(&trie, "a.b"), [0]);
}

#[test]
fn a_snapshot_is_not_touched_by_later_changes() {
    let mut trie = trie(&["a.b"]);
    let snapshot = trie.clone();
    trie.add(&binding("a.*", 1), Target::Queue(1));
    trie.remove(&binding("a.b", 0));
    assert_eq!(matches(&trie, "a.b"), [1]);
    assert_eq!(matches(&snapshot, "a.b"), [0]);
}

/// 63 times `#.a`, or 127 words; each split of the key among the `#` would be tried by a
/// matcher that backtracks, and this test would not end in a lifetime.
#[test]
fn patterns_of_many_hashes_are_matched_in_linear_time() {
    let hashes = vec!["#"; 127].join(".");
    let pairs = vec!["#.a"; 63].join(".");
    let trie = trie(&[&hashes, &pairs, &format!("{pairs}.b")]);
    let key = vec!["a"; 127].join(".");
    assert_eq!(matches(&trie, &key), [0, 1]);
    assert_eq!(matches(&trie, &format!("{}.b", vec!["a"; 120].join("."))), [0, 2]);
    assert_eq!(matches(&trie, ""), [0]);
}

fn key(words: &'static [&'static str], length: usize) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(words), 0..=length)
}

proptest! {
    #[test]
    fn it_matches_as_the_definition_says(
        patterns in proptest::collection::vec(key(&["a", "b", "", "*", "#"], 6), 1..20),
        removed in proptest::collection::vec(any::<bool>(), 20),
        routing_key in key(&["a", "b", "c", ""], 7),
    ) {
        // A key of one empty word can't be written: it is the empty key, which has no words.
        let patterns: Vec<_> = patterns.into_iter().filter(|words| words != &[""]).collect();
        prop_assume!(routing_key != [""]);
        let keys: Vec<String> = patterns.iter().map(|words| words.join(".")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut trie = trie(&keys);
        for (queue, key) in keys.iter().enumerate().filter(|(queue, _)| removed[*queue]) {
            trie.remove(&binding(key, queue));
        }
        let expected: Vec<usize> = patterns
            .iter()
            .enumerate()
            .filter(|(queue, pattern)| !removed[*queue] && naive_match(pattern, &routing_key))
            .map(|(queue, _)| queue)
            .collect();
        prop_assert_eq!(matches(&trie, &routing_key.join(".")), expected);
    }
}
