//! The outer shape of the attribute: `key = value`, `key(..)` or `key`, separated by commas.
//!
//! What a key means and which values it takes is decided in [`attr`](crate::attr). Here a mistake
//! costs one entry only: parsing goes on behind the next comma.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Ident, LitStr, Token, token};

use crate::diagnostics::Errors;

/// One entry of the attribute.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) value: EntryValue,
}

impl Entry {
    /// The key as written, without a raw identifier's `r#`.
    pub(crate) fn name(&self) -> String {
        self.key.unraw().to_string()
    }
}

/// What stands behind the key.
#[derive(Debug)]
pub(crate) enum EntryValue {
    /// `blocking`
    Missing,
    /// `queue = "orders"`
    Assigned(Box<Expr>),
    /// `arguments("x-message-ttl" = 10_000)`
    List(TokenStream),
}

/// Splits the attribute's tokens into entries.
pub(crate) fn entries(tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    let parsed = (|input: ParseStream<'_>| {
        while !input.is_empty() {
            match entry(input) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    errors.push(error);
                    skip_to_comma(input)?;
                }
            }
            end_of_entry(input, errors)?;
        }
        Ok(())
    })
    .parse2(tokens);
    if let Err(error) = parsed {
        errors.push(error);
    }
    entries
}

fn entry(input: ParseStream<'_>) -> syn::Result<Entry> {
    if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        let text = name.value();
        return Err(syn::Error::new_spanned(
            name,
            format!("a value without a key\nhelp: write `queue = \"{text}\"`"),
        ));
    }
    if !input.peek(Ident::peek_any) {
        return Err(input.error(
            "expected a key\nhelp: the attribute is a list of `key = value`, separated by commas",
        ));
    }
    let key = input.call(Ident::parse_any)?;
    let value = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            let what = format!("`{key}` has no value\nhelp: write it behind the `=`");
            return Err(syn::Error::new_spanned(key, what));
        }
        EntryValue::Assigned(input.parse()?)
    } else if input.peek(token::Paren) {
        let list;
        syn::parenthesized!(list in input);
        EntryValue::List(list.parse()?)
    } else if input.peek(Token![:]) {
        return Err(input.error(format!("expected `=`\nhelp: write `{key} = ..`")));
    } else {
        EntryValue::Missing
    };
    Ok(Entry { key, value })
}

/// Takes the comma; where it is missing, says so and goes on as if it stood there.
fn end_of_entry(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    if input.peek(Token![,]) {
        input.parse::<Token![,]>()?;
        return Ok(());
    }
    errors.push(input.error("expected a comma\nhelp: entries are separated by `,`"));
    if input.peek(Ident::peek_any) { Ok(()) } else { skip_to_comma(input) }
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn check(tokens: TokenStream, keys: &[&str], mistakes: &[&str]) {
        let mut errors = Errors::new();
        let found: Vec<_> = entries(tokens, &mut errors).iter().map(Entry::name).collect();
        let texts: Vec<_> = errors
            .finish()
            .err()
            .into_iter()
            .flatten()
            .map(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(
            (found, texts),
            (keys.iter().map(ToString::to_string).collect(), to_owned(mistakes))
        );
    }

    fn to_owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn three_shapes_and_a_trailing_comma() {
        check(
            quote!(queue = "a", arguments("x" = 1), blocking,),
            &["queue", "arguments", "blocking"],
            &[],
        );
        check(quote!(crate = a::b, type = "topic"), &["crate", "type"], &[]);
        check(quote!(), &[], &[]);
    }

    #[test]
    fn a_mistake_costs_one_entry_only() {
        check(
            quote!("a", queue: "b", = 3, ack = , prefetch = 1),
            &["prefetch"],
            &["a value without a key", "expected `=`", "expected a key", "`ack` has no value"],
        );
    }

    #[test]
    fn a_missing_comma_is_named_and_passed_over() {
        check(quote!(queue = "a" ack = "manual"), &["queue", "ack"], &["expected a comma"]);
    }
}
