//! The keys of `arguments(..)`: the arguments that RabbitMQ's queues have, under the names of the
//! runtime's `Queue` builder, each with a value of its own kind.

use proc_macro2::Span;
use syn::{Expr, ExprLit, Ident, Lit, LitBool, LitInt, LitStr};

use super::ArgumentValue;
use crate::diagnostics::Errors;
use crate::duration::{UNITS, millis};
use crate::keys::closest;
use crate::value;

/// One key, what AMQP calls the argument, and what it takes.
struct QueueArgument {
    key: &'static str,
    name: &'static str,
    form: Form,
}

/// What an argument takes.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A time as a text with its unit; AMQP gets milliseconds, so many at the least.
    Time { millis_min: i64 },
    /// A time as a text with its unit; AMQP gets a text with whole seconds, one at least.
    Age,
    /// A whole number.
    Number { min: i64, max: i64 },
    /// `true` or `false`, or the key alone.
    Flag,
    /// The key alone; AMQP gets this word.
    Alone(&'static str),
    /// A text, or a constant.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Ten years: the longest time that RabbitMQ takes, in milliseconds.
const MILLIS_MAX: i64 = 315_360_000_000;

const QUEUE_ARGUMENTS: &[QueueArgument] = &[
    argument("ttl", "x-message-ttl", Form::Time { millis_min: 0 }),
    argument("expires", "x-expires", Form::Time { millis_min: 1 }),
    argument("max_length", "x-max-length", Form::Number { min: 0, max: i64::MAX }),
    argument("max_length_bytes", "x-max-length-bytes", Form::Number { min: 0, max: i64::MAX }),
    argument(
        "overflow",
        "x-overflow",
        Form::Word(&["drop-head", "reject-publish", "reject-publish-dlx"]),
    ),
    argument("dead_letter", "x-dead-letter-exchange", Form::Text),
    argument("dead_letter_routing_key", "x-dead-letter-routing-key", Form::Text),
    argument(
        "dead_letter_strategy",
        "x-dead-letter-strategy",
        Form::Word(&["at-most-once", "at-least-once"]),
    ),
    argument("max_priority", "x-max-priority", Form::Number { min: 1, max: 255 }),
    argument("single_active_consumer", "x-single-active-consumer", Form::Flag),
    argument("delivery_limit", "x-delivery-limit", Form::Number { min: -1, max: 4_294_967_295 }),
    argument(
        "delayed_retry",
        "x-delayed-retry-type",
        Form::Word(&["disabled", "all", "failed", "returned"]),
    ),
    argument("delayed_retry_min", "x-delayed-retry-min", Form::Time { millis_min: 1 }),
    argument("delayed_retry_max", "x-delayed-retry-max", Form::Time { millis_min: 1 }),
    argument("consumer_timeout", "x-consumer-timeout", Form::Time { millis_min: 1 }),
    argument("queue_type", "x-queue-type", Form::Word(&["classic", "quorum", "stream"])),
    argument("lazy", "x-queue-mode", Form::Alone("lazy")),
    argument("leader_locator", "x-queue-leader-locator", Form::Word(&["client-local", "balanced"])),
    argument(
        "quorum_initial_group_size",
        "x-quorum-initial-group-size",
        Form::Number { min: 1, max: 65_535 },
    ),
    argument(
        "initial_cluster_size",
        "x-initial-cluster-size",
        Form::Number { min: 1, max: 65_535 },
    ),
    argument("max_age", "x-max-age", Form::Age),
    argument(
        "max_segment_size_bytes",
        "x-stream-max-segment-size-bytes",
        Form::Number { min: 0, max: 3_000_000_000 },
    ),
    argument("filter_size_bytes", "x-stream-filter-size-bytes", Form::Number { min: 16, max: 255 }),
];

const fn argument(key: &'static str, name: &'static str, form: Form) -> QueueArgument {
    QueueArgument { key, name, form }
}

/// The argument of this key: its name in AMQP and its value; `None` after a mistake.
pub(super) fn argument_of(
    key: &Ident,
    value: Option<&Expr>,
    errors: &mut Errors,
) -> Option<(LitStr, ArgumentValue)> {
    let word = key.to_string();
    let Some(known) = QUEUE_ARGUMENTS.iter().find(|known| known.key == word) else {
        errors.add(key, format!("a queue has no argument `{word}`"), remedy(&word));
        return None;
    };
    let value = known.value(key, value.map(value::bare), errors)?;
    Some((LitStr::new(known.name, key.span()), value))
}

fn remedy(word: &str) -> String {
    let keys: Vec<_> = QUEUE_ARGUMENTS.iter().map(|known| known.key).collect();
    let amqp = format!("x-{}", word.trim_start_matches("x_").replace('_', "-"));
    if let Some(known) = QUEUE_ARGUMENTS.iter().find(|known| known.name == amqp) {
        return format!("`{}` is written `{}` here", known.name, known.key);
    }
    match closest(word, &keys) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!(
            "the keys are {}; any other argument is given by its name, `\"{amqp}\" = ..`",
            keys.join(", ")
        ),
    }
}

impl QueueArgument {
    fn value(
        &self,
        key: &Ident,
        value: Option<&Expr>,
        errors: &mut Errors,
    ) -> Option<ArgumentValue> {
        match (self.form, value) {
            (Form::Alone(word), None) => {
                Some(ArgumentValue::Text(value::Text::literal(word, key.span())))
            }
            (Form::Alone(_), Some(value)) => {
                let help = format!("write `{}` alone", self.key);
                errors.add(value, format!("`{}` takes no value", self.key), help);
                None
            }
            (Form::Flag, None) => Some(boolean(true, key.span())),
            (form, None) => {
                let help = format!("write `{} = {}`", self.key, form.example());
                errors.add(key, format!("`{}` has no value", self.key), help);
                None
            }
            (form, Some(value)) => self.typed(form, value, errors),
        }
    }

    fn typed(&self, form: Form, value: &Expr, errors: &mut Errors) -> Option<ArgumentValue> {
        let span = syn::spanned::Spanned::span(value);
        match form {
            Form::Time { millis_min } => {
                let millis = self.milliseconds(value, millis_min, errors)?;
                Some(integer(millis, span))
            }
            Form::Age => {
                let millis = self.milliseconds(value, 1000, errors)?;
                let text = format!("{}s", millis / 1000);
                Some(ArgumentValue::Text(value::Text::literal(&text, span)))
            }
            Form::Number { min, max } => {
                let number = self.number(value, min, max, errors)?;
                Some(integer(number, span))
            }
            Form::Flag | Form::Alone(_) => {
                if let Expr::Lit(ExprLit { lit: Lit::Bool(flag), .. }) = value {
                    return Some(boolean(flag.value, flag.span));
                }
                self.wrong_type(value, "true or false", form, errors)
            }
            Form::Text => value::text_expr(self.key, value, errors).map(ArgumentValue::Text),
            Form::Word(words) => {
                let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value else {
                    return self.wrong_type(value, "a word in quotes", form, errors);
                };
                let word = text.value();
                if words.contains(&word.as_str()) {
                    let text = value::Text::literal(&word, text.span());
                    return Some(ArgumentValue::Text(text));
                }
                let list: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                let help = value::word_help(&word, words, &list.join(", "));
                errors.add(text, value::unknown_word(self.key, &word), help);
                None
            }
        }
    }

    fn wrong_type<T>(
        &self,
        value: &Expr,
        what: &str,
        form: Form,
        errors: &mut Errors,
    ) -> Option<T> {
        let help = format!("write `{} = {}`", self.key, form.example());
        errors.add(value, format!("`{}` takes {what}", self.key), help);
        None
    }

    fn number(&self, value: &Expr, min: i64, max: i64, errors: &mut Errors) -> Option<i64> {
        let form = Form::Number { min, max };
        let Some(number) = value::whole_number(value).filter(|_| has_no_suffix(value)) else {
            return self.wrong_type(value, "a whole number", form, errors);
        };
        let number = i64::try_from(number).ok().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            let help = format!("it takes a number from {min} to {max}");
            errors.add(value, format!("`{}` is out of range", self.key), help);
        }
        number
    }

    fn milliseconds(&self, value: &Expr, min: i64, errors: &mut Errors) -> Option<i64> {
        let key = self.key;
        let units = UNITS;
        let literal = match value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.value(),
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
                let (digits, suffix) = (number.base10_digits(), number.suffix());
                let unit = if suffix.is_empty() { "ms" } else { suffix };
                let help = format!("write `{key} = \"{digits}{unit}\"`; {units}");
                errors.add(value, format!("`{key}` takes a time with its unit, in quotes"), help);
                return None;
            }
            _ => return self.wrong_type(value, "a time", Form::Time { millis_min: 0 }, errors),
        };
        if literal.contains("${") {
            let help = format!("write `{key} = \"10s\"`, or declare the queue with `.declare(..)`");
            errors.add(
                value,
                format!("`{key}` is a time, not a setting: no placeholder here"),
                help,
            );
            return None;
        }
        let Some(millis) = millis(&literal) else {
            let help = format!("write a whole number and its unit, `{key} = \"10s\"`; {units}");
            errors.add(value, format!("\"{literal}\" is no time"), help);
            return None;
        };
        let fitting =
            i64::try_from(millis).ok().filter(|millis| (min..=MILLIS_MAX).contains(millis));
        if fitting.is_none() {
            let help = match min {
                0 => "it takes ten years at the most".to_owned(),
                1000 => "it takes a second at the least and ten years at the most".to_owned(),
                _ => format!("it takes {min} ms at the least and ten years at the most"),
            };
            errors.add(value, format!("`{key}` is out of range"), help);
        }
        fitting
    }
}

impl Form {
    fn example(self) -> String {
        match self {
            Self::Time { .. } => "\"10s\"".to_owned(),
            Self::Age => "\"7d\"".to_owned(),
            Self::Number { min, .. } => min.max(10).to_string(),
            Self::Flag | Self::Alone(_) => "true".to_owned(),
            Self::Text => "\"..\"".to_owned(),
            Self::Word(words) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
        }
    }
}

/// A number of Rust's may say its type; `10s` is none.
fn has_no_suffix(value: &Expr) -> bool {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.suffix().is_empty(),
        _ => true,
    }
}

fn integer(number: i64, span: Span) -> ArgumentValue {
    let literal = LitInt::new(&number.to_string(), span);
    ArgumentValue::Int(Expr::Lit(ExprLit { attrs: Vec::new(), lit: Lit::Int(literal) }))
}

fn boolean(value: bool, span: Span) -> ArgumentValue {
    let literal = LitBool::new(value, span);
    ArgumentValue::Bool(Expr::Lit(ExprLit { attrs: Vec::new(), lit: Lit::Bool(literal) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, expected) in [
            ("0ms", Some(0)),
            ("10s", Some(10_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("7d", Some(604_800_000)),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1w", None),
            ("", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
        assert_eq!(millis(&format!("{}0d", u128::MAX)), Some(u128::MAX));
    }

    #[test]
    fn what_others_call_an_argument_is_taught() {
        assert_eq!(remedy("message_ttl"), "`x-message-ttl` is written `ttl` here");
        assert_eq!(
            remedy("x_dead_letter_exchange"),
            "`x-dead-letter-exchange` is written `dead_letter` here"
        );
        assert_eq!(remedy("max_lenght"), "did you mean `max_length`?");
        assert!(remedy("wombat").ends_with("by its name, `\"x-wombat\" = ..`"));
    }
}
