//! `recover = "park"`, `recover(exchange = "failed", key = "..")`: where a message goes that is given
//! up.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::{Given, set};
use crate::diagnostics::Errors;
use crate::failure::unknown_key;
use crate::grammar::{self, Entry, EntryValue};
use crate::paths::Paths;
use crate::value::{self, Text};

const WORDS: &[&str] = &["park", "reject", "requeue"];
const KEYS: &[&str] = &["exchange", "key"];

/// The value of `recover`.
#[derive(Debug)]
pub(crate) enum Recover {
    Word(&'static str),
    Republish { exchange: Text, key: Option<Text> },
}

impl Recover {
    /// The record's value.
    pub(crate) fn tokens(&self, paths: &Paths) -> TokenStream {
        let path = &paths.recover;
        match self {
            Self::Word("reject") => quote!(#path::Reject),
            Self::Word("requeue") => quote!(#path::Requeue),
            Self::Word(_) => quote!(#path::Park),
            Self::Republish { exchange, key } => {
                let key = match key {
                    Some(key) => quote!(::core::option::Option::Some(#key)),
                    None => quote!(::core::option::Option::None),
                };
                quote!(#path::Republish { exchange: #exchange, key: #key })
            }
        }
    }
}

pub(crate) fn recover(entry: &Entry, errors: &mut Errors) -> Option<Recover> {
    let EntryValue::List(tokens) = &entry.value else {
        return word(entry, errors).map(Recover::Word);
    };
    let before = errors.count();
    let (mut exchange, mut key): (Option<Given<Text>>, Option<Given<Text>>) = (None, None);
    for inner in grammar::entries(tokens.clone(), errors) {
        match inner.name().as_str() {
            "exchange" => set(&mut exchange, &inner, value::text, errors),
            "key" => set(&mut key, &inner, value::text, errors),
            unknown => unknown_key("recover", unknown, KEYS, &inner, errors),
        }
    }
    if errors.count() > before {
        return None;
    }
    let key = key.map(|given| given.value);
    match exchange {
        Some(exchange) => Some(Recover::Republish { exchange: exchange.value, key }),
        None => {
            let what =
                if key.is_some() { "a key of which exchange?" } else { "to which exchange?" };
            errors.add(&entry.key, what, "add `exchange = \"..\"`");
            None
        }
    }
}

fn word(entry: &Entry, errors: &mut Errors) -> Option<&'static str> {
    let expr = value::assigned(entry, "\"park\"", errors)?;
    let written = match expr {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => text.value(),
        _ => return value::word(entry, WORDS, errors),
    };
    let found = WORDS.iter().copied().find(|word| *word == written);
    if found.is_none() {
        let help = "there are \"park\", \"reject\", \"requeue\", or \
                    `recover(exchange = \"..\", key = \"..\")`";
        errors.add(expr, value::unknown_word("recover", &written), help);
    }
    found
}
