//! The query of an address: RabbitMQ's
//! [URI query parameters](https://www.rabbitmq.com/docs/uri-query-parameters), as far as they say
//! something to this client.

use std::path::PathBuf;
use std::time::Duration;

use fluent_uri::pct_enc::{EStr, encoder};
use tokio_rustls::rustls::pki_types::ServerName;

use super::amqp::AmqpDefaults;
use super::error::AmqpAddressProblem as Problem;
use super::tls_options::{ClientCertificate, TlsDefaults, TlsOptions, Verify};
use super::uri::decoded;

/// The parameters of every address.
const OF_CONNECTION: [&str; 2] = ["heartbeat", "connection_timeout"];
/// The parameters of `amqps://` addresses.
const OF_TLS: [&str; 5] = ["cacertfile", "certfile", "keyfile", "verify", "server_name_indication"];

/// The names of all parameters, for an error's text.
pub(super) fn known_parameters() -> String {
    format!("{}, and with amqps:// {}", OF_CONNECTION.join(" and "), OF_TLS.join(", "))
}

/// What an address says after its `?`.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) heartbeat: u16,
    pub(super) connection_timeout: Duration,
    tls: TlsParameters,
}

#[derive(Debug, Default)]
struct TlsParameters {
    /// The last parameter of TLS that was given.
    given: Option<&'static str>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    verify: Option<Verify>,
    server_name: Option<ServerName<'static>>,
}

impl Query {
    /// What is meant without a query.
    pub(super) fn of(defaults: &AmqpDefaults) -> Self {
        Self {
            heartbeat: defaults.heartbeat,
            connection_timeout: defaults.connection_timeout,
            tls: TlsParameters::default(),
        }
    }

    pub(super) fn parse(
        query: &EStr<encoder::Query>,
        defaults: &AmqpDefaults,
    ) -> Result<Self, Problem> {
        let mut parsed = Self::of(defaults);
        let mut seen = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, EStr::EMPTY));
            let name = known(&decoded("parameter", name)?)?;
            if seen.contains(&name) {
                return Err(Problem::RepeatedParameter { name });
            }
            seen.push(name);
            parsed.set(name, &decoded("parameter", value)?)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), Problem> {
        let wrong = |expected| Problem::ParameterValue { name, expected };
        let file = || match value {
            "" => Err(wrong("the path of a file in PEM")),
            path => Ok(Some(PathBuf::from(path))),
        };
        if OF_TLS.contains(&name) {
            self.tls.given = Some(name);
        }
        match name {
            "heartbeat" => {
                let seconds = value.parse();
                self.heartbeat = seconds.map_err(|_| wrong("a number of seconds up to 65535"))?;
            }
            "connection_timeout" => {
                let milliseconds = value.parse::<u32>().ok().filter(|&number| number > 0);
                let milliseconds =
                    milliseconds.ok_or(wrong("a number of milliseconds, 1 or more"))?;
                self.connection_timeout = Duration::from_millis(milliseconds.into());
            }
            "cacertfile" => self.tls.ca_file = file()?,
            "certfile" => self.tls.certificate_file = file()?,
            "keyfile" => self.tls.key_file = file()?,
            "verify" => {
                self.tls.verify = match value {
                    "verify_peer" => Some(Verify::Peer),
                    "verify_none" => Some(Verify::None),
                    _ => return Err(wrong("'verify_peer' or 'verify_none'")),
                };
            }
            // The only one left.
            _ => self.tls.server_name = Some(server_name(value).ok_or(wrong(SERVER_NAME))?),
        }
        Ok(())
    }

    /// The options of an `amqps://` address with this host.
    pub(super) fn tls_options(
        &mut self,
        host: &str,
        defaults: &TlsDefaults,
    ) -> Result<TlsOptions, Problem> {
        let parameters = std::mem::take(&mut self.tls);
        let (certificate_file, key_file) = match (parameters.certificate_file, parameters.key_file)
        {
            (None, None) => (defaults.certificate_file.clone(), defaults.key_file.clone()),
            given => given,
        };
        let client_certificate = match (certificate_file, key_file) {
            (Some(certificate_file), key_file) => Some(ClientCertificate {
                key_file: key_file.unwrap_or_else(|| certificate_file.clone()),
                certificate_file,
            }),
            (None, Some(_)) => return Err(Problem::KeyWithoutCertificate),
            (None, None) => None,
        };
        let host_name = || ServerName::try_from(host.to_owned()).map_err(|_| Problem::Host);
        let server_name = parameters.server_name.or_else(|| defaults.server_name.clone());
        Ok(TlsOptions {
            verify: parameters.verify.unwrap_or(defaults.verify),
            ca_file: parameters.ca_file.or_else(|| defaults.ca_file.clone()),
            client_certificate,
            server_name: server_name.map_or_else(host_name, Ok)?,
        })
    }

    /// Checks that nothing is said of TLS.
    pub(super) fn check_without_tls(&self) -> Result<(), Problem> {
        self.tls.given.map_or(Ok(()), |name| Err(Problem::TlsParameter { name }))
    }
}

const SERVER_NAME: &str = "the name or IP address in the broker's certificate; it can't be \
                           disabled alone, only with 'verify=verify_none'";

/// The name, unless it is `disable`, by which Erlang's TLS does without name and check.
fn server_name(value: &str) -> Option<ServerName<'static>> {
    if value == "disable" {
        return None;
    }
    ServerName::try_from(value.to_owned()).ok()
}

fn known(name: &str) -> Result<&'static str, Problem> {
    let mut names = OF_CONNECTION.into_iter().chain(OF_TLS);
    let known = names.find(|known| *known == name);
    known.ok_or_else(|| Problem::UnknownParameter { name: name.to_owned() })
}
