//! Topic exchanges: `*` is one word, `#` any number of words.

use std::collections::BTreeSet;

use springhare::connection::Link;

use crate::support::{Router, Scene};

contract!(patterns_without_wildcards, one_word, any_number_of_words, mixed, not_wildcards);

/// An empty key has no words; between dots a word may be empty.
const KEYS: [&str; 18] = [
    "", ".", "a", "a.", ".a", "a.b", "a..b", "a.b.c", "..", "a.a", "A.b", "*", "#", "a.#", "a.*",
    "x.a.b", "a.x.b", "a.x.y.b",
];

async fn assert_matches(link: &dyn Link, rows: &[(&str, &[&str])]) {
    let scene = Scene::new(link).await;
    let router = Router::new(&scene).await;
    for (pattern, expected) in rows {
        let exchange = scene.named(pattern);
        scene.exchange(&exchange, "topic").await;
        scene.queue(scene.name()).await;
        scene.bind(scene.name(), &exchange, pattern).await;
        let mut matching = BTreeSet::new();
        for key in KEYS {
            if router.routes(&exchange, key).await {
                matching.insert(key);
            }
        }
        assert_eq!(matching, expected.iter().copied().collect(), "'{pattern}'");
    }
}

async fn patterns_without_wildcards(link: &dyn Link) {
    let rows: [(&str, &[&str]); 8] = [
        ("", &[""]),
        (".", &["."]),
        ("a", &["a"]),
        ("a.", &["a."]),
        (".a", &[".a"]),
        ("a.b", &["a.b"]),
        ("a..b", &["a..b"]),
        ("A.b", &["A.b"]),
    ];
    assert_matches(link, &rows).await;
}

async fn one_word(link: &dyn Link) {
    let rows: [(&str, &[&str]); 7] = [
        ("*", &["a", "*", "#"]),
        ("*.*", &[".", "a.", ".a", "a.b", "a.a", "A.b", "a.#", "a.*"]),
        ("a.*", &["a.", "a.b", "a.a", "a.#", "a.*"]),
        ("*.b", &["a.b", "A.b"]),
        ("*..b", &["a..b"]),
        ("a.*.b", &["a..b", "a.x.b"]),
        ("*.*.*", &["a..b", "a.b.c", "..", "x.a.b", "a.x.b"]),
    ];
    assert_matches(link, &rows).await;
}

async fn any_number_of_words(link: &dyn Link) {
    let from_a = ["a", "a.", "a.b", "a..b", "a.b.c", "a.a", "a.#", "a.*", "a.x.b", "a.x.y.b"];
    let with_a: Vec<&str> = [&from_a[..], &[".a", "x.a.b"]].concat();
    let rows: [(&str, &[&str]); 7] = [
        ("#", &KEYS),
        ("#.#", &KEYS),
        ("a.#", &from_a),
        ("#.a", &["a", ".a", "a.a"]),
        ("#.b", &["a.b", "a..b", "A.b", "x.a.b", "a.x.b", "a.x.y.b"]),
        ("#.a.#", &with_a),
        ("a.#.b", &["a.b", "a..b", "a.x.b", "a.x.y.b"]),
    ];
    assert_matches(link, &rows).await;
}

async fn mixed(link: &dyn Link) {
    let at_least_one = &KEYS[1..];
    let rows: [(&str, &[&str]); 3] =
        [("#.*", at_least_one), ("*.#", at_least_one), ("#.*.#", at_least_one)];
    assert_matches(link, &rows).await;
}

/// A star or a hash inside a word is only itself.
async fn not_wildcards(link: &dyn Link) {
    let rows: [(&str, &[&str]); 4] = [("**", &[]), ("a*", &[]), ("#a", &[]), ("a#.b", &[])];
    assert_matches(link, &rows).await;
}
