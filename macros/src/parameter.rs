//! `#[payload]` and `#[header("name", default = ..)]`, the Spring-like sugar on parameters.

use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, Ident, LitStr, Meta, PatType, Token, Type};

use crate::arguments::NAME_BYTES_MAX;
use crate::diagnostics::Errors;
use crate::types::Extractor;

/// Where an argument comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A bare type is an extractor.
    Extractor,
    /// `#[payload] order: Order`: the body, converted by its content type.
    Payload,
    /// `#[header("x-id", default = 0)] id: i32`
    Header { name: LitStr, default: Option<Box<Expr>> },
    /// Wrongly described, and reported.
    Mistaken,
}

/// Takes our attributes off a parameter.
pub(crate) fn source(param: &mut PatType, errors: &mut Errors) -> Source {
    let all = std::mem::take(&mut param.attrs);
    let (ours, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(is_ours);
    param.attrs = rest;
    check_conditions(param, errors);
    let mut ours = ours.into_iter();
    let Some(attr) = ours.next() else { return Source::Extractor };
    if let Some(second) = ours.next() {
        errors.add(&second, "an argument comes from one place", "keep one of the two attributes");
        return Source::Mistaken;
    }
    if attr.path().is_ident("payload") {
        payload(&attr, param, errors)
    } else if attr.path().is_ident("headers") {
        let help = "write `headers: Headers`, without an attribute";
        errors.add(&attr, "there is no `#[headers]`", help);
        Source::Mistaken
    } else {
        header(&attr, errors)
    }
}

fn is_ours(attr: &Attribute) -> bool {
    ["payload", "header", "headers"].iter().any(|name| attr.path().is_ident(name))
}

/// A parameter that is sometimes there would need an expansion for each case.
fn check_conditions(param: &PatType, errors: &mut Errors) {
    for attr in &param.attrs {
        if attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr") {
            let help = "put `#[cfg(..)]` on the whole function, once for each case";
            errors.add(attr, "a listener's parameters cannot be conditional", help);
        }
    }
}

fn payload(attr: &Attribute, param: &PatType, errors: &mut Errors) -> Source {
    if !matches!(attr.meta, Meta::Path(_)) {
        let help = "write `#[payload]`; make the type an `Option<..>` for a body that may be empty";
        errors.add(attr, "`#[payload]` takes nothing", help);
        return Source::Mistaken;
    }
    let borrowed = matches!(*param.ty, Type::Reference(_));
    let extractor = matches!(Extractor::of(&param.ty), Extractor::Payload | Extractor::DeliveryTag);
    if extractor && !borrowed {
        let help = "leave `#[payload]` out, or write the type of the body itself";
        errors.add(attr, "this type is an extractor already", help);
        return Source::Mistaken;
    }
    Source::Payload
}

fn header(attr: &Attribute, errors: &mut Errors) -> Source {
    let parsed = match &attr.meta {
        Meta::List(list) => list.parse_args::<HeaderArgs>(),
        _ => Err(syn::Error::new_spanned(attr, HEADER_NAME)),
    };
    match parsed {
        Ok(HeaderArgs { name, default }) => {
            let length = name.value().len();
            if length == 0 || length > NAME_BYTES_MAX {
                let help = format!("a header's name has 1 to {NAME_BYTES_MAX} bytes");
                errors.add(&name, format!("the header's name is {length} bytes long"), help);
            }
            Source::Header { name, default }
        }
        Err(error) => {
            errors.push(error);
            Source::Mistaken
        }
    }
}

const HEADER_NAME: &str = "`#[header]` needs the header's name\nhelp: write `#[header(\"x-id\")]`";

const HEADER_OPTION: &str =
    "behind the header's name stands `default`\nhelp: write `#[header(\"x-id\", default = 0)]`";

const NO_DEFAULT: &str = "`default` has no value\nhelp: write `default = 0`; without a default a header is optional as `Option<..>`";

struct HeaderArgs {
    name: LitStr,
    default: Option<Box<Expr>>,
}

impl Parse for HeaderArgs {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(LitStr) {
            return Err(input.error(HEADER_NAME));
        }
        let name = input.parse()?;
        let mut default = None;
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            if !input.peek(Ident::peek_any) {
                return Err(input.error(HEADER_OPTION));
            }
            let option = input.call(Ident::parse_any)?;
            if option != "default" || default.is_some() {
                return Err(syn::Error::new_spanned(&option, option_message(&option)));
            }
            let assigned = input.parse::<Option<Token![=]>>()?;
            if assigned.is_none() || input.is_empty() || input.peek(Token![,]) {
                return Err(syn::Error::new_spanned(&option, NO_DEFAULT));
            }
            default = Some(Box::new(input.parse()?));
        }
        if !input.is_empty() {
            return Err(input.error("expected a comma\nhelp: write `default = ..` behind it"));
        }
        Ok(Self { name, default })
    }
}

fn option_message(option: &Ident) -> String {
    if option == "default" {
        "`default` is given twice\nhelp: keep one of them".to_owned()
    } else if option == "required" {
        "a header is optional by its type\nhelp: write `Option<..>` as the argument's type"
            .to_owned()
    } else {
        format!("`#[header]` knows no `{option}`\nhelp: write `#[header(\"x-id\", default = 0)]`")
    }
}
