//! `${name}` and `${name:default}` in the texts of a listener's attributes.
//!
//! A name is looked up among the builder's properties, then in the environment as it is, then
//! in the environment in capitals with `_` for every other character (`app.queue` becomes
//! `APP_QUEUE`), then among the file's `[properties]`. `$${` is a `${` that is no placeholder.
//!
//! Names, defaults and the file's properties may have placeholders themselves, as in Spring; what
//! the builder and the environment say is taken as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Why a placeholder has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceholderError {
    #[error(
        "`${{{name}}}` has no value: give it a default, `${{{name}:...}}`, set it on the builder \
         with `.property(\"{name}\", ..)` or in springhare.toml below `[properties]`, or set the \
         environment variable `{variable}`"
    )]
    NoValue { name: String, variable: String },
    /// Without the text, which may be a password.
    #[error("a `${{` has no `}}`; close it, or write `$${{` for one that is no placeholder")]
    Unclosed,
    #[error("`${{{name}}}` is made of itself; give it a value without `${{{name}}}`")]
    Circular { name: String },
}

/// Where placeholders get their values from.
#[derive(Clone, Copy)]
pub(crate) struct Placeholders<'a> {
    properties: &'a BTreeMap<String, String>,
    environment: &'a dyn Fn(&str) -> Option<String>,
    /// The file's.
    weakest: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Placeholders<'a> {
    pub(crate) fn new(
        properties: &'a BTreeMap<String, String>,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self { properties, environment, weakest: None }
    }

    /// The same, with these properties beneath the environment.
    pub(crate) fn over(self, weakest: &'a BTreeMap<String, String>) -> Self {
        Self { weakest: Some(weakest), ..self }
    }

    /// Puts the values in; a text without placeholders is returned as it is.
    pub(crate) fn resolve<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, PlaceholderError> {
        if text.contains("${") {
            self.resolve_within(text, &mut Vec::new()).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(text))
        }
    }

    /// The same of a text that these properties, each in the one before, have led to.
    fn resolve_within(
        &self,
        text: &str,
        outer: &mut Vec<String>,
    ) -> Result<String, PlaceholderError> {
        let mut rest = text;
        let mut resolved = String::new();
        while let Some((before, placeholder)) = rest.split_once("${") {
            resolved.push_str(before);
            if before.ends_with('$') {
                resolved.push('{');
                rest = placeholder;
                continue;
            }
            let (inside, after) = enclosed(placeholder).ok_or(PlaceholderError::Unclosed)?;
            resolved.push_str(&self.value(inside, outer)?);
            rest = after;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    fn value(&self, inside: &str, outer: &mut Vec<String>) -> Result<String, PlaceholderError> {
        let (name, default) = name_and_default(inside);
        let name = self.resolve_within(name, outer)?;
        let variable = variable_of(&name);
        let plain = self.properties.get(&name).cloned();
        let plain = plain.or_else(|| (self.environment)(&name));
        if let Some(value) = plain.or_else(|| (self.environment)(&variable)) {
            return Ok(value);
        }
        if let Some(value) = self.weakest.and_then(|properties| properties.get(&name)) {
            if outer.contains(&name) {
                return Err(PlaceholderError::Circular { name });
            }
            outer.push(name);
            let resolved = self.resolve_within(value, outer);
            outer.pop();
            return resolved;
        }
        match default {
            Some(default) => self.resolve_within(default, outer),
            None => Err(PlaceholderError::NoValue { name, variable }),
        }
    }
}

/// What stands before the `}` that closes a placeholder, and behind it.
fn enclosed(placeholder: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, character) in placeholder.char_indices() {
        match character {
            '{' if !placeholder.get(..at)?.ends_with("$$") => depth += 1,
            '}' if depth == 0 => return Some((placeholder.get(..at)?, placeholder.get(at + 1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A placeholder's name, and its default behind the first `:` that stands in no other.
fn name_and_default(inside: &str) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    let colon = inside.find(|character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ':' && depth == 0
    });
    match colon.and_then(|at| inside.split_at_checked(at)) {
        Some((name, default)) => (name, default.get(1..)),
        None => (inside, None),
    }
}

/// The environment variable of a property: `app.queue-name` is `APP_QUEUE_NAME`.
fn variable_of(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "app.exact" => Some("exact".to_owned()),
            "APP_QUEUE_NAME" => Some("capitals".to_owned()),
            _ => None,
        }
    }

    fn resolve(text: &str) -> Result<String, PlaceholderError> {
        let properties = BTreeMap::from([("app.own".to_owned(), "own".to_owned())]);
        Placeholders::new(&properties, &environment).resolve(text).map(Cow::into_owned)
    }

    #[test]
    fn the_builder_then_the_environment_then_the_default() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("${app.own:x}", "own"),
            ("${app.exact:x}", "exact"),
            ("${app.queue-name:x}", "capitals"),
            ("${app.none:x}", "x"),
            ("${app.none:}", ""),
            ("a.${app.own}.${app.none:b:c}.d", "a.own.b:c.d"),
            ("s3cr$${et", "s3cr${et"),
            ("$${app.own}", "${app.own}"),
            ("$${${app.own}", "${own"),
            ("${app.none:${app.nor.this:${app.own}-x}}.y", "own-x.y"),
            ("${app.${app.none:own}:x}", "own"),
            ("${app.own:${app.none}}", "own"),
            ("${app.none:{}}", "{}"),
            ("${app.own:{}}", "own"),
            ("${app.none:$${}.${app.own}", "${.own"),
        ] {
            assert_eq!(resolve(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_without_a_value_tells_the_remedies() {
        let error = resolve("${app.none}").unwrap_err().to_string();
        for remedy in ["${app.none:...}", ".property(\"app.none\", ..)", "`APP_NONE`"] {
            assert!(error.contains(remedy), "{error}");
        }
        for text in ["${app", "${app.none:${app.own}"] {
            assert!(matches!(resolve(text), Err(PlaceholderError::Unclosed)), "{text}");
        }
    }

    #[test]
    fn properties_of_the_file_have_placeholders_and_others_are_taken_as_they_are() {
        let of_file =
            [("orders", "${region:eu}-orders"), ("a", "${b}"), ("b", "x${c}"), ("c", "${a}")];
        let of_file = of_file.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let own = BTreeMap::from([("secret".to_owned(), "s3cr${et".to_owned())]);
        let placeholders = Placeholders::new(&own, &environment).over(&of_file);
        assert_eq!(placeholders.resolve("${orders}").unwrap(), "eu-orders");
        assert_eq!(placeholders.resolve("${secret}").unwrap(), "s3cr${et");
        let circular = placeholders.resolve("${b}").unwrap_err();
        assert_eq!(circular, PlaceholderError::Circular { name: "b".to_owned() });
    }
}
