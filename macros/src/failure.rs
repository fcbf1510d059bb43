//! The values of the keys that say what is done about failures.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Lit};

use crate::attr::{Given, set};
use crate::diagnostics::Errors;
use crate::duration::{UNITS, millis};
use crate::grammar::{self, Entry, EntryValue};
use crate::paths::Paths;
use crate::value;

/// The longest time that a key takes: a day, in milliseconds.
const MILLIS_MAX: u64 = 86_400_000;
/// The longest pause between two calls, in milliseconds.
pub(crate) const BACKOFF_MILLIS_MAX: u64 = 900_000;
/// How many delays a listener may ask for: each is a queue of its own on RabbitMQ.
const DELAYS_MAX: usize = 32;

const RETRY_EXAMPLE: &str = "`retry(max_attempts = 5, backoff = \"100ms..10s\")` or \
                             `retry(delays = [\"5s\", \"1m\"])`";
const RETRY_KEYS: &[&str] = &["max_attempts", "backoff", "jitter", "delays"];

/// A time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Millis(pub(crate) u64);

/// `retry(max_attempts = 5, backoff = "100ms..10s", jitter = 0.2, delays = ["5s", "1m"])`.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    pub(crate) max_attempts: Option<Given<u32>>,
    pub(crate) backoff: Option<Given<(Millis, Millis)>>,
    pub(crate) jitter: Option<Given<f64>>,
    pub(crate) delays: Option<Given<Vec<Millis>>>,
}

impl Millis {
    /// A `Duration` of it.
    pub(crate) fn tokens(self) -> TokenStream {
        let Self(millis) = self;
        quote!(::core::time::Duration::from_millis(#millis))
    }
}

impl Retry {
    /// The record's value.
    pub(crate) fn tokens(&self, paths: &Paths) -> TokenStream {
        let path = &paths.retry_attributes;
        let option = |value: Option<TokenStream>| match value {
            Some(value) => quote!(::core::option::Option::Some(#value)),
            None => quote!(::core::option::Option::None),
        };
        let max_attempts = option(self.max_attempts.as_ref().map(|given| {
            let number = given.value;
            quote!(#number)
        }));
        let backoff = option(self.backoff.as_ref().map(|given| {
            let (first, last) = (given.value.0.tokens(), given.value.1.tokens());
            quote!((#first, #last))
        }));
        let jitter = option(self.jitter.as_ref().map(|given| {
            let part = given.value;
            quote!(#part)
        }));
        let delays = self.delays.iter().flat_map(|given| &given.value).map(|delay| delay.tokens());
        quote!(#path {
            max_attempts: #max_attempts,
            backoff: #backoff,
            jitter: #jitter,
            delays: &[#(#delays),*],
        })
    }
}

/// `retry(..)`.
pub(crate) fn retry(entry: &Entry, errors: &mut Errors) -> Option<Retry> {
    let EntryValue::List(tokens) = &entry.value else {
        let help = format!("write {RETRY_EXAMPLE}");
        errors.add(&entry.key, "`retry` takes a list in parentheses", help);
        return None;
    };
    if tokens.is_empty() {
        errors.add(&entry.key, "`retry` says nothing", format!("write {RETRY_EXAMPLE}"));
        return None;
    }
    let before = errors.count();
    let mut retry = Retry::default();
    for inner in grammar::entries(tokens.clone(), errors) {
        match inner.name().as_str() {
            "max_attempts" => set(&mut retry.max_attempts, &inner, max_attempts, errors),
            "backoff" => set(&mut retry.backoff, &inner, backoff, errors),
            "jitter" => set(&mut retry.jitter, &inner, jitter, errors),
            "delays" => set(&mut retry.delays, &inner, delays, errors),
            unknown => unknown_key("retry", unknown, RETRY_KEYS, &inner, errors),
        }
    }
    (errors.count() == before).then_some(retry)
}

/// A key inside of parentheses that is none.
pub(crate) fn unknown_key(
    outer: &str,
    unknown: &str,
    keys: &[&'static str],
    entry: &Entry,
    errors: &mut Errors,
) {
    let list = keys.join(", ");
    let close = crate::keys::closest(unknown, keys).or_else(|| {
        keys.iter().copied().find(|key| key.ends_with(unknown) || unknown.ends_with(key))
    });
    let help = match close {
        Some(key) => format!("did you mean `{key}`? There are {list}"),
        None => format!("there are {list}"),
    };
    errors.add(&entry.key, format!("`{outer}` knows no `{unknown}`"), help);
}

/// `max_attempts`, in `retry(..)` or beside it.
pub(crate) fn max_attempts(entry: &Entry, errors: &mut Errors) -> Option<u32> {
    let number: u32 = value::number(entry, "1 to 4294967295", errors)?;
    if number == 0 {
        let help = "`max_attempts = 1` is no retry";
        errors.add(&entry.key, "a message is handled at least once", help);
        return None;
    }
    Some(number)
}

fn jitter(entry: &Entry, errors: &mut Errors) -> Option<f64> {
    let expr = value::assigned(entry, "0.2", errors)?;
    let part = match expr {
        Expr::Lit(ExprLit { lit: Lit::Float(part), .. }) => part.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Int(part), .. }) => part.base10_parse().ok(),
        _ => None,
    };
    let part = part.filter(|part| (0.0..=1.0).contains(part));
    if part.is_none() {
        let help = "write `jitter = 0.2`: a pause is longer or shorter by a fifth at the most";
        errors.add(expr, "`jitter` is a part of a pause, 0 to 1", help);
    }
    part
}

/// `"100ms..10s"`, or `"1s"` for pauses that are all the same.
fn backoff(entry: &Entry, errors: &mut Errors) -> Option<(Millis, Millis)> {
    let expr = value::assigned(entry, "\"100ms..10s\"", errors)?;
    let text = written(entry, expr, "\"100ms..10s\"", errors)?;
    let (first, last) = text.split_once("..").unwrap_or((&text, &text));
    let first = time(entry, expr, first.trim(), "\"100ms..10s\"", errors)?;
    let last = time(entry, expr, last.trim(), "\"100ms..10s\"", errors)?;
    if last.0 > BACKOFF_MILLIS_MAX {
        let what = "`backoff` is out of range";
        let help = "it takes 15 minutes at the most: RabbitMQ lets a consumer hold a message for \
                    30; `delays` may be longer";
        errors.add(expr, what, help);
        return None;
    }
    if first.0 > last.0 {
        let what = "`backoff` is reversed: pauses grow";
        errors.add(expr, what, "write the first pause first, then the longest one");
        return None;
    }
    Some((first, last))
}

fn delays(entry: &Entry, errors: &mut Errors) -> Option<Vec<Millis>> {
    let example = "[\"5s\", \"1m\"]";
    let expr = value::assigned(entry, example, errors)?;
    let Expr::Array(array) = expr else {
        let help = format!("write `delays = {example}`");
        errors.add(expr, "`delays` takes a list of times", help);
        return None;
    };
    if array.elems.is_empty() {
        let help = "name at least one, or leave the key out";
        errors.add(expr, "`delays` is empty", help);
        return None;
    }
    if array.elems.len() > DELAYS_MAX {
        let what = format!("{} delays are too many", array.elems.len());
        errors.add(expr, what, format!("there may be {DELAYS_MAX}"));
        return None;
    }
    let before = errors.count();
    let mut delays = Vec::new();
    for elem in &array.elems {
        let elem = value::bare(elem);
        let Some(text) = written(entry, elem, example, errors) else { continue };
        match time(entry, elem, &text, example, errors) {
            Some(Millis(0)) => {
                let help = "write a time, or leave it out: `requeue` has no pause";
                errors.add(elem, "a delay of nothing is none", help);
            }
            Some(delay) => delays.push(delay),
            None => {}
        }
    }
    (errors.count() == before).then_some(delays)
}

/// One time that is not nothing: `timeout = "30s"`.
pub(crate) fn timeout(entry: &Entry, errors: &mut Errors) -> Option<Millis> {
    let expr = value::assigned(entry, "\"30s\"", errors)?;
    let text = written(entry, expr, "\"30s\"", errors)?;
    let time = time(entry, expr, &text, "\"30s\"", errors)?;
    if time.0 == 0 {
        let help = "write `timeout = \"30s\"`, or leave it out for no bound";
        errors.add(expr, "nothing is done in no time", help);
        return None;
    }
    Some(time)
}

/// `idle_event = "30s"`.
pub(crate) fn idle_event(entry: &Entry, errors: &mut Errors) -> Option<Millis> {
    let expr = value::assigned(entry, "\"30s\"", errors)?;
    let text = written(entry, expr, "\"30s\"", errors)?;
    let time = time(entry, expr, &text, "\"30s\"", errors)?;
    if time.0 == 0 {
        let help = "write `idle_event = \"30s\"`, or leave it out for no such events";
        errors.add(expr, "who is idle is so for a time", help);
        return None;
    }
    Some(time)
}

/// The text of a time, which is written here.
fn written(entry: &Entry, expr: &Expr, example: &str, errors: &mut Errors) -> Option<String> {
    let name = entry.name();
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            let (digits, suffix) = (number.base10_digits(), number.suffix());
            let what = if suffix.is_empty() {
                format!("`{name} = {digits}` has no unit")
            } else {
                format!("`{name}` takes a time in quotes")
            };
            errors.add(expr, what, format!("write `{name} = {example}`; {UNITS}"));
            None
        }
        _ => {
            let help = format!("write `{name} = {example}`; {UNITS}");
            errors.add(expr, format!("`{name}` takes a time in quotes"), help);
            None
        }
    }
}

fn time(
    entry: &Entry,
    expr: &Expr,
    text: &str,
    example: &str,
    errors: &mut Errors,
) -> Option<Millis> {
    let name = entry.name();
    let Some(millis) = millis(text) else {
        let has_no_unit = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let what = if has_no_unit {
            format!("\"{text}\" has no unit")
        } else {
            format!("\"{text}\" is no time")
        };
        let help = format!("write a whole number and its unit, `{name} = {example}`; {UNITS}");
        errors.push(syn::Error::new(expr.span(), format!("{what}\nhelp: {help}")));
        return None;
    };
    let fitting = u64::try_from(millis).ok().filter(|millis| *millis <= MILLIS_MAX);
    if fitting.is_none() {
        errors.add(expr, format!("`{name}` is out of range"), "it takes a day at the most");
    }
    fitting.map(Millis)
}

/// `error_handler = path`.
pub(crate) fn error_handler(entry: &Entry, errors: &mut Errors) -> Option<syn::Path> {
    let expr = value::assigned(entry, "on_failure", errors)?;
    if let Expr::Path(syn::ExprPath { path, qself: None, .. }) = expr {
        return Some(path.clone());
    }
    let help = "write `error_handler = on_failure`, without quotes";
    errors.add(expr, "`error_handler` takes the path of a function", help);
    None
}
