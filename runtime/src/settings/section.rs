//! How a table of settings is written down: one line for each key.

use super::source::Source;
use super::value::{Value, Wrong};

/// The settings of one table, each of which may be absent.
pub(crate) trait Section: Default + Sized {
    /// The keys, as a file has them.
    const KEYS: &'static [&'static str];

    /// Sets the value of a key, which is one of [`KEYS`](Self::KEYS).
    fn set(&mut self, key: &str, value: &Value, source: &Source) -> Result<(), Wrong>;

    /// These settings, but for those that the stronger ones say.
    #[must_use]
    fn under(self, stronger: Self) -> Self;

    /// The keys that have a value.
    fn given(&self) -> Vec<&'static str>;
}

/// The key that is meant, however it is written: `auto-startup`, `auto_startup`, `autoStartup`.
pub(crate) fn known_key<S: Section>(written: &str) -> Option<&'static str> {
    let written = uniform(written);
    S::KEYS.iter().copied().find(|key| uniform(key) == written)
}

/// A name without what Spring Boot, too, takes for decoration: case, `-` and `_`.
pub(crate) fn uniform(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// A name as it can stand in the environment's: letters and digits alone.
pub(crate) fn bare(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// A struct of settings. One line is one key: `field: Type = "key-in-the-file",`, of a type that
/// is a [`Setting`](super::value::Setting). With `setters`, each is also a public method of
/// that name, which takes the type, or whatever becomes one where it says `as into`.
macro_rules! section {
    (
        $(#[$meta:meta])* $vis:vis struct $Name:ident setters {
            $($(#[$doc:meta])* $field:ident: $type:ty $(as $into:ident)? = $key:literal,)*
        }
    ) => {
        $crate::settings::section::section! {
            $(#[$meta])* $vis struct $Name { $($(#[$doc])* $field: $type = $key,)* }
        }
        impl $Name {
            $($crate::settings::section::setter! {
                $(#[$doc])* $field: $type $(, $into)?
            })*
        }
    };
    (
        $(#[$meta:meta])* $vis:vis struct $Name:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty = $key:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        $vis struct $Name {
            $(pub(crate) $field: Option<$type>,)*
        }
        impl $crate::settings::section::Section for $Name {
            const KEYS: &'static [&'static str] = &[$($key),*];

            fn set(
                &mut self,
                key: &str,
                value: &$crate::settings::value::Value,
                source: &$crate::settings::source::Source,
            ) -> Result<(), $crate::settings::value::Wrong> {
                match key {
                    $($key => {
                        self.$field = Some($crate::settings::value::Setting::read(value, source)?);
                    })*
                    _ => {}
                }
                Ok(())
            }

            fn under(self, stronger: Self) -> Self {
                Self { $($field: stronger.$field.or(self.$field),)* }
            }

            fn given(&self) -> Vec<&'static str> {
                let keys = [$(self.$field.as_ref().map(|_| $key)),*];
                keys.into_iter().flatten().collect()
            }
        }
    };
}

/// The builder's method for one key.
macro_rules! setter {
    ($(#[$doc:meta])* $field:ident: $type:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, value: $type) -> Self {
            self.$field = Some(value);
            self
        }
    };
    ($(#[$doc:meta])* $field:ident: $type:ty, into) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, value: impl Into<$type>) -> Self {
            self.$field = Some(value.into());
            self
        }
    };
}

pub(crate) use {section, setter};
