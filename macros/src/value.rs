//! Values of the attribute's keys: from an expression to a typed value that keeps its place.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, ExprUnary, Lit, LitStr, UnOp};

use crate::diagnostics::Errors;
use crate::grammar::{Entry, EntryValue};
use crate::keys;

/// A text: a string literal, or the path of a `const` of type `&'static str`.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    tokens: TokenStream,
    literal: Option<String>,
}

impl Text {
    /// A text that is written at this place, or follows from what is.
    pub(crate) fn literal(text: &str, span: Span) -> Self {
        let literal = LitStr::new(text, span);
        Self { tokens: literal.to_token_stream(), literal: Some(text.to_owned()) }
    }

    /// The text, where it is written here; a constant's is unknown to a macro.
    pub(crate) fn written(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// The text as it will be at run time. `None` for a constant, and for a text with `${..}`
    /// placeholders, which are resolved when the application starts.
    pub(crate) fn known(&self) -> Option<&str> {
        self.written().filter(|text| !text.contains("${"))
    }
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.tokens.to_tokens(tokens);
    }
}

/// `concurrency = 4` or `concurrency = "2-8"`; at least 1, and never reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Concurrency {
    pub(crate) min: u16,
    pub(crate) max: u16,
}

/// The expression behind `=`; any other shape is a mistake, answered with the `example`.
pub(crate) fn assigned<'a>(
    entry: &'a Entry,
    example: &str,
    errors: &mut Errors,
) -> Option<&'a Expr> {
    if let EntryValue::Assigned(expr) = &entry.value {
        return Some(bare(expr));
    }
    errors.add(
        &entry.key,
        format!("`{}` is written with `=` and a value", entry.name()),
        format!("write `{} = {example}`", entry.name()),
    );
    None
}

/// A macro that passes a literal on wraps it in an invisible group.
pub(crate) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => bare(&group.expr),
        Expr::Paren(paren) => bare(&paren.expr),
        other => other,
    }
}

/// The name of a converter. A type is the likely mistake: elsewhere it is a bean.
pub(crate) fn converter(entry: &Entry, errors: &mut Errors) -> Option<Text> {
    let expr = assigned(entry, "\"msgpack\"", errors)?;
    if matches!(expr, Expr::Path(path) if !is_constant(path)) {
        errors.add(
            expr,
            "`converter` takes a name",
            "write `converter = \"msgpack\"`; `.converter(\"..\", ..)` of the builder names one of \
             yours",
        );
        return None;
    }
    text(entry, errors)
}

pub(crate) fn text(entry: &Entry, errors: &mut Errors) -> Option<Text> {
    let expr = assigned(entry, "\"..\"", errors)?;
    if matches!(expr, Expr::Array(_)) {
        let (name, plural) = (entry.name(), format!("{}s", entry.name()));
        let help = if keys::KEYS.contains(&plural.as_str()) {
            format!("write `{plural} = [..]`, or one string")
        } else {
            format!("write `{name} = \"..\"`")
        };
        errors.add(expr, format!("`{name}` takes one string, not a list"), help);
        return None;
    }
    text_expr(&entry.name(), expr, errors)
}

pub(crate) fn texts(entry: &Entry, errors: &mut Errors) -> Option<Vec<Text>> {
    let expr = assigned(entry, "[\"..\", \"..\"]", errors)?;
    let name = entry.name();
    let Expr::Array(array) = expr else {
        let single = name.trim_end_matches('s');
        errors.add(
            expr,
            format!("`{name}` takes a list of strings"),
            format!("write `{name} = [\"..\", \"..\"]`, or `{single} = \"..\"` for a single one"),
        );
        return None;
    };
    if array.elems.is_empty() {
        errors.add(expr, format!("`{name}` is empty"), "name at least one, or leave the key out");
        return None;
    }
    let before = errors.count();
    let texts =
        array.elems.iter().filter_map(|elem| text_expr(&name, bare(elem), errors)).collect();
    (errors.count() == before).then_some(texts)
}

pub(crate) fn text_expr(name: &str, expr: &Expr, errors: &mut Errors) -> Option<Text> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => {
            Some(Text { tokens: literal.to_token_stream(), literal: Some(literal.value()) })
        }
        Expr::Path(path) if is_constant(path) => {
            Some(Text { tokens: path.to_token_stream(), literal: None })
        }
        Expr::Path(path) => {
            let word = path.to_token_stream().to_string().replace(' ', "");
            errors.add(
                expr,
                format!("`{name}` takes a string"),
                format!("write it in quotes: `\"{word}\"`; a constant is named in upper case"),
            );
            None
        }
        _ => {
            let help = "write it in quotes, or name a constant of type `&'static str`";
            errors.add(expr, format!("`{name}` takes a string"), help);
            None
        }
    }
}

/// Whether a path follows the spelling of constants: anything else is a forgotten pair of quotes.
fn is_constant(path: &ExprPath) -> bool {
    path.path.segments.last().is_some_and(|last| {
        let word = last.ident.to_string();
        word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase)
    })
}

pub(crate) fn flag(entry: &Entry, errors: &mut Errors) -> Option<bool> {
    let expr = assigned(entry, "true", errors)?;
    if let Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) = expr {
        return Some(value.value);
    }
    let name = entry.name();
    errors.add(expr, format!("`{name}` takes true or false"), format!("write `{name} = true`"));
    None
}

/// A whole number that fits `T`; `range` is its bounds in words.
pub(crate) fn number<T: TryFrom<i128>>(
    entry: &Entry,
    range: &str,
    errors: &mut Errors,
) -> Option<T> {
    let expr = assigned(entry, "10", errors)?;
    let name = entry.name();
    let Some(value) = whole_number(expr) else {
        let help = format!("write `{name} = 10`, without quotes");
        errors.add(expr, format!("`{name}` takes a whole number"), help);
        return None;
    };
    let number = T::try_from(value).ok();
    if number.is_none() {
        let help = format!("it takes a number from {range}");
        errors.add(expr, format!("`{name}` is out of range"), help);
    }
    number
}

/// The value of an integer literal, with or without a minus; saturating, so that "far too big" is
/// out of every range.
pub(crate) fn whole_number(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => {
            Some(int.base10_digits().parse().unwrap_or(i128::MAX))
        }
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => Some(-whole_number(bare(expr))?),
        _ => None,
    }
}

/// `stream_offset = "first"`, `stream_offset = 42`.
pub(crate) fn stream_offset(entry: &Entry, errors: &mut Errors) -> Option<Text> {
    let expr = assigned(entry, "\"first\"", errors)?;
    let text = match whole_number(expr) {
        Some(number) => Text::literal(&number.to_string(), syn::spanned::Spanned::span(expr)),
        None => text_expr("stream_offset", expr, errors)?,
    };
    if text.known().is_some_and(|known| !is_stream_offset(known)) {
        errors.add(
            expr,
            "this is no place in a stream",
            "write \"first\", \"last\", \"next\", the number of an offset, a time like \
             \"2026-01-31T12:00:00Z\", or a time ago like \"1h\" (units are Y, M, D, h, m, s)",
        );
        return None;
    }
    Some(text)
}

/// Whether it looks like one; whether a day exists is seen at start.
fn is_stream_offset(text: &str) -> bool {
    let is_number = |text: &str| text.parse::<u64>().is_ok_and(|n| i64::try_from(n).is_ok());
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    matches!(text, "first" | "last" | "next")
        || is_number(text)
        || text.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']).is_some_and(is_number)
        || text.chars().map(shape).eq("0000-00-00T00:00:00Z".chars())
}

pub(crate) fn concurrency(entry: &Entry, errors: &mut Errors) -> Option<Concurrency> {
    let expr = assigned(entry, "4", errors)?;
    let parsed = match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(range), .. }) => concurrency_range(&range.value()),
        other => match whole_number(other) {
            Some(number) => consumers(number).map(|max| Concurrency { min: max, max }),
            None => {
                Err(("`concurrency` takes a number or a range".to_owned(), RANGE_HELP.to_owned()))
            }
        },
    };
    parsed.map_err(|(what, help)| errors.add(expr, what, help)).ok()
}

const RANGE_HELP: &str = "write `concurrency = 4`, or `concurrency = \"2-8\"`";

fn concurrency_range(range: &str) -> Result<Concurrency, (String, String)> {
    if range.contains("${") {
        let what = "`concurrency` is a number of this program, not a setting: no placeholder here";
        return Err((what.to_owned(), RANGE_HELP.to_owned()));
    }
    let (min, max) = range.split_once('-').unwrap_or((range, range));
    let bound = |text: &str| match text.trim().parse::<i128>() {
        Ok(number) => consumers(number),
        Err(_) => Err((format!("`{range}` is not a range of consumers"), RANGE_HELP.to_owned())),
    };
    let (min, max) = (bound(min)?, bound(max)?);
    if min > max {
        let help = format!("write `concurrency = \"{max}-{min}\"`");
        return Err((format!("the range `{range}` is reversed"), help));
    }
    Ok(Concurrency { min, max })
}

fn consumers(number: i128) -> Result<u16, (String, String)> {
    match u16::try_from(number) {
        Ok(0) => Err((
            "a listener without a consumer never hears anything".to_owned(),
            "write at least 1; `auto_startup = false` keeps a listener from starting".to_owned(),
        )),
        Ok(number) => Ok(number),
        Err(_) => Err((format!("{number} is out of range"), "the range is 1 to 65535".to_owned())),
    }
}

/// A path, for `crate = path`: not an expression's value, but its tokens.
pub(crate) fn path(entry: &Entry, errors: &mut Errors) -> Option<syn::Path> {
    let expr = assigned(entry, "::springhare", errors)?;
    if let Expr::Path(ExprPath { path, qself: None, .. }) = expr {
        return Some(path.clone());
    }
    errors.add(expr, "`crate` takes a path", "write `crate = ::springhare`, without quotes");
    None
}

/// One of a closed set of words, as a string literal.
pub(crate) fn word(
    entry: &Entry,
    words: &[&'static str],
    errors: &mut Errors,
) -> Option<&'static str> {
    let example = format!("\"{}\"", words.first().copied().unwrap_or_default());
    let expr = assigned(entry, &example, errors)?;
    let list = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let name = entry.name();
    let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = expr else {
        let help = format!("write `{name} = {example}`, in quotes; there are {list}");
        errors.add(expr, format!("`{name}` takes a string"), help);
        return None;
    };
    let text = literal.value();
    let found = words.iter().copied().find(|word| *word == text);
    if found.is_none() {
        errors.add(literal, unknown_word(&name, &text), word_help(&text, words, &list));
    }
    found
}

/// What is wrong with a word outside a closed set.
pub(crate) fn unknown_word(name: &str, text: &str) -> String {
    format!("`{name}` knows no \"{text}\"")
}

/// The way out for it.
pub(crate) fn word_help(text: &str, words: &[&str], list: &str) -> String {
    let lower = text.to_lowercase();
    match keys::closest(&lower, words).filter(|word| !word.is_empty()) {
        Some(word) => format!("did you mean \"{word}\"? There are {list}"),
        None => format!("there are {list}"),
    }
}
