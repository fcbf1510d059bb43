use std::collections::BTreeMap;

use serde::Deserialize;

use super::DEFAULT_VIRTUAL_HOST;
use super::error::{ConfigError, Fault, Place};
use super::secret::Secret;

/// A user of the file.
#[derive(Debug)]
pub(crate) struct UserEntry {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) password: PasswordSection,
    pub(crate) tags: Vec<String>,
    /// By virtual host.
    pub(crate) permissions: BTreeMap<String, PermissionsSection>,
}

/// How the file has a password.
#[derive(Debug)]
pub(crate) enum PasswordSection {
    /// As it is.
    Plain(Secret),
    /// As RabbitMQ's definitions have it: a salt of 4 bytes and SHA-256, in Base64.
    Hash(Secret),
}

/// An element of `[[users]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserSection {
    name: String,
    password: Option<Secret>,
    password_hash: Option<Secret>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    permissions: BTreeMap<String, PermissionsSection>,
}

/// What a user may do in a virtual host: regular expressions for the names of queues and
/// exchanges. One that is not given, or empty, allows nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PermissionsSection {
    pub(crate) configure: String,
    pub(crate) write: String,
    pub(crate) read: String,
}

impl UserSection {
    /// The user, if its parts go together.
    pub(super) fn check(
        self,
        place: Place,
        virtual_hosts: &[String],
    ) -> Result<UserEntry, ConfigError> {
        let name = self.name;
        let password = match (self.password, self.password_hash) {
            (Some(password), None) => PasswordSection::Plain(password),
            (None, Some(hash)) => PasswordSection::Hash(hash),
            (None, None) => return Err(place.fault(Fault::NoPassword { name })),
            (Some(_), Some(_)) => return Err(place.fault(Fault::TwoPasswords { name })),
        };
        let is_known = |host: &String| host == DEFAULT_VIRTUAL_HOST || virtual_hosts.contains(host);
        if let Some(host) = self.permissions.keys().find(|host| !is_known(host)) {
            let virtual_host = host.clone();
            return Err(place.fault(Fault::NoVirtualHost { name, virtual_host }));
        }
        Ok(UserEntry { place, name, password, tags: self.tags, permissions: self.permissions })
    }
}
