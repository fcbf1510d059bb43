//! Words in braces: `key = "logs.{level}"`, taken by `Path<..>`.

use syn::Type;

use super::binding::known_kind;
use super::names::enclosed;
use crate::attr::ListenerArgs;
use crate::diagnostics::Errors;
use crate::parameter::Source;
use crate::signature::{ListenerFn, Param};
use crate::types::{self, Extractor};
use crate::value::Text;

pub(crate) fn check(attributes: &[ListenerArgs], function: &ListenerFn, errors: &mut Errors) {
    let paths: Vec<&Type> = function.params.iter().filter_map(path).collect();
    for second in paths.iter().skip(1) {
        errors.add(
            second,
            "an argument before this one takes the words of the key",
            "keep one of them: a tuple or a struct takes several words",
        );
    }
    for args in attributes {
        let mut first: Option<(&Text, Vec<String>)> = None;
        let mut is_certain = args.complete;
        for binding in args.all_bindings() {
            let kind = known_kind(binding);
            for key in binding.all_keys() {
                // A constant or a setting may hold words of its own.
                is_certain &= key.known().is_some();
                let Some(words) = words(key, errors) else {
                    is_certain = false;
                    continue;
                };
                direct(key, &words, kind, errors);
                match &first {
                    None => first = Some((key, words)),
                    Some((_, others)) => differing(key, &words, others, errors),
                }
            }
        }
        if is_certain {
            let (key, words) = first.unzip();
            let words = words.unwrap_or_default();
            match (paths.first(), key) {
                (Some(ty), Some(key)) if !words.is_empty() => arity(ty, key, &words, errors),
                (Some(ty), _) => errors.add(
                    ty,
                    "`Path` takes the words in braces of a key, and no key has any",
                    "write `key = \"logs.{level}\"`",
                ),
                (None, Some(key)) => unused(key, &words, function, errors),
                (None, None) => {}
            }
        }
    }
}

/// What a bare argument takes of the key: the type in `Path<..>`.
fn path(param: &Param) -> Option<&Type> {
    match param.source {
        Source::Extractor => types::path(&param.ty),
        Source::Payload | Source::Header { .. } | Source::Mistaken => None,
    }
}

fn direct(key: &Text, words: &[String], kind: Option<&str>, errors: &mut Errors) {
    let Some(kind) = kind.filter(|kind| !matches!(*kind, "topic") && !kind.starts_with("x-"))
    else {
        return;
    };
    if let Some(word) = words.first() {
        errors.add(
            key,
            format!("`{{{word}}}` stands for a word of a pattern, and a {kind} exchange has none"),
            "write `kind = \"topic\"`",
        );
    }
}

fn differing(key: &Text, words: &[String], others: &[String], errors: &mut Errors) {
    if words != others {
        errors.add(
            key,
            "the keys have different words in braces, and a message matches one of them",
            "write the same ones, in the same order, into every key",
        );
    }
}

fn arity(ty: &Type, key: &Text, words: &[String], errors: &mut Errors) {
    let Some(wanted) = word_count(ty).filter(|wanted| *wanted != words.len()) else {
        return;
    };
    let wanted = if wanted == 1 { "1 word".to_owned() } else { format!("{wanted} words") };
    let text = key.written().unwrap_or_default();
    let help = match words.len() {
        1 => "write `Path<String>`, or name another word in braces".to_owned(),
        n => format!("take a tuple of {n}, or a struct with {}", fields(words)),
    };
    errors.add(
        ty,
        format!("`Path` takes {wanted}, and the key \"{text}\" has {}", words.len()),
        help,
    );
}

/// What is made of one word of a key.
const WORDS: &[&str] = &[
    "String", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8",
    "u16", "u32", "u64", "u128", "usize",
];

/// How many words of a key make a value of this type; `None` for a type of the user's.
fn word_count(ty: &Type) -> Option<usize> {
    match ty {
        Type::Group(group) => word_count(&group.elem),
        Type::Paren(paren) => word_count(&paren.elem),
        Type::Tuple(tuple) => Some(tuple.elems.len()),
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => Some(1),
            _ => None,
        },
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            WORDS.contains(&last.ident.to_string().as_str()).then_some(1)
        }
        _ => None,
    }
}

fn fields(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn unused(key: &Text, words: &[String], function: &ListenerFn, errors: &mut Errors) {
    let may_take = |param: &Param| match param.source {
        Source::Extractor => Extractor::of(&param.ty) == Extractor::Unknown,
        Source::Mistaken => true,
        Source::Payload | Source::Header { .. } => false,
    };
    if let Some(word) = words.first()
        && !function.params.iter().any(may_take)
    {
        errors.add(
            key,
            format!("nobody takes `{{{word}}}`"),
            format!("take it, `Path({word}): Path<String>`, or write `*`"),
        );
    }
}

/// The names in braces; `None` if the text is not known, or there is a mistake in it.
fn words(key: &Text, errors: &mut Errors) -> Option<Vec<String>> {
    let text = without_placeholders(key.written()?)?;
    let mut names: Vec<String> = Vec::new();
    for word in text.split('.').filter(|word| word.contains(['{', '}'])) {
        let inside = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(name) = inside.filter(|name| !name.contains(['{', '}'])) else {
            let (what, help) = if word.matches('{').count() == word.matches('}').count() {
                (format!("braces stand for a whole word: in `{word}` there is more"), WHOLE_WORD)
            } else {
                (format!("the braces of `{word}` are not a pair"), "write `logs.{level}`")
            };
            errors.add(key, what, help);
            return None;
        };
        if syn::parse_str::<syn::Ident>(name).is_err() {
            errors.add(
                key,
                format!("the braces of `{word}` do not hold a name"),
                "a name is like a field's: `logs.{level}`",
            );
            return None;
        }
        if names.iter().any(|known| known == name) {
            errors.add(key, format!("`{word}` stands twice"), "give the words names of their own");
            return None;
        }
        names.push(name.to_owned());
    }
    Some(names)
}

const WHOLE_WORD: &str = "words are separated by dots: write `logs.{level}`";

/// The text with a letter for each `${..}`; `None` if one does not end, which is reported elsewhere.
fn without_placeholders(text: &str) -> Option<String> {
    let mut bare = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        bare.push_str(before);
        bare.push('x');
        rest = enclosed(behind)?.1;
    }
    bare.push_str(rest);
    Some(bare)
}
