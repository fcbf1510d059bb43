//! `arguments(..)`, `binding_arguments(..)` and `consumer_arguments(..)`: AMQP field tables as literals.
//!
//! All take an argument by its name in AMQP, with any literal as its value; those of a queue have
//! keys of their own as well, whose values are checked.

mod queue;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, LitStr, Token, UnOp};

use crate::diagnostics::Errors;
use crate::grammar::{Entry, EntryValue};
use crate::value::{self, Text};

/// The longest name AMQP can carry: a short string's length is one byte.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// `"x-message-ttl" = 10_000`, or `ttl = "10s"`.
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
    Text(Text),
    /// A name alone: "the header is there, whatever its value".
    Void,
}

/// A queue's arguments: by keys or by their names in AMQP.
pub(crate) fn queue_arguments(entry: &Entry, errors: &mut Errors) -> Option<Vec<Argument>> {
    arguments(entry, "ttl = \"10s\"", queue::argument_of, errors)
}

/// A binding's arguments: by their names in AMQP.
pub(crate) fn binding_arguments(entry: &Entry, errors: &mut Errors) -> Option<Vec<Argument>> {
    let no_keys: KeyedArgument = |key, _, errors| {
        let help = format!("write `\"{key}\" = ..`, in quotes");
        errors.add(key, "the name of a binding's argument is a string", help);
        None
    };
    arguments(entry, "\"name\" = value", no_keys, errors)
}

/// A consumer's arguments: by their names in AMQP, but for those that are keys of the attribute.
pub(crate) fn consumer_arguments(entry: &Entry, errors: &mut Errors) -> Option<Vec<Argument>> {
    let no_keys: KeyedArgument = |key, _, errors| {
        let written = key.to_string();
        match OWN_KEYS.iter().find(|own| own.key == written) {
            Some(own) => own.refuse(key, errors),
            None => {
                let help = format!("write `\"{key}\" = ..`, in quotes");
                errors.add(key, "the name of a consumer's argument is a string", help);
            }
        }
        None
    };
    let list = arguments(entry, "\"x-own\" = true", no_keys, errors)?;
    let before = errors.count();
    for argument in &list {
        if let Some(own) = OWN_KEYS.iter().find(|own| own.name == argument.name.value()) {
            own.refuse(&argument.name, errors);
        }
    }
    (errors.count() == before).then_some(list)
}

/// A consumer's argument that the attribute has a key for.
struct OwnKey {
    name: &'static str,
    key: &'static str,
    help: &'static str,
}

const OWN_KEYS: [OwnKey; 2] = [
    OwnKey {
        name: "x-priority",
        key: "priority",
        help: "write `priority = 10` beside `consumer_arguments(..)`",
    },
    OwnKey {
        name: "x-stream-offset",
        key: "stream_offset",
        help: "write `stream_offset = \"first\"` beside `consumer_arguments(..)`",
    },
];

impl OwnKey {
    fn refuse(&self, place: &impl ToTokens, errors: &mut Errors) {
        errors.add(place, format!("the argument `{}` has a key of its own", self.name), self.help);
    }
}

/// What a key and its value stand for.
type KeyedArgument = fn(&Ident, Option<&Expr>, &mut Errors) -> Option<(LitStr, ArgumentValue)>;

/// Parses the list of an entry; `None` after a mistake.
fn arguments(
    entry: &Entry,
    example: &str,
    keyed: KeyedArgument,
    errors: &mut Errors,
) -> Option<Vec<Argument>> {
    let name = entry.name();
    let EntryValue::List(tokens) = &entry.value else {
        let help = format!("write `{name}({example}, ..)`");
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
        let (name, value) = match name {
            ArgumentName::Amqp(name) => {
                check_name(&name, errors);
                (name, typed(value, errors))
            }
            ArgumentName::Key(key) => match keyed(&key, value.as_ref(), errors) {
                Some((name, value)) => (name, Some(value)),
                None => continue,
            },
        };
        check_twice(&name, &list, errors);
        if let Some(value) = value {
            list.push(Argument { name, value });
        }
    }
    (errors.count() == before).then_some(list)
}

struct RawArgument {
    name: ArgumentName,
    value: Option<Expr>,
}

enum ArgumentName {
    /// `"x-message-ttl"`
    Amqp(LitStr),
    /// `ttl`
    Key(Ident),
}

impl Parse for RawArgument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = if input.peek(LitStr) {
            ArgumentName::Amqp(input.parse()?)
        } else if input.peek(Ident::peek_any) {
            ArgumentName::Key(input.call(Ident::parse_any)?)
        } else {
            return Err(input.error(
                "expected an argument\nhelp: write its name in AMQP, `\"x-message-ttl\" = 10_000`, \
                 or a queue's by its key, `ttl = \"10s\"`",
            ));
        };
        let value =
            if input.parse::<Option<Token![=]>>()?.is_some() { Some(input.parse()?) } else { None };
        Ok(Self { name, value })
    }
}

fn check_name(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    if text.is_empty() {
        errors.add(name, "an argument needs a name", "write `\"x-message-ttl\" = 10_000`");
    }
    if text.len() > NAME_BYTES_MAX {
        let what = format!("the name is {} bytes long", text.len());
        errors.add(name, what, format!("shorten it: AMQP allows {NAME_BYTES_MAX}"));
    }
}

fn check_twice(name: &LitStr, before: &[Argument], errors: &mut Errors) {
    let text = name.value();
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
        Lit::Str(text) => Some(ArgumentValue::Text(Text::literal(&text.value(), text.span()))),
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
    match &argument.value {
        ArgumentValue::Bool(expr) | ArgumentValue::Int(expr) | ArgumentValue::Float(expr) => {
            expr.to_token_stream()
        }
        ArgumentValue::Text(text) => text.to_token_stream(),
        ArgumentValue::Void => argument.name.to_token_stream(),
    }
}
