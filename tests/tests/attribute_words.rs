//! What the macro says to mistakes, and the keys that it takes, each held against where users find it:
//! a case below `ui/fail` for every text, and a row of the table for who comes from Spring.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends with a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A text needs so many letters in one piece to be told from others.
const LETTERS_MIN: usize = 6;

/// The calls that say what is wrong, and which of their arguments does.
const CALLS: [(&str, usize); 6] = [
    ("errors.add(", 1),
    ("errors.add_at(", 1),
    ("input.error(", 0),
    ("syn::Error::new(", 1),
    ("syn::Error::new_spanned(", 1),
    ("Err((", 0),
];

/// What is behind a call that passes on a text which another of them has.
const PASSING: &str = "map_err(|(what, help)| ";

/// The files whose calls pass on a text that is given elsewhere.
const PASSED_ON: [&str; 1] = ["macros/src/diagnostics.rs"];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests are in the workspace").to_path_buf()
}

/// The files below `directory` with this ending, with their paths below the workspace's root.
fn files(directory: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

/// The macro's code without its tests.
fn code() -> Vec<(String, String)> {
    let is_code = |(path, _): &(String, String)| {
        !path.contains("/tests") && !PASSED_ON.contains(&path.as_str())
    };
    let cut = |(path, text): (String, String)| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        (path, lines.map(|line| format!("{line}\n")).collect())
    };
    files("macros/src", ".rs").into_iter().filter(is_code).map(cut).collect()
}

/// The arguments of a call, from behind its parenthesis on, as they are written.
fn arguments(code: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let (mut depth, mut in_text, mut is_escaped) = (0_u32, false, false);
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            in_text = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
        } else {
            match letter {
                '"' => in_text = true,
                // A letter in quotes may be a parenthesis.
                '\'' if letters.clone().nth(1) == Some('\'') => {
                    letters.nth(1);
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    arguments.push(String::new());
                    continue;
                }
                _ => {}
            }
        }
        arguments.last_mut().unwrap().push(letter);
    }
    arguments.into_iter().map(|argument| argument.trim().to_owned()).collect()
}

/// The texts in quotes of an expression, as they are at run time.
fn texts(code: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = code;
    while let Some((_, behind)) = rest.split_once('"') {
        let mut text = String::new();
        let mut letters = behind.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    rest = &behind[at + 1..];
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    // The line goes on with the next one's first word.
                    Some((at, '\n')) => {
                        let blanks = behind[at + 1..].chars().take_while(|c| *c == ' ').count();
                        letters.nth(blanks.saturating_sub(1)).filter(|_| blanks > 0);
                    }
                    Some((_, other)) => text.push(other),
                    None => {}
                },
                other => text.push(other),
            }
        }
        texts.push(text);
    }
    texts
}

/// What stands for `name` in a file before `at`: the texts of the nearest `let`, or of the constant or
/// the function of this name anywhere.
fn named(name: &str, file: &str, at: usize, all: &[(String, String)]) -> Vec<String> {
    let word = name.rsplit("::").next().unwrap_or(name);
    let before = &file[..at];
    if let Some(place) = before.rfind(&format!("let {word} =")) {
        return texts(before[place..].split(";\n").next().unwrap_or_default());
    }
    if let Some(place) = before.rfind(&format!("let ({word}, ")) {
        let statement = before[place..].split(";\n").next().unwrap_or_default();
        // The first of each pair.
        let pairs = statement.split('(').filter(|pair| !pair.starts_with(word));
        let firsts = pairs.filter(|pair| pair.trim_start().starts_with('"'));
        return firsts.filter_map(|pair| texts(pair).into_iter().next()).collect();
    }
    for (_, other) in all {
        for (begin, end) in [(format!("const {word}:"), ";\n"), (format!("fn {word}("), "\n}\n")] {
            if let Some(place) = other.find(&begin) {
                return texts(other[place..].split(end).next().unwrap_or_default());
            }
        }
    }
    Vec::new()
}

/// The longest piece of the first line that is the same whatever stands in the braces.
fn piece(text: &str) -> String {
    let line =
        text.lines().next().unwrap_or_default().replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut pieces = Vec::new();
    let mut rest = line.as_str();
    while let Some((piece, behind)) = rest.split_once('{') {
        pieces.push(piece);
        rest = behind.split_once('}').map_or("", |(_, behind)| behind);
    }
    pieces.push(rest);
    let longest = pieces.into_iter().max_by_key(|piece| piece.len()).unwrap_or_default();
    longest.replace('\u{1}', "{").replace('\u{2}', "}")
}

/// Every text, with the file that it stands in, as often as it is said there.
fn all_texts() -> Vec<(String, String)> {
    let all = code();
    let mut found = Vec::new();
    let mut unread = Vec::new();
    for (path, file) in &all {
        for (call, index) in CALLS {
            for (at, _) in file.match_indices(call) {
                if file[..at].ends_with(PASSING) {
                    continue;
                }
                let arguments = arguments(&file[at + call.len()..]);
                let argument = arguments.get(index).map(String::as_str).unwrap_or_default();
                let mut of_argument: Vec<String> =
                    if argument.starts_with('"') || argument.starts_with("format!(") {
                        texts(argument).into_iter().take(1).collect()
                    } else {
                        let name = argument.trim_start_matches('&').split(['(', '.']).next();
                        named(name.unwrap_or_default(), file, at, &all)
                    };
                if let [text] = of_argument.as_slice()
                    && let Some(name) =
                        text.strip_prefix('{').and_then(|rest| rest.split_once("}\n"))
                {
                    of_argument = named(name.0, file, at, &all);
                }
                // Beside the text there may be what fills its braces.
                if of_argument.len() > 1 {
                    of_argument.retain(|text| piece(text).len() >= LETTERS_MIN);
                }
                if of_argument.is_empty() {
                    unread.push(format!("{path}: {call}.. {argument}"));
                }
                found.extend(of_argument.into_iter().map(|text| (path.clone(), text)));
            }
        }
    }
    assert!(unread.is_empty(), "texts that this test can't find:\n  {}", unread.join("\n  "));
    found
}

#[test]
fn every_mistake_that_the_macro_names_has_a_case() {
    let said: String =
        files("tests/ui/fail", ".stderr").into_iter().map(|(_, text)| text).collect();
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in all_texts() {
        let line = text.lines().next().unwrap_or_default();
        calls.entry(piece(&text)).or_default().push(format!("{path}: {line}"));
    }
    // Two calls with one text need two cases.
    let missing: Vec<_> = calls
        .iter()
        .filter(|(piece, calls)| {
            piece.len() < LETTERS_MIN || said.matches(piece.as_str()).count() < calls.len()
        })
        .map(|(_, calls)| calls.join("\n  "))
        .collect();
    assert!(
        missing.is_empty(),
        "no case below tests/ui/fail shows these, or too few do:\n  {}",
        missing.join("\n  ")
    );
}

/// Every key of the attribute.
fn keys() -> Vec<String> {
    let keys = fs::read_to_string(root().join("macros/src/keys.rs")).unwrap();
    let (_, list) = keys.split_once("const KEYS: &[&str] = &[").expect("the list of keys");
    let keys = texts(list.split("];").next().unwrap_or_default());
    assert!(keys.len() > 30, "{keys:?}");
    keys
}

/// The words of the code in a text.
fn words_of_code(text: &str) -> BTreeSet<&str> {
    let code = text.split('`').skip(1).step_by(2);
    code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

#[test]
fn every_key_is_in_the_table_for_who_comes_from_spring() {
    let table = fs::read_to_string(root().join("docs/spring-mapping.md")).unwrap();
    let code = words_of_code(&table);
    let missing: Vec<_> = keys().into_iter().filter(|key| !code.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/spring-mapping.md says nothing of {missing:?}");
}

#[test]
fn every_key_is_in_the_table_of_what_a_listener_without_an_attribute_has() {
    let page = fs::read_to_string(root().join("docs/dynamic.md")).unwrap();
    let (_, table) = page.split_once("\n## The attribute's words\n").expect("the table");
    let table = table.split("\n## ").next().unwrap_or_default();
    let firsts: String = table.lines().filter_map(|row| row.split('|').nth(1)).collect();
    let code = words_of_code(&firsts);
    let missing: Vec<_> = keys().into_iter().filter(|key| !code.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/dynamic.md says nothing of {missing:?}");
}

/// The names that `begin` introduces in a file, one after the other.
fn names_behind<'f>(begin: &str, file: &'f str) -> impl Iterator<Item = &'f str> {
    let behind = file.split(begin).skip(1).map(str::trim_start);
    behind.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next())
}

#[test]
fn the_macro_knows_every_extractor_of_the_runtime() {
    let types = fs::read_to_string(root().join("macros/src/types.rs")).unwrap();
    let code = types.split("#[cfg(test)]").next().unwrap_or_default();
    let known: BTreeSet<String> = texts(code).into_iter().collect();
    let mut found = BTreeSet::new();
    for (_, file) in files("runtime/src/extract", ".rs") {
        let lines: Vec<&str> =
            file.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let file = lines.join("\n");
        let code = file.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(names_behind(" FromDelivery<'d> for ", code).map(str::to_owned));
        for call in ["delivery_name! {", "property_name! {"] {
            found.extend(names_behind(call, code).map(str::to_owned));
        }
    }
    found.remove("");
    assert!(found.len() > 25, "{found:?}");
    let unknown: Vec<_> = found.difference(&known).collect();
    assert!(unknown.is_empty(), "macros/src/types.rs does not know {unknown:?}");
}

/// The value of a constant that is a product of numbers, or a `Duration` of one, in milliseconds then.
fn constant(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, value) = text.split_once(&format!("const {name}: ")).expect("the constant");
    let (_, value) = value.split_once("= ").expect("its value");
    let value = value.split(';').next().unwrap_or_default();
    let (unit, product) = match value.split_once("Duration::from_secs(") {
        Some((_, seconds)) => (1000, seconds.trim_end_matches(')')),
        None => (1, value),
    };
    let factors = product.split('*').map(|factor| factor.trim().replace('_', ""));
    unit * factors.map(|factor| factor.parse::<u64>().expect("a number")).product::<u64>()
}

#[test]
fn the_macro_and_the_runtime_have_the_same_limits() {
    let (of_macro, of_graph) = ("macros/src/failure.rs", "runtime/src/graph/contradictions.rs");
    assert_eq!(constant(of_macro, "DELAYS_MAX"), constant(of_graph, "DELAYS_MAX"));
    assert_eq!(constant(of_macro, "MILLIS_MAX"), constant(of_graph, "TIME_MAX"));
    let of_settings = constant("runtime/src/settings/listener.rs", "RETRY_INTERVAL_MAX");
    assert_eq!(constant(of_macro, "BACKOFF_MILLIS_MAX"), of_settings);
    assert_eq!((constant(of_macro, "DELAYS_MAX"), of_settings), (32, 15 * 60 * 1000));
    let of_batches = constant("runtime/src/settings/listener.rs", "BATCH_RECEIVE_TIMEOUT_MAX");
    assert_eq!(constant("macros/src/duration.rs", "MILLIS_MAX"), of_batches);
}
