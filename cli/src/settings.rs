//! What the server does: flags go before the environment, that before the file, and what none
//! of them says has a default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use springhare_broker::{Durability, TlsFiles};

use crate::arguments::ServeArguments;
use crate::config::{Config, LimitsSection, ServerSection, UserEntry};
use crate::error::ServeError;
use crate::log::{LogFilter, LogFormat};
use crate::values::Address;

/// AMQP's port, for this machine alone.
const DEFAULT_LISTEN: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 5672);

/// How long clients may take to say goodbye.
const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// All that `serve` needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) definitions: Option<PathBuf>,
    pub(crate) log: LogFormat,
    pub(crate) log_level: LogFilter,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) server: ServerSection,
    pub(crate) limits: LimitsSection,
    pub(crate) virtual_hosts: Vec<String>,
    pub(crate) loopback_users: Option<Vec<String>>,
    pub(crate) users: Vec<UserEntry>,
}

/// Where to listen with TLS, and with what.
#[derive(Debug)]
pub(crate) struct TlsSettings {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) files: TlsFiles,
}

impl Settings {
    /// What follows from the command line and the file that it names.
    pub(crate) fn read(arguments: ServeArguments) -> Result<Self, ServeError> {
        let config = match &arguments.config {
            Some(file) => Config::read(file)?,
            None => Config::default(),
        };
        Self::merge(arguments, config)
    }

    fn merge(arguments: ServeArguments, config: Config) -> Result<Self, ServeError> {
        let tls_listen = addresses(arguments.tls_listen, config.tls_listen);
        let has_tls = tls_listen.as_ref().is_some_and(|listen| !listen.is_empty());
        let default = || if has_tls { Vec::new() } else { vec![DEFAULT_LISTEN.into()] };
        let listen = addresses(arguments.listen, config.listen).unwrap_or_else(default);
        if listen.is_empty() && !has_tls {
            return Err(ServeError::NoListener);
        }
        let tls = tls_settings(
            tls_listen.unwrap_or_default(),
            arguments.tls_cert.or(config.tls_cert),
            arguments.tls_key.or(config.tls_key),
            arguments.tls_client_ca.or(config.tls_client_ca),
        )?;
        let data = arguments.data.or(config.data);
        let durability = arguments.durability.or(config.durability);
        if durability.is_some() && data.is_none() {
            return Err(ServeError::DurabilityWithoutData);
        }
        Ok(Self {
            listen,
            tls,
            data,
            durability: durability.map_or_else(Durability::default, |durability| durability.0),
            definitions: arguments.definitions.or(config.definitions),
            log: arguments.log.or(config.log).unwrap_or_default(),
            log_level: arguments.log_level.or(config.log_level).unwrap_or_default(),
            shutdown_timeout: arguments
                .shutdown_timeout
                .or(config.shutdown_timeout)
                .map_or(DEFAULT_SHUTDOWN_TIMEOUT, |seconds| seconds.0),
            server: config.server,
            limits: config.limits,
            virtual_hosts: config.virtual_hosts,
            loopback_users: config.loopback_users,
            users: config.users,
        })
    }
}

/// The addresses of the flags, or else those of the file.
fn addresses(flags: Vec<Address>, file: Option<Vec<Address>>) -> Option<Vec<SocketAddr>> {
    let chosen = if flags.is_empty() { file? } else { flags };
    Some(chosen.into_iter().map(|address| address.0).collect())
}

fn tls_settings(
    listen: Vec<SocketAddr>,
    certificates: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsSettings>, ServeError> {
    let Some(first) = listen.first() else {
        // A certificate that serves nobody is a forgotten address.
        return match certificates.or(key).or(client_ca) {
            Some(file) => Err(ServeError::TlsWithoutListener { file }),
            None => Ok(None),
        };
    };
    let (Some(certificates), Some(key)) = (certificates, key) else {
        return Err(ServeError::TlsWithoutCertificate { listener: *first });
    };
    Ok(Some(TlsSettings { listen, files: TlsFiles { certificates, key, client_ca } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{KeptDurability, Seconds};

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn socket(text: &str) -> SocketAddr {
        address(text).0
    }

    #[test]
    fn without_anything_it_listens_for_this_machine() {
        let settings = Settings::merge(ServeArguments::default(), Config::default()).unwrap();
        assert_eq!(settings.listen, [socket("127.0.0.1:5672")]);
        assert!(settings.tls.is_none());
        assert_eq!(settings.shutdown_timeout, Duration::from_secs(5));
        assert_eq!((settings.data, settings.durability), (None, Durability::Disk));
        assert_eq!(settings.log, LogFormat::Human);
    }

    #[test]
    fn flags_go_before_the_file() {
        let file = || Config {
            listen: Some(vec![address("127.0.0.1:1"), address("127.0.0.1:2")]),
            log: Some(LogFormat::Json),
            data: Some("file".into()),
            durability: Some(KeptDurability(Durability::Os)),
            definitions: Some("file.json".into()),
            shutdown_timeout: Some(Seconds(Duration::from_secs(7))),
            ..Config::default()
        };
        let settings = Settings::merge(ServeArguments::default(), file()).unwrap();
        assert_eq!(settings.listen.len(), 2);
        assert_eq!(settings.log, LogFormat::Json);
        assert_eq!(settings.definitions, Some("file.json".into()));
        assert_eq!(settings.shutdown_timeout, Duration::from_secs(7));
        let arguments = ServeArguments {
            listen: vec![address("127.0.0.1:3")],
            log: Some(LogFormat::Human),
            data: Some("flag".into()),
            durability: Some(KeptDurability(Durability::Disk)),
            definitions: Some("flag.json".into()),
            shutdown_timeout: Some(Seconds(Duration::ZERO)),
            ..ServeArguments::default()
        };
        let settings = Settings::merge(arguments, file()).unwrap();
        assert_eq!(settings.listen, [socket("127.0.0.1:3")]);
        assert_eq!(settings.log, LogFormat::Human);
        assert_eq!(settings.data, Some("flag".into()));
        assert_eq!(settings.durability, Durability::Disk);
        assert_eq!(settings.definitions, Some("flag.json".into()));
        assert_eq!(settings.shutdown_timeout, Duration::ZERO);
    }

    #[test]
    fn with_tls_alone_nothing_listens_without_it() {
        let arguments = ServeArguments {
            tls_listen: vec![address("127.0.0.1:5671")],
            tls_cert: Some("a.crt".into()),
            ..ServeArguments::default()
        };
        let config = Config { tls_key: Some("a.key".into()), ..Config::default() };
        let settings = Settings::merge(arguments, config).unwrap();
        assert!(settings.listen.is_empty());
        let tls = settings.tls.unwrap();
        assert_eq!(tls.listen, [socket("127.0.0.1:5671")]);
        assert_eq!(tls.files.key, PathBuf::from("a.key"));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let merge = |config| Settings::merge(ServeArguments::default(), config).unwrap_err();
        let nothing = Config { listen: Some(Vec::new()), ..Config::default() };
        assert!(matches!(merge(nothing), ServeError::NoListener));
        let no_key = Config {
            tls_listen: Some(vec![address("127.0.0.1:5671")]),
            tls_cert: Some("a.crt".into()),
            ..Config::default()
        };
        assert!(matches!(merge(no_key), ServeError::TlsWithoutCertificate { .. }));
        let no_listener = Config { tls_cert: Some("a.crt".into()), ..Config::default() };
        assert!(matches!(merge(no_listener), ServeError::TlsWithoutListener { .. }));
    }
}
