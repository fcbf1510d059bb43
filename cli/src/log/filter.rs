use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

/// What is logged: a level, or directives such as `info,springhare_broker=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFilter {
    directives: String,
}

/// Why a text is no [`LogFilter`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(
        "'{0}' is no level: write off, error, warn, info, debug or trace, or a filter such as \
         info,springhare_broker=debug"
    )]
    NoLevel(String),
    #[error(transparent)]
    Syntax(#[from] ParseError),
}

impl LogFilter {
    /// The filter for `tracing-subscriber`.
    pub(super) fn to_env_filter(&self) -> EnvFilter {
        // Parsed before; the lossy reading has no error to handle a second time.
        EnvFilter::builder().parse_lossy(&self.directives)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { directives: "info".to_owned() }
    }
}

impl FromStr for LogFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An environment variable that is set to nothing says nothing.
        if text.is_empty() {
            return Ok(Self::default());
        }
        // A lone word would be taken for a target, and a mistyped level would log nothing.
        let is_lone_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_lone_word && text.parse::<LevelFilter>().is_err() {
            return Err(FilterError::NoLevel(text.to_owned()));
        }
        EnvFilter::builder().parse(text)?;
        Ok(Self { directives: text.to_owned() })
    }
}

impl<'de> Deserialize<'de> for LogFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken() {
        for text in ["off", "info", "WARN", "info,springhare_broker=debug", "a::b=trace,error"] {
            assert!(text.parse::<LogFilter>().is_ok(), "{text}");
        }
    }

    #[test]
    fn nothing_is_the_default() {
        assert_eq!("".parse::<LogFilter>().unwrap(), LogFilter::default());
    }

    #[test]
    fn a_mistyped_level_is_told() {
        let error = "inof".parse::<LogFilter>().unwrap_err();
        assert!(error.to_string().starts_with("'inof' is no level"), "{error}");
        assert!(matches!("a=b=c".parse::<LogFilter>(), Err(FilterError::Syntax(_))));
    }
}
