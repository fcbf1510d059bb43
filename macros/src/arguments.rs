//! `arguments(..)` and `binding_arguments(..)`: AMQP field tables as literals.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitStr, Token, UnOp};

use crate::diagnostics::Errors;
use crate::grammar::{Entry, EntryValue};
use crate::value;

/// The longest name AMQP can carry: a short string's length is one byte.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// `"x-message-ttl" = 10_000`
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) name: LitStr,
    pub(crate) value: ArgumentValue,
}

/// The values a literal can express; the tokens keep their place and their spelling.
#[derive(Debug, Clone)]
pub(crate) enum ArgumentValue {
    Bool(Expr),
    Int(Expr),
    Float(Expr),
    Text(LitStr),
    /// A name alone: "the header is there, whatever its value".
    Void,
}

/// Parses the list of an entry; `None` after a mistake.
pub(crate) fn arguments(entry: &Entry, errors: &mut Errors) -> Option<Vec<Argument>> {
    let name = entry.name();
    let EntryValue::List(tokens) = &entry.value else {
        let help = format!("write `{name}(\"name\" = value, ..)`");
        errors.add(&entry.key, format!("`{name}` takes a list in parentheses"), help);
        return None;
    };
    let parsed = Punctuated::<RawArgument, Token![,]>::parse_terminated.parse2(tokens.clone());
    let raw = match parsed {
        Ok(raw) => raw,
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let before = errors.count();
    let mut list: Vec<Argument> = Vec::with_capacity(raw.len());
    for RawArgument { name, value } in raw {
        check_name(&name, &list, errors);
        if let Some(value) = typed(value, errors) {
            list.push(Argument { name, value });
        }
    }
    (errors.count() == before).then_some(list)
}

struct RawArgument {
    name: LitStr,
    value: Option<Expr>,
}

impl Parse for RawArgument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(LitStr) {
            return Err(input.error(
                "an argument's name is a string\nhelp: write `\"x-message-ttl\" = 10_000`",
            ));
        }
        let name = input.parse()?;
        let value =
            if input.parse::<Option<Token![=]>>()?.is_some() { Some(input.parse()?) } else { None };
        Ok(Self { name, value })
    }
}

fn check_name(name: &LitStr, before: &[Argument], errors: &mut Errors) {
    let text = name.value();
    if text.is_empty() {
        errors.add(name, "an argument needs a name", "write `\"x-message-ttl\" = 10_000`");
    }
    if text.len() > NAME_BYTES_MAX {
        let what = format!("the name is {} bytes long", text.len());
        errors.add(name, what, format!("shorten it: AMQP allows {NAME_BYTES_MAX}"));
    }
    if before.iter().any(|argument| argument.name.value() == text) {
        errors.add(name, format!("the argument \"{text}\" is given twice"), "keep one of them");
    }
}

fn typed(value: Option<Expr>, errors: &mut Errors) -> Option<ArgumentValue> {
    let Some(expr) = value else { return Some(ArgumentValue::Void) };
    let literal = match value::bare(&expr) {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr: inner, .. }) => value::bare(inner),
        other => other,
    };
    let Expr::Lit(ExprLit { lit, .. }) = literal else {
        return not_an_argument(&expr, errors);
    };
    match lit {
        Lit::Bool(_) => Some(ArgumentValue::Bool(expr)),
        Lit::Float(_) => Some(ArgumentValue::Float(expr)),
        Lit::Str(text) => Some(ArgumentValue::Text(text.clone())),
        Lit::Int(_) => {
            let fits = value::whole_number(value::bare(&expr)).map(i64::try_from);
            if !matches!(fits, Some(Ok(_))) {
                let help = "AMQP's integers have 64 bits and a sign";
                errors.add(&expr, "the number is out of range", help);
                return None;
            }
            Some(ArgumentValue::Int(expr))
        }
        _ => not_an_argument(&expr, errors),
    }
}

fn not_an_argument(expr: &Expr, errors: &mut Errors) -> Option<ArgumentValue> {
    errors.add(
        expr,
        "an argument's value is a literal: a number, a string, true or false",
        "declare what needs more with a `Queue` or `Binding` given to `.declare(..)`",
    );
    None
}

/// The first of the list with this name.
pub(crate) fn find<'a>(list: &'a [Argument], name: &str) -> Option<&'a Argument> {
    list.iter().find(|argument| argument.name.value() == name)
}

/// The tokens of a value that is a text or not, for messages about it.
pub(crate) fn place(argument: &Argument) -> TokenStream {
    use quote::ToTokens as _;
    match &argument.value {
        ArgumentValue::Bool(expr) | ArgumentValue::Int(expr) | ArgumentValue::Float(expr) => {
            expr.to_token_stream()
        }
        ArgumentValue::Text(text) => text.to_token_stream(),
        ArgumentValue::Void => argument.name.to_token_stream(),
    }
}
