//! The broker with these settings. All that the command knows of the broker's API is here.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use springhare_broker::{Broker, BrokerBuilder, BrokerConfig, Error, Permissions, TlsConfig, User};

use crate::config::{ConfigError, Fault, PasswordSection, UserEntry};
use crate::error::ServeError;
use crate::settings::Settings;

/// A broker that listens.
#[derive(Debug)]
pub(crate) struct Server {
    broker: Broker,
    /// In the order in which they were asked for.
    endpoints: Vec<Endpoint>,
}

/// Where clients reach the server, and how.
#[derive(Debug)]
struct Endpoint {
    scheme: &'static str,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// `in memory: nothing is kept`, or `data in ./data`.
    pub(crate) fn store(&self) -> impl fmt::Display {
        match self.broker.data() {
            Some(folder) => format!("data in {}", folder.display()),
            None => "in memory: nothing is kept".to_owned(),
        }
    }

    /// `amqp 127.0.0.1:5672, amqps 127.0.0.1:5671`.
    pub(crate) fn endpoints(&self) -> impl fmt::Display {
        let endpoints = self.endpoints.iter();
        let endpoints = endpoints.map(|end| format!("{} {}", end.scheme, end.address));
        endpoints.collect::<Vec<_>>().join(", ")
    }
}

/// Starts the broker and binds its addresses.
pub(crate) fn start(settings: Settings) -> Result<Server, ServeError> {
    let mut config = BrokerConfig::default();
    settings.limits.apply(&mut config);
    settings.server.apply(&mut config);
    let mut builder = Broker::builder().config(config);
    for host in &settings.virtual_hosts {
        builder = builder.virtual_host(host);
    }
    if let Some(names) = settings.loopback_users {
        builder = builder.loopback_users(names);
    }
    builder = with_users(builder, &settings.users)?;
    if let Some(file) = &settings.definitions {
        let json = fs::read_to_string(file)
            .map_err(|source| ServeError::UnreadableDefinitions { file: file.clone(), source })?;
        builder = builder.definitions(json);
    }
    if let Some(folder) = settings.data {
        builder = builder.data(folder).durability(settings.durability);
    }
    let mut schemes = Vec::new();
    for address in &settings.listen {
        builder = builder.listen(*address);
        schemes.push("amqp");
    }
    if let Some(tls) = settings.tls {
        let tls_config = TlsConfig::from_pem_files(tls.files)?;
        for address in tls.listen {
            builder = builder.listen_tls(address, tls_config.clone());
            schemes.push("amqps");
        }
    }
    let broker = builder.start().map_err(|error| failed(error, settings.definitions))?;
    let addresses = broker.local_addrs();
    let endpoints = schemes.into_iter().zip(addresses);
    let endpoints = endpoints.map(|(scheme, address)| Endpoint { scheme, address }).collect();
    Ok(Server { broker, endpoints })
}

/// Why the broker did not start, with what to do about it.
fn failed(error: Error, definitions: Option<PathBuf>) -> ServeError {
    match error {
        Error::CannotListen { address, kind } => ServeError::Listen { address, kind },
        Error::Definitions(source) => {
            ServeError::Definitions { file: definitions.unwrap_or_default(), source }
        }
        other => ServeError::Broker(other),
    }
}

/// With users of its own a server has no guest, unless it is one of them.
fn with_users(
    mut builder: BrokerBuilder,
    users: &[UserEntry],
) -> Result<BrokerBuilder, ServeError> {
    if !users.is_empty() {
        builder = builder.without_guest();
    }
    for entry in users {
        builder = builder.user(user(entry)?);
    }
    Ok(builder)
}

fn user(entry: &UserEntry) -> Result<User, ConfigError> {
    let name = &entry.name;
    let mut user = match &entry.password {
        PasswordSection::Plain(password) => User::new(name, password.reveal()),
        PasswordSection::Hash(hash) => User::with_password_hash(name, hash.reveal())
            .map_err(|source| entry.place.fault(Fault::Password { name: name.clone(), source }))?,
    };
    for tag in &entry.tags {
        user = user.tag(tag);
    }
    for (virtual_host, allowed) in &entry.permissions {
        let permissions = Permissions::new(&allowed.configure, &allowed.write, &allowed.read)
            .map_err(|source| {
                let virtual_host = virtual_host.clone();
                entry.place.fault(Fault::Permissions { name: name.clone(), virtual_host, source })
            })?;
        user = user.permissions(virtual_host, permissions);
    }
    Ok(user)
}
