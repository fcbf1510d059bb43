use std::path::PathBuf;
use std::time::Duration;

use super::section::{Section, section};
use super::startup::Startup;
use super::value::{Confirmed, Seconds, Sourced, Texts};
use crate::connection::{
    Address, AddressError, AddressOrder, AmqpDefaults, Password, TlsDefaults, Verify, split_list,
};

section! {
    /// Where the broker is and how it is spoken to.
    pub(crate) struct RabbitmqSettings {
        /// The address, in full.
        url: Sourced<Texts> = "url",
        /// Addresses, of which the first that answers is taken.
        addresses: Sourced<Texts> = "addresses",
        /// In which order they are tried.
        address_shuffle_mode: AddressOrder = "address-shuffle-mode",
        host: Sourced<String> = "host",
        port: Sourced<u16> = "port",
        username: Sourced<String> = "username",
        password: Sourced<Password> = "password",
        virtual_host: Sourced<String> = "virtual-host",
        ssl_enabled: bool = "ssl.enabled",
        ssl_validate: bool = "ssl.validate-server-certificate",
        ssl_server_name: String = "ssl.server-name",
        ssl_ca_certificate: PathBuf = "ssl.ca-certificate",
        ssl_certificate: PathBuf = "ssl.certificate",
        ssl_private_key: PathBuf = "ssl.private-key",
        /// Zero for none.
        requested_heartbeat: Seconds = "requested-heartbeat",
        /// Name, TCP, TLS and login together.
        connection_timeout: Duration = "connection-timeout",
        /// What the broker shows the application's connections as.
        connection_name: String = "connection-name",
        /// What the start does when the broker is not there.
        startup: Startup = "startup",
        publisher_confirm_type: Confirmed = "publisher-confirm-type",
        /// Boot's word for what `template.mandatory` is by default.
        publisher_returns: bool = "publisher-returns",
    }
}

/// An address that can't be used, and where it was given.
#[derive(Debug)]
pub(crate) struct WrongAddress {
    pub(crate) key: &'static str,
    pub(crate) source: super::Source,
    pub(crate) problem: AddressProblem,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressProblem {
    #[error(transparent)]
    Address(AddressError),
    #[error("`url`, `addresses` and `host` say each where the broker is: keep one of them")]
    Several,
    #[error("a virtual host's name has 255 bytes at most, and this one {0}")]
    VirtualHostTooLong(usize),
    #[error("'{0}' is no name that a certificate can have")]
    ServerName(String),
    #[error("the key of a client certificate: give its file as `ssl.certificate`, too")]
    KeyWithoutCertificate,
}

impl RabbitmqSettings {
    /// These settings, but for those that a stronger source says. Where the broker is, is said as a
    /// whole: a host of the environment replaces a file's URL.
    pub(crate) fn beneath(mut self, stronger: Self) -> Self {
        if stronger.says_where() {
            (self.url, self.addresses, self.host) = (None, None, None);
        }
        self.under(stronger)
    }

    fn says_where(&self) -> bool {
        self.url.is_some() || self.addresses.is_some() || self.host.is_some()
    }

    /// The broker's address; none if nothing says that it is on the network, or where.
    pub(crate) fn address(&self) -> Result<Option<Address>, WrongAddress> {
        let all = [
            self.url.as_ref().map(|url| ("url", &url.source)),
            self.addresses.as_ref().map(|addresses| ("addresses", &addresses.source)),
            self.host.as_ref().map(|host| ("host", &host.source)),
        ];
        let mut given = all.into_iter().flatten();
        let first = given.next();
        if let Some((key, source)) = given.next() {
            let problem = AddressProblem::Several;
            return Err(WrongAddress { key, source: source.clone(), problem });
        }
        let Some((key, source)) = first.or_else(|| self.speaks_of_a_host()) else {
            return Ok(None);
        };
        let wrong = |problem| WrongAddress { key, source: source.clone(), problem };
        let defaults = self.defaults().map_err(wrong)?;
        let address = Address::read(&self.written(), &defaults);
        address.map(Some).map_err(|error| wrong(AddressProblem::Address(error)))
    }

    /// A setting that only a broker on the network has: without a host it is this machine.
    fn speaks_of_a_host(&self) -> Option<(&'static str, &super::Source)> {
        let port = self.port.as_ref().map(|port| ("port", &port.source));
        let username = self.username.as_ref().map(|user| ("username", &user.source));
        let virtual_host = self.virtual_host.as_ref().map(|host| ("virtual-host", &host.source));
        port.or(username).or(virtual_host)
    }

    /// The address as a text; an entry of a list may be a host alone.
    fn written(&self) -> String {
        if let Some(url) = &self.url {
            return url.value.0.join(",");
        }
        let scheme = if self.ssl_enabled == Some(true) { "amqps" } else { "amqp" };
        if let Some(addresses) = &self.addresses {
            let entries = addresses.value.0.iter().flat_map(|text| split(text));
            let full = |entry: &str| match entry.contains("://") {
                true => entry.to_owned(),
                false => format!("{scheme}://{entry}"),
            };
            return entries.map(full).collect::<Vec<_>>().join(",");
        }
        let host = self.host.as_ref().map_or("localhost", |host| host.value.as_str());
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        match &self.port {
            Some(port) => format!("{scheme}://{host}:{}", port.value),
            None => format!("{scheme}://{host}"),
        }
    }

    fn defaults(&self) -> Result<AmqpDefaults, AddressProblem> {
        let mut defaults = AmqpDefaults::default();
        if let Some(username) = &self.username {
            defaults.user.clone_from(&username.value);
        }
        if let Some(password) = &self.password {
            defaults.password.clone_from(&password.value);
        }
        if let Some(host) = &self.virtual_host {
            defaults.virtual_host = springhare_amqp::ShortString::new(&host.value)
                .map_err(|error| AddressProblem::VirtualHostTooLong(error.length))?;
        }
        if let Some(Seconds(heartbeat)) = self.requested_heartbeat {
            defaults.heartbeat = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
        }
        if let Some(timeout) = self.connection_timeout {
            defaults.connection_timeout = timeout;
        }
        defaults.tls = self.tls()?;
        Ok(defaults)
    }

    fn tls(&self) -> Result<TlsDefaults, AddressProblem> {
        if self.ssl_private_key.is_some() && self.ssl_certificate.is_none() {
            return Err(AddressProblem::KeyWithoutCertificate);
        }
        let name = self.ssl_server_name.clone();
        let verify = if self.ssl_validate == Some(false) { Verify::None } else { Verify::Peer };
        let tls = TlsDefaults {
            verify,
            ca_file: self.ssl_ca_certificate.clone(),
            certificate_file: self.ssl_certificate.clone(),
            key_file: self.ssl_private_key.clone(),
            server_name: None,
        };
        match name {
            None => Ok(tls),
            Some(name) => tls.named(&name).ok_or(AddressProblem::ServerName(name)),
        }
    }
}

/// The entries of a list of hosts and addresses, of which an address may have a comma in its
/// password.
fn split<'t>(text: &'t str) -> Vec<&'t str> {
    let cut = |part: &'t str| match part.contains("://") {
        true => vec![part],
        false => part.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect(),
    };
    split_list(text).into_iter().flat_map(cut).collect()
}
