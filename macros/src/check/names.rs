//! Names and keys one by one: their length, their prefix, their placeholders, their words.

use crate::arguments::NAME_BYTES_MAX;
use crate::diagnostics::Errors;
use crate::value::Text;

/// The broker's own exchanges that anybody may bind to, with their kinds.
const PREDECLARED: &[(&str, &str)] = &[
    ("amq.direct", "direct"),
    ("amq.fanout", "fanout"),
    ("amq.topic", "topic"),
    ("amq.headers", "headers"),
    ("amq.match", "headers"),
    ("amq.rabbitmq.trace", "topic"),
];

/// The kind of a predeclared exchange.
pub(crate) fn predeclared_kind(exchange: &str) -> Option<&'static str> {
    PREDECLARED.iter().find(|(name, _)| *name == exchange).map(|(_, kind)| *kind)
}

pub(crate) fn queue(name: &Text, errors: &mut Errors) {
    placeholders(name, errors);
    let Some(text) = name.known() else { return };
    length(name, text, "queue name", errors);
    if text.is_empty() {
        let help = "leave `queue` out and bind an anonymous queue to an `exchange`";
        errors.add(name, "the queue's name is empty", help);
    }
    if text.starts_with("amq.") {
        errors.add(
            name,
            "queue names starting with `amq.` belong to the broker",
            "choose another name, or leave `queue` out for one that the broker names",
        );
    }
}

pub(crate) fn exchange(name: &Text, errors: &mut Errors) {
    placeholders(name, errors);
    let Some(text) = name.known() else { return };
    length(name, text, "exchange name", errors);
    if text.is_empty() {
        errors.add(
            name,
            "nothing can be bound to the default exchange",
            "remove `exchange`: every queue is reached through it by its own name",
        );
    }
    if text.starts_with("amq.") && predeclared_kind(text).is_none() {
        errors.add(
            name,
            "exchange names starting with `amq.` belong to the broker, and this is none of its own",
            "choose another name, or one of amq.direct, amq.fanout, amq.topic, amq.headers, \
             amq.match",
        );
    }
}

/// The name of a profile of settings.
pub(crate) fn profile(name: &Text, errors: &mut Errors) {
    placeholders(name, errors);
    if name.known() == Some("") {
        let help = "name one that the settings have, or leave `profile` out";
        errors.add(name, "the profile's name is empty", help);
    }
}

/// The name of a broker.
pub(crate) fn broker(name: &Text, errors: &mut Errors) {
    placeholders(name, errors);
    if name.known() == Some("") {
        let help = "name one that the application has, or leave `broker` out for its own";
        errors.add(name, "the broker's name is empty", help);
    }
}

/// Where a reply goes: `queue`, or `exchange/key`, of which either may be empty.
pub(crate) fn destination(name: &Text, errors: &mut Errors) {
    placeholders(name, errors);
    let Some(text) = name.known() else { return };
    let (exchange, key) = text.split_once('/').unwrap_or(("", text));
    if key.contains('/') {
        let help = "write \"exchange/key\", \"exchange/\" or \"queue\"";
        errors.add(name, "a destination has one exchange and one key", help);
        return;
    }
    length(name, exchange, "exchange name", errors);
    length(name, key, "key", errors);
    if exchange.is_empty() && key.is_empty() {
        let help = "write \"exchange/key\", \"exchange/\" or \"queue\"";
        errors.add(name, "the destination is empty", help);
    }
}

/// A key of a binding to an exchange of that kind, if the kind is known.
pub(crate) fn key(key: &Text, kind: Option<&str>, errors: &mut Errors) {
    placeholders(key, errors);
    let Some(text) = key.known() else { return };
    length(key, text, "key", errors);
    match kind {
        Some("direct") => direct_key(key, text, errors),
        Some("topic") => topic_key(key, text, errors),
        Some("x-consistent-hash") => weight(key, text, errors),
        Some(kind @ ("fanout" | "headers")) if !text.is_empty() => {
            let help = match kind {
                "fanout" => "remove the key, or write `kind = \"direct\"` or \"topic\"",
                _ => "match by `binding_arguments(\"x-match\" = \"all\", \"level\" = 3)`",
            };
            errors.add(key, format!("a {kind} exchange does not look at keys"), help);
        }
        _ => {}
    }
}

fn direct_key(key: &Text, text: &str, errors: &mut Errors) {
    if let Some(wildcard) = text.split('.').find(|word| matches!(*word, "*" | "#")) {
        errors.add(
            key,
            format!(
                "a direct exchange compares keys letter by letter: `{wildcard}` stands for itself"
            ),
            "write `kind = \"topic\"` for patterns",
        );
    }
}

/// The largest weight that RabbitMQ takes.
const WEIGHT_MAX: u32 = 1_000_000;

/// A consistent hash exchange takes the key for the binding's weight.
fn weight(key: &Text, text: &str, errors: &mut Errors) {
    if !text.parse::<u32>().is_ok_and(|weight| (1..=WEIGHT_MAX).contains(&weight)) {
        let help = format!("write a whole number from 1 to {WEIGHT_MAX}, `key = \"1\"`");
        errors.add(key, "the key at a consistent hash exchange is a weight", help);
    }
}

fn topic_key(key: &Text, text: &str, errors: &mut Errors) {
    let inside = |word: &&str| word.len() > 1 && word.contains(['*', '#']);
    if let Some(word) = text.split('.').find(inside) {
        errors.add(
            key,
            format!("`*` and `#` stand for whole words: in `{word}` they stand for themselves"),
            "words are separated by dots: `*.error` is one word and \"error\", `kern.#` is \"kern\" \
             and any number of words",
        );
    }
}

fn length(at: &Text, text: &str, what: &str, errors: &mut Errors) {
    if text.len() > NAME_BYTES_MAX {
        let what = format!("the {what} is {} bytes long", text.len());
        errors.add(at, what, format!("shorten it: AMQP allows {NAME_BYTES_MAX}"));
    }
}

/// What stands before the `}` that closes a placeholder, and behind it: a name or a default may have
/// placeholders, too.
pub(super) fn enclosed(placeholder: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, character) in placeholder.char_indices() {
        match character {
            '{' if !placeholder.get(..at)?.ends_with("$$") => depth += 1,
            '}' if depth == 0 => return Some((placeholder.get(..at)?, placeholder.get(at + 1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether every `${` has a name and its `}`.
pub(crate) fn placeholders(text: &Text, errors: &mut Errors) {
    if let Some(written) = text.written() {
        placeholders_in(written, text, errors);
    }
}

fn placeholders_in(mut written: &str, text: &Text, errors: &mut Errors) {
    const REMEDY: &str = "write `${name}` or `${name:default}`";
    while let Some((_, behind)) = written.split_once("${") {
        let Some((inside, after)) = enclosed(behind) else {
            errors.add(text, "the placeholder does not end", REMEDY);
            return;
        };
        if inside.trim_start().is_empty() || inside.trim_start().starts_with(':') {
            errors.add(text, "the placeholder has no name", REMEDY);
        }
        placeholders_in(inside, text, errors);
        written = after;
    }
}
