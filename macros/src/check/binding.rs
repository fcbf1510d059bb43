//! The binding: an exchange, its kind, and the keys or arguments that select messages.

use super::names;
use crate::arguments::{self, Argument, ArgumentValue};
use crate::attr::{Given, ListenerArgs};
use crate::binding::BindingArgs;
use crate::diagnostics::Errors;
use crate::value::{self, Text};

/// AMQP's kinds of exchange; a plugin's start with `x-`.
const KINDS: &[&str] = &["direct", "fanout", "topic", "headers"];

/// The values of a headers binding's `x-match`.
const MATCHES: &[&str] = &["all", "any", "all-with-x", "any-with-x"];

pub(crate) fn check(args: &ListenerArgs, errors: &mut Errors) {
    if let (Some(list), Some(alone)) = (&args.bindings, args.binding.first()) {
        let what = format!("`bindings` and `{alone}` are given together");
        errors.add(alone, what, format!("put `{alone}` into a binding of `{}(..)`", list.key));
    }
    if args.bindings.is_none() {
        alone(args, errors);
    }
    for binding in args.bindings.iter().flat_map(|list| &list.value) {
        if let (None, Some(place)) = (&binding.exchange, binding.place) {
            let help = "name it with `exchange = \"..\"`";
            errors.add_at(place, "a binding to which exchange?", help);
        }
        one(binding, errors);
    }
}

fn alone(args: &ListenerArgs, errors: &mut Errors) {
    if args.binding.exchange.is_none() && args.complete {
        needs_an_exchange(&args.binding, errors);
    }
    one(&args.binding, errors);
}

fn one(binding: &BindingArgs, errors: &mut Errors) {
    if let Some(exchange) = &binding.exchange {
        names::exchange(&exchange.value, errors);
    }
    let kind = kind(binding, errors);
    keys(binding, kind, errors);
    if let Some(given) = &binding.arguments {
        match_argument(&given.value, kind, errors);
    }
}

/// What only a binding has a use for.
fn needs_an_exchange(binding: &BindingArgs, errors: &mut Errors) {
    let BindingArgs { place: _, exchange: _, kind, key, keys, arguments } = binding;
    if let Some(Given { key, .. }) = kind {
        let help = "name it with `exchange = \"..\"`, or remove `kind`";
        errors.add(key, "a kind of which exchange?", help);
    }
    let keyed = key.as_ref().map(|given| &given.key).or(keys.as_ref().map(|given| &given.key));
    if let Some(key) = keyed {
        errors.add(
            key,
            format!("`{key}` binds to an exchange, and none is named"),
            format!("name it with `exchange = \"..\", kind = \"..\"`, or remove `{key}`"),
        );
    }
    if let Some(Given { key, .. }) = arguments {
        errors.add(
            key,
            "`binding_arguments` belong to a binding, and no exchange is named",
            "name it with `exchange = \"..\"`; a queue's own arguments are `arguments(..)`",
        );
    }
}

/// The kind as far as it is known here, without a word about it.
pub(crate) fn known_kind(binding: &BindingArgs) -> Option<&str> {
    let exchange = binding.exchange.as_ref().and_then(|given| given.value.known());
    match &binding.kind {
        Some(kind) => kind.value.known(),
        None => exchange.and_then(names::predeclared_kind),
    }
}

/// Checks the kind, and says which it is, as far as that is known here.
fn kind<'a>(binding: &'a BindingArgs, errors: &mut Errors) -> Option<&'a str> {
    let exchange = binding.exchange.as_ref().and_then(|given| given.value.known());
    let predeclared = exchange.and_then(names::predeclared_kind);
    let Some(Given { value: given, .. }) = &binding.kind else { return predeclared };
    names::placeholders(given, errors);
    let text = given.known()?;
    if !KINDS.contains(&text) && !text.starts_with("x-") {
        let list = "direct, fanout, topic, headers, or a plugin's starting with `x-`";
        let help = value::word_help(text, KINDS, list);
        errors.add(given, format!("there is no kind of exchange named \"{text}\""), help);
        return None;
    }
    if let (Some(expected), Some(exchange)) = (predeclared.filter(|kind| *kind != text), exchange) {
        errors.add(
            given,
            format!("`{exchange}` is the broker's {expected} exchange"),
            format!("write `kind = \"{expected}\"`, or leave `kind` out"),
        );
        return None;
    }
    Some(text)
}

fn keys(binding: &BindingArgs, kind: Option<&str>, errors: &mut Errors) {
    if let (Some(_), Some(keys)) = (&binding.key, &binding.keys) {
        let help = "put all of them into `keys = [..]`";
        errors.add(&keys.key, "`key` and `keys` are given together", help);
    }
    let mut seen: Vec<&str> = Vec::new();
    for key in binding.all_keys() {
        names::key(key, kind, errors);
        check_twice(key, &mut seen, errors);
    }
}

fn check_twice<'a>(key: &'a Text, seen: &mut Vec<&'a str>, errors: &mut Errors) {
    let Some(text) = key.written() else { return };
    if seen.contains(&text) {
        errors.add(key, format!("the key \"{text}\" is listed twice"), "keep one");
    }
    seen.push(text);
}

/// `x-match` decides how a headers exchange reads the rest, and takes four words.
fn match_argument(list: &[Argument], kind: Option<&str>, errors: &mut Errors) {
    if kind != Some("headers") {
        return;
    }
    let Some(argument) = arguments::find(list, "x-match") else { return };
    let text = match &argument.value {
        ArgumentValue::Text(text) => text.written().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    if !MATCHES.contains(&text.as_str()) {
        let list = "\"all\", \"any\", \"all-with-x\", \"any-with-x\"";
        let help = value::word_help(&text, MATCHES, list);
        errors.add(&arguments::place(argument), "`x-match` does not take this value", help);
    }
}
