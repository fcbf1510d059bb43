//! `${name}` and `${name:default}` in the texts of a listener's attributes.
//!
//! A name is looked up among the builder's properties, then in the environment as it is, then
//! in the environment in capitals with `_` for every other character (`app.queue` becomes
//! `APP_QUEUE`), then among the file's `[properties]`. `$${` is a `${` that is no placeholder.

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
        let mut rest = text;
        let mut resolved = String::new();
        while let Some((before, placeholder)) = rest.split_once("${") {
            if before.ends_with('$') {
                resolved.push_str(before);
                resolved.push('{');
                rest = placeholder;
                continue;
            }
            let Some((inside, after)) = placeholder.split_once('}') else {
                return Err(PlaceholderError::Unclosed);
            };
            resolved.push_str(before);
            resolved.push_str(&self.value(inside)?);
            rest = after;
        }
        if resolved.is_empty() && rest.len() == text.len() {
            return Ok(Cow::Borrowed(text));
        }
        resolved.push_str(rest);
        Ok(Cow::Owned(resolved))
    }

    fn value(&self, inside: &str) -> Result<String, PlaceholderError> {
        let (name, default) = match inside.split_once(':') {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let variable = variable_of(name);
        self.properties
            .get(name)
            .cloned()
            .or_else(|| (self.environment)(name))
            .or_else(|| (self.environment)(&variable))
            .or_else(|| self.weakest?.get(name).cloned())
            .or_else(|| default.map(str::to_owned))
            .ok_or_else(|| PlaceholderError::NoValue { name: name.to_owned(), variable })
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
        assert!(matches!(resolve("${app"), Err(PlaceholderError::Unclosed)));
    }
}
