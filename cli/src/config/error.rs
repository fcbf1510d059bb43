use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use springhare_broker::{PasswordHashError, PatternError};

/// How alike two keys must be for one to be taken for the other; as clap does with flags.
const LIKENESS_MIN: f64 = 0.7;

/// Where something stands in the file: `springhare.toml:3:1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
    column: usize,
}

/// Why the configuration file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{}: {source}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{place}: {fault}")]
    At { place: Place, fault: Box<Fault> },
}

/// What is wrong in the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Toml(TomlMessage),
    #[error("there is no key '{key}' here{}", suggestion(known, alike.as_deref()))]
    UnknownKey { key: String, known: Vec<String>, alike: Option<String> },
    #[error("the user '{name}' has no password: give it 'password' or 'password_hash'")]
    NoPassword { name: String },
    #[error("the user '{name}' has both 'password' and 'password_hash': one is enough")]
    TwoPasswords { name: String },
    #[error("the user '{name}' is in the file already")]
    SecondUser { name: String },
    #[error(
        "the user '{name}' has permissions for the virtual host '{virtual_host}', which is not \
         among virtual_hosts"
    )]
    NoVirtualHost { name: String, virtual_host: String },
    #[error("the user '{name}': {source}")]
    Password { name: String, source: PasswordHashError },
    #[error("the user '{name}' in the virtual host '{virtual_host}': {source}")]
    Permissions { name: String, virtual_host: String, source: PatternError },
}

/// What the TOML reader says, without the line that it would show: it may be a password's.
#[derive(Debug)]
pub(crate) struct TomlMessage(String);

impl fmt::Display for TomlMessage {
    /// In one line, whatever the reader has in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.split_whitespace();
        formatter.write_str(words.next().unwrap_or("this is not TOML"))?;
        words.try_for_each(|word| write!(formatter, " {word}"))
    }
}

impl ConfigError {
    /// What the TOML reader says of this text.
    pub(super) fn syntax(file: &Path, text: &str, source: &toml::de::Error) -> Self {
        let span = source.span().unwrap_or_default();
        let place = Place::new(file, text, span.start);
        let fault = match unknown_key(source.message()) {
            Some((key, known)) => {
                let alike = most_alike(&key, &known).map(str::to_owned);
                Fault::UnknownKey { key, known, alike }
            }
            None => Fault::Toml(TomlMessage(source.message().to_owned())),
        };
        place.fault(fault)
    }
}

impl Place {
    /// The place of the byte at `offset`.
    pub(super) fn new(file: &Path, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }

    /// This is wrong here.
    pub(crate) fn fault(&self, fault: Fault) -> ConfigError {
        ConfigError::At { place: self.clone(), fault: Box::new(fault) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// The key, and those that serde would have taken, from serde's words for it:
/// ``unknown field `a`, expected one of `b`, `c` ``. Where it once uses others, its own are shown.
fn unknown_key(message: &str) -> Option<(String, Vec<String>)> {
    let quoted = message.strip_prefix("unknown field ")?;
    let mut names = quoted.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((names.next()?, names.collect()))
}

fn most_alike<'a>(key: &str, known: &'a [String]) -> Option<&'a str> {
    let alike = known.iter().map(|name| (strsim::jaro(key, name), name.as_str()));
    let alike = alike.filter(|(likeness, _)| *likeness > LIKENESS_MIN);
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

fn suggestion(known: &[String], alike: Option<&str>) -> String {
    match alike {
        Some(alike) => format!("; did you mean '{alike}'?"),
        None => format!("; known are {}", known.join(", ")),
    }
}
