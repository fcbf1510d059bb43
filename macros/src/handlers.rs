//! `#[rabbit_listener(..)]` on an `impl`: its methods with `#[rabbit_handler]` share the listener, and
//! each message goes to one of them by its type.

use proc_macro2::{Group, Ident, Punct, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, FnArg, LitStr, Meta, Token, Type, Visibility, token};

use crate::attr::{set, switch};
use crate::diagnostics::Errors;
use crate::grammar::{self, Entry};
use crate::parameter::{self, Source};
use crate::self_type::SelfType;
use crate::signature::{self, ListenerFn, Param, is_rabbit_listener};
use crate::types;
use crate::value;

/// The block, our attributes taken off.
#[derive(Debug)]
pub(crate) struct HandlersImpl {
    attrs: Vec<Attribute>,
    /// `impl Orders`
    head: TokenStream,
    pub(crate) self_ty: Type,
    pub(crate) generics: Option<TokenStream>,
    pub(crate) of_trait: Option<TokenStream>,
    /// What stands in the block.
    items: Vec<TokenStream>,
    /// Further `#[rabbit_listener(..)]` below the outermost, in their order.
    pub(crate) stacked: Vec<Attribute>,
    pub(crate) handlers: Vec<Handler>,
}

/// A method with `#[rabbit_handler]`.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) attr: Attribute,
    /// As generated code calls it: without `Self`.
    pub(crate) function: ListenerFn,
    /// The type that it is given, and where that is said.
    pub(crate) type_name: Option<(String, TokenStream)>,
    pub(crate) default: Option<Ident>,
}

/// Whether the item is an `impl`.
pub(crate) fn is_impl(item: &TokenStream) -> bool {
    let parse = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        let is_impl =
            input.peek(Token![impl]) || input.peek(Token![unsafe]) && input.peek2(Token![impl]);
        input.parse::<TokenStream>()?;
        Ok(is_impl)
    };
    parse.parse2(item.clone()).unwrap_or_default()
}

impl HandlersImpl {
    /// Parses the block; the error means that there is none to work on.
    pub(crate) fn parse(item: TokenStream, errors: &mut Errors) -> syn::Result<Self> {
        let parse = |input: ParseStream<'_>| parse_impl(input, errors);
        parse.parse2(item)
    }

    /// The type's name as a user reads it.
    pub(crate) fn name(&self) -> String {
        types::name(&self.self_ty).unwrap_or_default()
    }

    /// The doc comment, line by line.
    pub(crate) fn docs(&self) -> String {
        signature::docs(&self.attrs)
    }

    /// Conditions that hold for the block, and so for everything generated beside it.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
    }
}

impl ToTokens for HandlersImpl {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.attrs.iter().for_each(|attr| attr.to_tokens(tokens));
        self.head.to_tokens(tokens);
        token::Brace::default().surround(tokens, |tokens| {
            self.items.iter().for_each(|item| item.to_tokens(tokens));
        });
    }
}

/// An item that can't be parsed, without the attributes that its handlers have: alone each would seem to
/// stand in the wrong place.
pub(crate) fn without_handlers(item: TokenStream) -> TokenStream {
    let mut rest = item.into_iter().peekable();
    let mut kept = TokenStream::new();
    while let Some(token) = rest.next() {
        match (token, rest.peek()) {
            (TokenTree::Punct(hash), Some(behind)) if is_handlers(&hash, behind) => {
                rest.next();
            }
            (TokenTree::Group(group), _) => {
                let mut inside = Group::new(group.delimiter(), without_handlers(group.stream()));
                inside.set_span(group.span());
                TokenTree::from(inside).to_tokens(&mut kept);
            }
            (token, _) => token.to_tokens(&mut kept),
        }
    }
    kept
}

/// Whether the two tokens are `#[rabbit_handler]`.
fn is_handlers(hash: &Punct, behind: &TokenTree) -> bool {
    let attrs = Attribute::parse_outer.parse2(quote!(#hash #behind));
    attrs.is_ok_and(|attrs| attrs.iter().any(is_rabbit_handler))
}

fn parse_impl(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<HandlersImpl> {
    let attrs = input.call(Attribute::parse_outer)?;
    let (mut stacked, attrs): (Vec<_>, _) = attrs.into_iter().partition(is_rabbit_listener);
    let mut head = TokenStream::new();
    while input.peek(Token![unsafe]) {
        input.parse::<Token![unsafe]>()?.to_tokens(&mut head);
    }
    input.parse::<Token![impl]>()?.to_tokens(&mut head);
    let generics: syn::Generics = input.parse()?;
    generics.to_tokens(&mut head);
    let mut self_ty: Type = input.parse()?;
    self_ty.to_tokens(&mut head);
    let mut of_trait = None;
    if input.peek(Token![for]) {
        input.parse::<Token![for]>()?.to_tokens(&mut head);
        of_trait = Some(self_ty.to_token_stream());
        self_ty = input.parse()?;
        self_ty.to_tokens(&mut head);
    }
    while !input.is_empty() && !input.peek(token::Brace) {
        input.parse::<TokenTree>()?.to_tokens(&mut head);
    }
    let own = SelfType::of(&self_ty);
    for attr in &mut stacked {
        if let Meta::List(list) = &mut attr.meta {
            list.tokens = own.spelled_out(std::mem::take(&mut list.tokens));
        }
    }
    let inside;
    syn::braced!(inside in input);
    let (mut items, mut handlers) = (Vec::new(), Vec::new());
    while !inside.is_empty() {
        let attrs = inside.call(Attribute::parse_outer)?;
        let (mut ours, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(is_rabbit_handler);
        let Some(attr) = ours.pop() else {
            items.push(other_item(&inside, &attrs)?);
            continue;
        };
        for second in ours {
            errors.add(&second, "a handler has one `#[rabbit_handler]`", "keep one of them");
        }
        let (method, handler) = handler(&inside, attr, attrs, &own, errors)?;
        items.push(method);
        handlers.push(handler);
    }
    let generics = (!generics.params.is_empty()).then(|| generics.params.to_token_stream());
    Ok(HandlersImpl { attrs, head, self_ty, generics, of_trait, items, stacked, handlers })
}

/// An item that is none of ours, up to its end: a `;` or a block.
fn other_item(input: ParseStream<'_>, attrs: &[Attribute]) -> syn::Result<TokenStream> {
    let mut item: TokenStream = attrs.iter().map(ToTokens::to_token_stream).collect();
    loop {
        let is_assigned = input.peek(Token![=]);
        let token: TokenTree = input.parse()?;
        let ends = match &token {
            TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        token.to_tokens(&mut item);
        if is_assigned {
            // `const X: T = Y { .. };` ends with its semicolon.
            while !input.is_empty() && !input.peek(Token![;]) {
                input.parse::<TokenTree>()?.to_tokens(&mut item);
            }
        }
        if ends || input.is_empty() {
            return Ok(item);
        }
    }
}

/// The method as it stays in the block, and the handler that it is.
fn handler(
    input: ParseStream<'_>,
    attr: Attribute,
    attrs: Vec<Attribute>,
    own: &SelfType,
    errors: &mut Errors,
) -> syn::Result<(TokenStream, Handler)> {
    let vis: Visibility = input.parse()?;
    let sig: syn::Signature = input.parse()?;
    if !input.peek(token::Brace) {
        return Err(input.error("a handler needs a body\nhelp: write `{ .. }` in place of this"));
    }
    let body = input.parse::<TokenTree>()?.into();
    let mut function =
        ListenerFn { attrs, vis, sig, body, stacked: Vec::new(), params: Vec::new() };
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = input {
            let source = parameter::source(typed, errors);
            function.params.push(Param { ty: (*typed.ty).clone(), source });
        }
    }
    let method = function.to_token_stream();
    own.spell_out_in(&mut function)?;
    let mut handler = Handler { attr, function, type_name: None, default: None };
    handler.read_attribute(errors);
    if handler.type_name.is_none() {
        handler.type_name = handler.type_of_payload();
    }
    Ok((method, handler))
}

impl Handler {
    fn read_attribute(&mut self, errors: &mut Errors) {
        let tokens = match &self.attr.meta {
            Meta::Path(_) => TokenStream::new(),
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(pair) => {
                let help = "write `#[rabbit_handler(type = \"OrderCreated\")]`";
                errors.add(pair, "expected a list", help);
                return;
            }
        };
        let (mut type_name, mut default) = (None, None);
        for entry in grammar::entries(tokens, errors) {
            match entry.name().as_str() {
                "default" => set(&mut default, &entry, switch, errors),
                "type" => set(&mut type_name, &entry, written_type, errors),
                unknown => errors.add(
                    &entry.key,
                    format!("`#[rabbit_handler]` knows no `{unknown}`"),
                    "there are `type = \"..\"` and `default`",
                ),
            }
        }
        self.type_name = type_name.map(|given| given.value);
        self.default = default.filter(|given| given.value).map(|given| given.key);
    }

    /// The name of what the body is read as, if that is a plain type.
    fn type_of_payload(&self) -> Option<(String, TokenStream)> {
        self.function.params.iter().find_map(|param| {
            let ty = match &param.source {
                Source::Payload => types::inside_option(&param.ty),
                Source::Extractor => types::body_type(&param.ty)?,
                Source::Header { .. } | Source::Mistaken => return None,
            };
            Some((types::plain_name(ty)?, ty.to_token_stream()))
        })
    }
}

impl Handler {
    /// Its type as a literal, shown at the handler.
    pub(crate) fn type_literal(&self) -> Option<LitStr> {
        self.type_name.as_ref().map(|(name, _)| LitStr::new(name, Span::call_site()))
    }
}

/// The type of `type = ".."`, and where it stands.
fn written_type(entry: &Entry, errors: &mut Errors) -> Option<(String, TokenStream)> {
    let text = value::text(entry, errors);
    let known = text.and_then(|text| Some((text.known()?.to_owned(), text.to_token_stream())));
    if known.is_none() {
        let help = "write `type = \"OrderCreated\"`, in quotes";
        errors.add(&entry.key, "the type must stand here", help);
    }
    known
}

fn is_rabbit_handler(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "rabbit_handler")
}
