//! The variables of the environment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

/// The variables that settings and placeholders are looked up in.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// None for a value that is not Unicode.
    variables: BTreeMap<String, Option<String>>,
}

impl Environment {
    /// Those of the process.
    pub(crate) fn of_process() -> Self {
        let text = |text: OsString| text.into_string().ok();
        let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value))));
        Self { variables: variables.collect() }
    }

    /// These alone.
    pub(crate) fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name, Some(value)));
        Self { variables: variables.collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned().flatten()
    }

    /// The variables whose names begin so: the rest of the name, the name and the value.
    pub(super) fn beginning<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str, Option<&'a str>)> {
        let rest = move |(name, value): (&'a String, &'a Option<String>)| {
            Some((name.strip_prefix(prefix)?, name.as_str(), value.as_deref()))
        };
        self.variables.iter().filter_map(rest)
    }
}

/// Not the values: a variable may hold a password.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("variables", &self.variables.len()).finish()
    }
}
