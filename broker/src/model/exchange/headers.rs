//! The headers exchange: a binding's arguments are wanted headers, and `x-match` says whether
//! all or any of them must be there.
//!
//! `all` and `any` overlook names that start with `x-`; `all-with-x` and `any-with-x` don't. An
//! argument without a value wants the header whatever its value is. No wanted header at all is
//! matched by `all` and never by `any`. The routing key means nothing.

use std::sync::Arc;

use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::Found;
use super::destinations::{Destinations, Target};
use crate::model::arguments::ArgumentError;
use crate::model::binding::{ArgumentsIdentity, Binding};
use crate::model::erlang::{Term, same_value};
use crate::model::small_map::SmallMap;

/// The bindings of a headers exchange, those with equal arguments together.
#[derive(Debug, Clone)]
pub(crate) struct Headers<Q>(SmallMap<ArgumentsIdentity, Group<Q>>);

#[derive(Debug, Clone)]
struct Group<Q> {
    wanted: Wanted,
    destinations: Destinations<Q>,
}

/// What a binding asks of the headers.
#[derive(Debug, Clone)]
struct Wanted {
    how_many: HowMany,
    /// Names, with the values that they must have, if any.
    headers: Arc<[(ShortString, Option<FieldValue>)]>,
}

#[derive(Debug, Clone, Copy)]
enum HowMany {
    All,
    Any,
}

impl<Q> Default for Headers<Q> {
    fn default() -> Self {
        Self(SmallMap::default())
    }
}

impl<Q: Clone> Headers<Q> {
    pub(crate) fn add(&mut self, binding: &Binding, target: Target<Q>) {
        let group = || Group {
            wanted: Wanted::from_arguments(binding.arguments()),
            destinations: Destinations::default(),
        };
        self.0
            .get_or_insert_with(binding.arguments_identity().clone(), group)
            .destinations
            .add(binding.destination(), target);
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        if let Some(group) = self.0.get_mut(binding.arguments_identity()) {
            group.destinations.remove(binding.destination());
            if group.destinations.is_empty() {
                self.0.remove(binding.arguments_identity());
            }
        }
    }

    pub(crate) fn matching<'t>(&'t self, headers: Option<&FieldTable>, found: &mut Found<'t, Q>) {
        let groups = self.0.iter().map(|(_, group)| group);
        found.extend(
            groups
                .filter(|group| group.wanted.is_matched_by(headers))
                .map(|group| &group.destinations),
        );
    }
}

impl Wanted {
    fn from_arguments(arguments: &FieldTable) -> Self {
        let (how_many, with_x) = match arguments.get("x-match").and_then(FieldValue::as_str) {
            Some("any") => (HowMany::Any, false),
            Some("any-with-x") => (HowMany::Any, true),
            Some("all-with-x") => (HowMany::All, true),
            _ => (HowMany::All, false),
        };
        let headers = arguments
            .iter()
            .filter(|(name, _)| name.as_str() != "x-match" && (with_x || !name.starts_with("x-")))
            .map(|(name, value)| {
                let value = Some(value).filter(|value| **value != FieldValue::Void);
                (name.clone(), value.cloned())
            })
            .collect();
        Self { how_many, headers }
    }

    fn is_matched_by(&self, headers: Option<&FieldTable>) -> bool {
        let is_there = |(name, wanted): &(ShortString, Option<FieldValue>)| {
            headers
                .and_then(|headers| headers.get(name))
                .is_some_and(|value| wanted.as_ref().is_none_or(|wanted| same_value(wanted, value)))
        };
        match self.how_many {
            HowMany::All => self.headers.iter().all(is_there),
            HowMany::Any => self.headers.iter().any(is_there),
        }
    }
}

/// Checks the arguments of a binding from a headers exchange.
///
/// # Errors
///
/// An `x-match` that is none of the four.
pub(crate) fn validate_binding_arguments(arguments: &FieldTable) -> Result<(), ArgumentError> {
    match arguments.get("x-match") {
        None => Ok(()),
        Some(value @ FieldValue::LongString(_)) => match value.as_str() {
            Some("all" | "any" | "all-with-x" | "any-with-x") => Ok(()),
            _ => Err(ArgumentError::new(format!(
                "Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x",
                Term(value)
            ))),
        },
        Some(value) => Err(ArgumentError::new(format!(
            "Invalid x-match field type {} (value {}); expected longstr",
            value.type_name(),
            Term(value)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
        entries
            .iter()
            .map(|(name, value)| (ShortString::new(name).unwrap(), value.clone()))
            .collect()
    }

    fn matched(arguments: &[(&str, FieldValue)], headers: &[(&str, FieldValue)]) -> bool {
        Wanted::from_arguments(&table(arguments)).is_matched_by(Some(&table(headers)))
    }

    #[test]
    fn all_wants_every_header_and_any_wants_one() {
        let wanted = |how: &str| [("x-match", how.into()), ("a", 1.into()), ("b", "x".into())];
        for (headers, all, any) in [
            (&[("a", 1.into()), ("b", "x".into()), ("c", 2.into())][..], true, true),
            (&[("a", 1.into())], false, true),
            (&[("a", 2.into()), ("b", "x".into())], false, true),
            (&[("a", 2.into()), ("b", "y".into())], false, false),
            (&[], false, false),
        ] {
            assert_eq!(matched(&wanted("all"), headers), all, "{headers:?}");
            assert_eq!(matched(&wanted("any"), headers), any, "{headers:?}");
            assert_eq!(matched(&wanted("all")[1..], headers), all, "all is the default");
        }
    }

    #[test]
    fn names_with_x_count_only_where_asked_for() {
        let with = |how: &str| [("x-match", how.into()), ("x-a", 1.into())];
        assert!(matched(&with("all"), &[]));
        assert!(!matched(&with("any"), &[("x-a", 1.into())]));
        assert!(!matched(&with("all-with-x"), &[]));
        assert!(matched(&with("all-with-x"), &[("x-a", 1.into())]));
        assert!(matched(&with("any-with-x"), &[("x-a", 1.into())]));
        assert!(!matched(&with("any-with-x"), &[("x-match", "any-with-x".into())]));
    }

    #[test]
    fn nothing_wanted_is_matched_by_all_and_never_by_any() {
        assert!(Wanted::from_arguments(&table(&[])).is_matched_by(None));
        assert!(matched(&[("x-match", "all".into())], &[("a", 1.into())]));
        assert!(!matched(&[("x-match", "any".into())], &[("a", 1.into())]));
    }

    #[test]
    fn void_wants_presence_and_widths_do_not_matter() {
        assert!(matched(&[("a", FieldValue::Void)], &[("a", "whatever".into())]));
        assert!(!matched(&[("a", FieldValue::Void)], &[("b", 1.into())]));
        assert!(matched(&[("a", 1i64.into())], &[("a", 1u8.into())]));
        assert!(matched(&[("a", 1i64.into())], &[("a", 1.0f32.into())]));
        assert!(!matched(&[("a", "1".into())], &[("a", 1.into())]));
    }

    #[test]
    fn an_x_match_of_another_kind_is_refused_with_rabbitmqs_text() {
        let refused = |value: FieldValue| {
            validate_binding_arguments(&table(&[("x-match", value)])).unwrap_err().to_string()
        };
        assert_eq!(
            refused("some".into()),
            "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or \
             any-with-x"
        );
        assert_eq!(
            refused(1.into()),
            "Invalid x-match field type signedint (value 1); expected longstr"
        );
        for how in ["all", "any", "all-with-x", "any-with-x"] {
            assert!(validate_binding_arguments(&table(&[("x-match", how.into())])).is_ok());
        }
    }
}
