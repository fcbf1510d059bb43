//! The configuration file, in TOML: every flag, and what is too much for flags.

mod error;
mod secret;
mod sections;
mod user;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use self::error::Place;
pub(crate) use self::error::{ConfigError, Fault};
pub(crate) use self::sections::{LimitsSection, ServerSection};
use self::user::UserSection;
pub(crate) use self::user::{PasswordSection, UserEntry};
use crate::log::{LogFilter, LogFormat};
use crate::values::{Address, KeptDurability, Seconds};

/// The virtual host that is always there.
pub(crate) const DEFAULT_VIRTUAL_HOST: &str = "/";

/// What the file says. Paths in it are meant from the directory of the file.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) listen: Option<Vec<Address>>,
    pub(crate) tls_listen: Option<Vec<Address>>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) tls_client_ca: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) durability: Option<KeptDurability>,
    pub(crate) definitions: Option<PathBuf>,
    pub(crate) log: Option<LogFormat>,
    pub(crate) log_level: Option<LogFilter>,
    pub(crate) shutdown_timeout: Option<Seconds>,
    pub(crate) server: ServerSection,
    pub(crate) limits: LimitsSection,
    pub(crate) virtual_hosts: Vec<String>,
    /// Who may come from this machine only; not given, that is `guest`.
    pub(crate) loopback_users: Option<Vec<String>>,
    pub(crate) users: Vec<UserEntry>,
}

/// The same, as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileSections {
    listen: Option<Vec<Address>>,
    tls_listen: Option<Vec<Address>>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    data: Option<PathBuf>,
    durability: Option<KeptDurability>,
    definitions: Option<PathBuf>,
    log: Option<LogFormat>,
    log_level: Option<LogFilter>,
    shutdown_timeout: Option<Seconds>,
    virtual_hosts: Vec<String>,
    loopback_users: Option<Vec<String>>,
    server: ServerSection,
    limits: LimitsSection,
    users: Vec<Spanned<UserSection>>,
}

impl Config {
    /// Reads the file.
    pub(crate) fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file)
            .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
        Self::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let sections: FileSections =
            toml::from_str(text).map_err(|source| ConfigError::syntax(file, text, &source))?;
        let virtual_hosts = sections.virtual_hosts;
        let mut users: Vec<UserEntry> = Vec::new();
        for section in sections.users {
            let place = Place::new(file, text, section.span().start);
            let user = section.into_inner().check(place, &virtual_hosts)?;
            if users.iter().any(|other| other.name == user.name) {
                return Err(user.place.fault(Fault::SecondUser { name: user.name }));
            }
            users.push(user);
        }
        let beside = |path: Option<PathBuf>| {
            path.map(|path| file.parent().map_or_else(|| path.clone(), |parent| parent.join(&path)))
        };
        Ok(Self {
            listen: sections.listen,
            tls_listen: sections.tls_listen,
            tls_cert: beside(sections.tls_cert),
            tls_key: beside(sections.tls_key),
            tls_client_ca: beside(sections.tls_client_ca),
            data: beside(sections.data),
            durability: sections.durability,
            definitions: beside(sections.definitions),
            log: sections.log,
            log_level: sections.log_level,
            shutdown_timeout: sections.shutdown_timeout,
            server: sections.server,
            limits: sections.limits,
            virtual_hosts,
            loopback_users: sections.loopback_users,
            users,
        })
    }
}

#[cfg(test)]
mod tests;
