//! `circuit(failures = 10, pause = "30s")`: when a listener is left alone for a while.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::{Given, set};
use crate::diagnostics::Errors;
use crate::failure::{Millis, timeout, unknown_key};
use crate::grammar::{self, Entry, EntryValue};
use crate::paths::Paths;
use crate::value;

const EXAMPLE: &str = "`circuit(failures = 10, pause = \"30s\")`";
const KEYS: &[&str] = &["failures", "pause"];

/// The value of `circuit`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circuit {
    failures: u32,
    pause: Millis,
}

impl Circuit {
    /// The record's value.
    pub(crate) fn tokens(self, paths: &Paths) -> TokenStream {
        let path = &paths.circuit_attributes;
        let (failures, pause) = (self.failures, self.pause.tokens());
        quote!(#path { failures: #failures, pause: #pause })
    }
}

pub(crate) fn circuit(entry: &Entry, errors: &mut Errors) -> Option<Circuit> {
    let EntryValue::List(tokens) = &entry.value else {
        let help = format!("write {EXAMPLE}");
        errors.add(&entry.key, "`circuit` takes a list in parentheses", help);
        return None;
    };
    let before = errors.count();
    let (mut failures, mut pause): (Option<Given<u32>>, Option<Given<Millis>>) = (None, None);
    for inner in grammar::entries(tokens.clone(), errors) {
        match inner.name().as_str() {
            "failures" => set(&mut failures, &inner, number, errors),
            "pause" => set(&mut pause, &inner, timeout, errors),
            unknown => unknown_key("circuit", unknown, KEYS, &inner, errors),
        }
    }
    if errors.count() > before {
        return None;
    }
    match (failures, pause) {
        (Some(failures), Some(pause)) => {
            Some(Circuit { failures: failures.value, pause: pause.value })
        }
        (None, _) => {
            let what = "after how many failures does it open?";
            errors.add(&entry.key, what, format!("write {EXAMPLE}"));
            None
        }
        (Some(_), None) => {
            let what = "how long does it stay open?";
            errors.add(&entry.key, what, format!("write {EXAMPLE}"));
            None
        }
    }
}

fn number(entry: &Entry, errors: &mut Errors) -> Option<u32> {
    let number: u32 = value::number(entry, "1 to 4294967295", errors)?;
    if number == 0 {
        let what = "`circuit` opens after at least one failure";
        errors.add(&entry.key, what, format!("write {EXAMPLE}"));
        return None;
    }
    Some(number)
}
