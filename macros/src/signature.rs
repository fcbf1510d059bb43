//! The annotated function: what surrounds it, and where each of its arguments comes from.
//!
//! The body is never parsed: it goes through as it came.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Expr, ExprLit, FnArg, Lit, Signature, Token, Type, Visibility, token};

use crate::diagnostics::Errors;
use crate::parameter::{self, Source};

/// The function, our attributes taken off.
#[derive(Debug)]
pub(crate) struct ListenerFn {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: TokenStream,
    /// Further `#[rabbit_listener(..)]` below the outermost, in their order.
    pub(crate) stacked: Vec<Attribute>,
    pub(crate) params: Vec<Param>,
}

/// One argument: its type, and how it is made of a delivery.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) ty: Type,
    pub(crate) source: Source,
}

impl ListenerFn {
    /// Parses the item; the error means that there is no function to work on.
    pub(crate) fn parse(item: TokenStream, errors: &mut Errors) -> syn::Result<Self> {
        let mut function = parse_item.parse2(item)?;
        let (stacked, attrs) =
            std::mem::take(&mut function.attrs).into_iter().partition(is_rabbit_listener);
        function.stacked = stacked;
        function.attrs = attrs;
        for input in &mut function.sig.inputs {
            if let FnArg::Typed(typed) = input {
                let source = parameter::source(typed, errors);
                function.params.push(Param { ty: (*typed.ty).clone(), source });
            }
        }
        Ok(function)
    }

    /// The function's name as a user reads it.
    pub(crate) fn name(&self) -> String {
        self.sig.ident.unraw().to_string()
    }

    /// The name in tokens.
    pub(crate) fn ident(&self) -> &Ident {
        &self.sig.ident
    }

    /// The doc comment, line by line.
    pub(crate) fn docs(&self) -> String {
        docs(&self.attrs)
    }

    /// Conditions that hold for the function, and so for everything generated beside it.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
    }
}

impl ToTokens for ListenerFn {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attr in &self.attrs {
            attr.to_tokens(tokens);
        }
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// The doc comment among these attributes, line by line.
pub(crate) fn docs(attrs: &[Attribute]) -> String {
    let docs = attrs.iter().filter(|attr| attr.path().is_ident("doc"));
    let text = |attr: &Attribute| match &attr.meta.require_name_value().ok()?.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    };
    let lines: Vec<String> = docs.filter_map(text).collect();
    let lines = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

fn parse_item(input: ParseStream<'_>) -> syn::Result<ListenerFn> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis: Visibility = input.parse()?;
    let is_function = input.peek(Token![fn])
        || input.peek(Token![async])
        || input.peek(Token![const]) && (input.peek2(Token![fn]) || input.peek2(Token![async]))
        || input.peek(Token![unsafe])
        || input.peek(Token![extern]);
    if !is_function {
        return Err(input.error(NOT_A_FUNCTION));
    }
    let sig: Signature = input.parse()?;
    if !input.peek(token::Brace) {
        return Err(input.error("a listener needs a body\nhelp: write `{ .. }` in place of this"));
    }
    let body = input.parse()?;
    Ok(ListenerFn { attrs, vis, sig, body, stacked: Vec::new(), params: Vec::new() })
}

const NOT_A_FUNCTION: &str = "`#[rabbit_listener]` stands on a function\nhelp: write `async fn on_order(..) { .. }` below it";

/// Our attribute, by whatever path it was imported.
pub(crate) fn is_rabbit_listener(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "rabbit_listener")
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn parse(item: TokenStream) -> ListenerFn {
        let mut errors = Errors::new();
        let function = ListenerFn::parse(item, &mut errors).unwrap();
        errors.finish().unwrap();
        function
    }

    #[test]
    fn only_our_attributes_are_taken_off() {
        let function = parse(quote! {
            /// Words.
            #[springhare::rabbit_listener(queue = "b")]
            #[inline]
            pub async fn f(#[payload] a: A, #[allow(unused)] #[header("x")] b: B) { a; b }
        });
        assert_eq!(function.stacked.len(), 1);
        let expected = quote! {
            /// Words.
            #[inline]
            pub async fn f(a: A, #[allow(unused)] b: B) { a; b }
        };
        assert_eq!(function.to_token_stream().to_string(), expected.to_string());
    }

    #[test]
    fn a_struct_is_not_a_listener() {
        let mut errors = Errors::new();
        let error = ListenerFn::parse(
            quote!(
                pub struct S;
            ),
            &mut errors,
        )
        .unwrap_err();
        errors.finish().unwrap();
        assert!(error.to_string().contains("stands on a function"));
    }
}
