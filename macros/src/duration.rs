//! Times with a unit: `"200ms"`, `"10s"`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, Lit};

use crate::diagnostics::Errors;
use crate::grammar::Entry;
use crate::value;

/// What a time may be written in.
pub(crate) const UNITS: &str = "units are ms, s, m, h and d";
/// The longest that makes sense here: ten years.
const MILLIS_MAX: u128 = 315_360_000_000;

/// `batch_timeout = "200ms"`.
pub(crate) fn duration(entry: &Entry, errors: &mut Errors) -> Option<Duration> {
    let expr = value::assigned(entry, "\"10s\"", errors)?;
    duration_expr(&entry.name(), expr, errors)
}

/// The same for a value that stands elsewhere, under the name `key`.
pub(crate) fn duration_expr(key: &str, expr: &Expr, errors: &mut Errors) -> Option<Duration> {
    let text = match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.value(),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            let (digits, suffix) = (number.base10_digits(), number.suffix());
            let unit = if suffix.is_empty() { "ms" } else { suffix };
            let help = format!("write `{key} = \"{digits}{unit}\"`; {UNITS}");
            errors.add(expr, format!("`{key}` takes a time with its unit, in quotes"), help);
            return None;
        }
        _ => {
            let help = format!("write `{key} = \"10s\"`; {UNITS}");
            errors.add(expr, format!("`{key}` takes a time"), help);
            return None;
        }
    };
    let Some(millis) = millis(&text) else {
        let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let (what, example) = if is_number {
            (format!("\"{text}\" has no unit"), format!("{text}ms"))
        } else {
            (format!("\"{text}\" is no time"), "10s".to_owned())
        };
        errors.add(expr, what, format!("write `{key} = \"{example}\"`; {UNITS}"));
        return None;
    };
    if millis > MILLIS_MAX {
        errors.add(expr, format!("`{key}` is out of range"), "it takes ten years at the most");
        return None;
    }
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// A whole number and its unit; saturating, so that "far too long" is out of every range.
pub(crate) fn millis(text: &str) -> Option<u128> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let unit: u128 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    if number.is_empty() {
        return None;
    }
    Some(number.parse::<u128>().unwrap_or(u128::MAX).saturating_mul(unit))
}

/// The time in the record.
pub(crate) fn tokens(duration: Duration) -> TokenStream {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}
