//! Bindings: the keys of one, alone in the attribute or in `bindings((..), (..))`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{Expr, Token, token};

use crate::arguments::{Argument, binding_arguments};
use crate::attr::{Given, set};
use crate::diagnostics::Errors;
use crate::grammar::{self, Entry, EntryValue};
use crate::keys;
use crate::value::{self, Text};

/// What binds the queue to one exchange.
#[derive(Debug, Default)]
pub(crate) struct BindingArgs {
    /// Its parentheses, in a list.
    pub(crate) place: Option<Span>,
    pub(crate) exchange: Option<Given<Text>>,
    pub(crate) kind: Option<Given<Text>>,
    pub(crate) key: Option<Given<Text>>,
    pub(crate) keys: Option<Given<Vec<Text>>>,
    pub(crate) arguments: Option<Given<Vec<Argument>>>,
}

/// The keys of a binding, in the order of their documentation.
const KEYS: &[&str] = &["exchange", "kind", "key", "keys", "binding_arguments"];

impl BindingArgs {
    /// Takes an entry that speaks of a binding; false if it does not.
    pub(crate) fn take(&mut self, entry: &Entry, errors: &mut Errors) -> bool {
        match entry.name().as_str() {
            "exchange" => set(&mut self.exchange, entry, value::text, errors),
            "kind" => set(&mut self.kind, entry, value::text, errors),
            "key" => set(&mut self.key, entry, value::text, errors),
            "keys" => set(&mut self.keys, entry, value::texts, errors),
            "binding_arguments" => set(&mut self.arguments, entry, binding_arguments, errors),
            _ => return false,
        }
        true
    }

    /// All its keys, however they are given.
    pub(crate) fn all_keys(&self) -> impl Iterator<Item = &Text> {
        let listed = self.keys.iter().flat_map(|keys| &keys.value);
        self.key.iter().map(|key| &key.value).chain(listed)
    }

    /// The first entry that is given.
    pub(crate) fn first(&self) -> Option<&syn::Ident> {
        let Self { place: _, exchange, kind, key, keys, arguments } = self;
        let texts = [exchange, kind, key].into_iter().flatten().map(|given| &given.key);
        let keys = keys.iter().map(|given| &given.key);
        texts.chain(keys).chain(arguments.iter().map(|given| &given.key)).next()
    }
}

/// `bindings((exchange = "a", key = "x"), (exchange = "b", kind = "fanout"))`
pub(crate) fn bindings(entry: &Entry, errors: &mut Errors) -> Option<Vec<BindingArgs>> {
    let EntryValue::List(tokens) = &entry.value else {
        errors.add(&entry.key, "`bindings` takes a list in parentheses", HELP);
        return None;
    };
    if tokens.is_empty() {
        errors.add(&entry.key, "`bindings` is empty", HELP);
        return None;
    }
    let before = errors.count();
    let groups = match groups.parse2(tokens.clone()) {
        Ok(groups) => groups,
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let list = groups.into_iter().map(|(place, tokens)| binding(place, tokens, errors)).collect();
    (errors.count() == before).then_some(list)
}

const HELP: &str =
    "write `bindings((exchange = \"logs\", kind = \"topic\", key = \"*.error\"), (..))`";

fn groups(input: ParseStream<'_>) -> syn::Result<Vec<(Span, TokenStream)>> {
    let mut groups = Vec::new();
    while !input.is_empty() {
        if !input.peek(token::Paren) {
            let what = "each binding stands in parentheses of its own";
            let at = input
                .parse::<Expr>()
                .map_or_else(|_| input.cursor().token_stream(), |expr| expr.to_token_stream());
            return Err(syn::Error::new_spanned(at, format!("{what}\nhelp: {HELP}")));
        }
        let inside;
        let parens = syn::parenthesized!(inside in input);
        groups.push((parens.span.span(), inside.parse()?));
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(groups)
}

fn binding(place: Span, tokens: TokenStream, errors: &mut Errors) -> BindingArgs {
    let mut binding = BindingArgs { place: Some(place), ..BindingArgs::default() };
    for entry in grammar::entries(tokens, errors) {
        if !binding.take(&entry, errors) {
            let name = entry.name();
            let help = match keys::closest(&name, KEYS) {
                Some(key) => format!("did you mean `{key}`? There are {}", KEYS.join(", ")),
                None => format!("there are {}", KEYS.join(", ")),
            };
            errors.add(&entry.key, format!("a binding knows no `{name}`"), help);
        }
    }
    binding
}
