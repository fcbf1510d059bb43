use std::path::PathBuf;
use std::time::Duration;

use super::section::{Section, section};
use super::source::Source;
use super::startup::Startup;
use super::value::{Confirmed, DataSize, Filled, LongerThanZero, Seconds, Sourced, Texts};
use crate::connection::{
    Address, AddressError, AddressOrder, AmqpDefaults, AmqpLimits, Password, TlsDefaults, Verify,
    split_list,
};

section! {
    /// Where the broker is and how it is spoken to.
    pub(crate) struct RabbitmqSettings {
        /// The address, in full.
        url: Sourced<Texts> = "url",
        /// Addresses, of which the first that answers is taken.
        addresses: Sourced<Texts> = "addresses",
        /// In which order they are tried.
        address_shuffle_mode: Sourced<AddressOrder> = "address-shuffle-mode",
        host: Sourced<Filled> = "host",
        port: Sourced<u16> = "port",
        username: Sourced<Filled> = "username",
        password: Sourced<Password> = "password",
        virtual_host: Sourced<String> = "virtual-host",
        ssl_enabled: Sourced<bool> = "ssl.enabled",
        ssl_validate: Sourced<bool> = "ssl.validate-server-certificate",
        ssl_server_name: Sourced<String> = "ssl.server-name",
        ssl_ca_certificate: Sourced<PathBuf> = "ssl.ca-certificate",
        ssl_certificate: Sourced<PathBuf> = "ssl.certificate",
        ssl_private_key: Sourced<PathBuf> = "ssl.private-key",
        /// Zero for none.
        requested_heartbeat: Sourced<Seconds> = "requested-heartbeat",
        /// Name, TCP, TLS and login together.
        connection_timeout: Sourced<LongerThanZero> = "connection-timeout",
        /// The most channels of a connection; zero for as many as the broker allows.
        requested_channel_max: Sourced<u16> = "requested-channel-max",
        /// The largest body that is taken.
        max_inbound_message_body_size: Sourced<DataSize> = "max-inbound-message-body-size",
        /// How long the answer to a method is waited for.
        channel_rpc_timeout: Sourced<LongerThanZero> = "channel-rpc-timeout",
        /// What the broker shows the application's connections as.
        connection_name: String = "connection-name",
        /// What the start does when the broker is not there.
        startup: Startup = "startup",
        /// How long a stop waits for the handlers; the application's, of `[rabbitmq]` alone.
        shutdown_timeout: Duration = "shutdown-timeout",
        publisher_confirm_type: Confirmed = "publisher-confirm-type",
        /// Boot's word for what `template.mandatory` is by default.
        publisher_returns: bool = "publisher-returns",
    }
}

/// An address that can't be used, and where it was given.
#[derive(Debug)]
pub(crate) struct WrongAddress {
    pub(crate) key: &'static str,
    pub(crate) source: Source,
    pub(crate) problem: AddressProblem,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressProblem {
    #[error(transparent)]
    Address(AddressError),
    #[error("`url`, `addresses` and `host` say each where the broker is: keep one of them")]
    Several,
    #[error(
        "the port is not used: `{0}` says where the broker is, and one of its addresses has no port; \
         write it there"
    )]
    PortBeside(&'static str),
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
            // The port of another host, which a new host alone may have, too.
            self.port = self.port.filter(|_| stronger.host.is_some());
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
        let Some((key, source)) = first.or_else(|| self.speaks_of_the_network()) else {
            return Ok(None);
        };
        let wrong = |problem| WrongAddress { key, source: source.clone(), problem };
        if let Some(port) = self.port.as_ref().filter(|_| self.host.is_none())
            && (self.url.is_some() || self.addresses.is_some())
            && !all_have_ports(&self.written())
        {
            let problem = AddressProblem::PortBeside(key);
            return Err(WrongAddress { key: "port", source: port.source.clone(), problem });
        }
        let defaults = self.defaults().map_err(wrong)?;
        let address = Address::read(&self.written(), &defaults);
        address.map(Some).map_err(|error| wrong(AddressProblem::Address(error)))
    }

    /// What connections keep to by themselves.
    pub(crate) fn limits(&self) -> AmqpLimits {
        let defaults = AmqpLimits::default();
        let body = self.max_inbound_message_body_size.as_ref();
        let timeout = self.channel_rpc_timeout.as_ref();
        AmqpLimits {
            channels: self.requested_channel_max.as_ref().map_or(0, |channels| channels.value),
            body_bytes: body.map_or(defaults.body_bytes, |size| size.value.0),
            answer_timeout: timeout.map_or(defaults.answer_timeout, |timeout| timeout.value.0),
        }
    }

    /// A setting that only a broker on the network has: without a host it is this machine.
    fn speaks_of_the_network(&self) -> Option<(&'static str, &Source)> {
        fn given<'s, T>(
            key: &'static str,
            setting: &'s Option<Sourced<T>>,
        ) -> Option<(&'static str, &'s Source)> {
            setting.as_ref().map(|setting| (key, &setting.source))
        }
        let all = [
            given("port", &self.port),
            given("username", &self.username),
            given("password", &self.password),
            given("virtual-host", &self.virtual_host),
            given("address-shuffle-mode", &self.address_shuffle_mode),
            given("ssl.enabled", &self.ssl_enabled),
            given("ssl.validate-server-certificate", &self.ssl_validate),
            given("ssl.server-name", &self.ssl_server_name),
            given("ssl.ca-certificate", &self.ssl_ca_certificate),
            given("ssl.certificate", &self.ssl_certificate),
            given("ssl.private-key", &self.ssl_private_key),
            given("requested-heartbeat", &self.requested_heartbeat),
            given("connection-timeout", &self.connection_timeout),
            given("requested-channel-max", &self.requested_channel_max),
            given("max-inbound-message-body-size", &self.max_inbound_message_body_size),
            given("channel-rpc-timeout", &self.channel_rpc_timeout),
        ];
        all.into_iter().flatten().next()
    }

    /// The address as a text; an entry of a list may be a host alone.
    fn written(&self) -> String {
        if let Some(url) = &self.url {
            return url.value.0.join(",");
        }
        let is_tls = self.ssl_enabled.as_ref().is_some_and(|enabled| enabled.value);
        let scheme = if is_tls { "amqps" } else { "amqp" };
        if let Some(addresses) = &self.addresses {
            let entries = addresses.value.0.iter().flat_map(|text| split(text));
            let full = |entry: &str| match entry.contains("://") {
                true => entry.to_owned(),
                false => format!("{scheme}://{entry}"),
            };
            return entries.map(full).collect::<Vec<_>>().join(",");
        }
        let host = self.host.as_ref().map_or("localhost", |host| host.value.0.as_str());
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
            defaults.user.clone_from(&username.value.0);
        }
        if let Some(password) = &self.password {
            defaults.password.clone_from(&password.value);
        }
        // Empty is `/`, as Spring Boot has it.
        if let Some(host) = self.virtual_host.as_ref().filter(|host| !host.value.is_empty()) {
            defaults.virtual_host = springhare_amqp::ShortString::new(&host.value)
                .map_err(|error| AddressProblem::VirtualHostTooLong(error.length))?;
        }
        if let Some(Sourced { value: Seconds(heartbeat), .. }) = &self.requested_heartbeat {
            defaults.heartbeat = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
        }
        if let Some(timeout) = &self.connection_timeout {
            defaults.connection_timeout = timeout.value.0;
        }
        defaults.tls = self.tls()?;
        Ok(defaults)
    }

    fn tls(&self) -> Result<TlsDefaults, AddressProblem> {
        if self.ssl_private_key.is_some() && self.ssl_certificate.is_none() {
            return Err(AddressProblem::KeyWithoutCertificate);
        }
        let name = self.ssl_server_name.as_ref().map(|name| name.value.clone());
        let is_trusting = self.ssl_validate.as_ref().is_some_and(|validate| !validate.value);
        let verify = if is_trusting { Verify::None } else { Verify::Peer };
        let path = |path: &Option<Sourced<PathBuf>>| path.as_ref().map(|path| path.value.clone());
        let tls = TlsDefaults {
            verify,
            ca_file: path(&self.ssl_ca_certificate),
            certificate_file: path(&self.ssl_certificate),
            key_file: path(&self.ssl_private_key),
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

/// Whether each of these addresses names its port, or has none.
fn all_have_ports(addresses: &str) -> bool {
    split_list(addresses).into_iter().all(|address| {
        let Some((_, rest)) = address.split_once("://") else { return true };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let behind = host.rsplit(']').next().unwrap_or_default();
        behind.contains(':')
    })
}
