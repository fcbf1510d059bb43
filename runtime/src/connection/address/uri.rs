//! One `amqp://` or `amqps://` URI, as RabbitMQ's
//! [specification](https://www.rabbitmq.com/docs/uri-spec) has them on RFC 3986.

use fluent_uri::component::{Authority, Host};
use fluent_uri::pct_enc::{EStr, Encoder, encoder};
use fluent_uri::{ParseErrorKind, Uri};
use springhare_amqp::ShortString;

use super::amqp::{AmqpAddress, AmqpDefaults, DEFAULT_HOST, Transport};
use super::error::AmqpAddressProblem as Problem;
use super::password::Password;
use super::query::Query;

pub(super) fn parse(
    address: &str,
    transport: Transport,
    defaults: &AmqpDefaults,
) -> Result<AmqpAddress, Problem> {
    check_at_signs(address)?;
    let uri = Uri::parse(address).map_err(|error| match error.kind() {
        ParseErrorKind::InvalidPctEncodedOctet => Problem::PercentEncoding,
        ParseErrorKind::InvalidIpv6Addr => Problem::Host,
        ParseErrorKind::UnexpectedChar => Problem::Character,
    })?;
    if uri.fragment().is_some() {
        return Err(Problem::Fragment);
    }
    // An address has one: it starts with `scheme://`.
    let authority = uri.authority().ok_or(Problem::Host)?;
    let (user, password) = login(authority, defaults)?;
    let host = host(authority)?;
    let port = port(authority, transport)?;
    let virtual_host = virtual_host(uri.path(), &defaults.virtual_host)?;
    let mut query = uri
        .query()
        .map_or_else(|| Ok(Query::of(defaults)), |query| Query::parse(query, defaults))?;
    let tls = match transport {
        Transport::Tcp => query.check_without_tls().map(|()| None)?,
        Transport::Tls => Some(query.tls_options(&host, &defaults.tls)?),
    };
    Ok(AmqpAddress {
        host,
        port,
        virtual_host,
        user,
        password,
        heartbeat: query.heartbeat,
        connection_timeout: query.connection_timeout,
        tls,
    })
}

/// Refuses an `@` behind the host. RFC 3986 would take it; but then `amqp://user:12/34@host` is
/// port 12 of the host `user`, and the rest of somebody's password a virtual host.
fn check_at_signs(address: &str) -> Result<(), Problem> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let behind = rest.split_once(['/', '?', '#']).map_or("", |(_, behind)| behind);
    if behind.contains('@') { Err(Problem::Character) } else { Ok(()) }
}

fn login(authority: Authority<'_>, defaults: &AmqpDefaults) -> Result<(String, Password), Problem> {
    let Some(userinfo) = authority.userinfo() else {
        return Ok((defaults.user.clone(), defaults.password.clone()));
    };
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, decoded("password", password)?),
        None => (userinfo, defaults.password.reveal().to_owned()),
    };
    let user = decoded("user", user)?;
    for (part, text) in [("user", &user), ("password", &password)] {
        if text.contains('\0') {
            return Err(Problem::ZeroByte { part });
        }
    }
    Ok((user, Password::new(password)))
}

fn host(authority: Authority<'_>) -> Result<String, Problem> {
    let name = match authority.host_parsed() {
        Host::Ipv4(address) => return Ok(address.to_string()),
        Host::Ipv6(address) => return Ok(address.to_string()),
        Host::RegName(name) => decoded("host", name)?,
        _ => return Err(Problem::Host),
    };
    if name.is_empty() {
        return Ok(DEFAULT_HOST.to_owned());
    }
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_name { Ok(name) } else { Err(Problem::Host) }
}

fn port(authority: Authority<'_>, transport: Transport) -> Result<u16, Problem> {
    match authority.port().filter(|port| !port.is_empty()) {
        None => Ok(transport.default_port()),
        Some(port) => {
            let port = port.as_str().parse().ok();
            port.filter(|&port| port > 0).ok_or(Problem::Port)
        }
    }
}

/// Nothing after the host is the default, mostly `/`; a `/` with nothing after it is the one whose
/// name is empty.
fn virtual_host(path: &EStr<encoder::Path>, default: &ShortString) -> Result<ShortString, Problem> {
    // The path is empty or starts with a `/`.
    let mut segments = path.split('/').skip(1);
    let Some(segment) = segments.next() else {
        return Ok(default.clone());
    };
    if segments.next().is_some() {
        return Err(Problem::VirtualHost);
    }
    let name = decoded("virtual host", segment)?;
    ShortString::new(name).map_err(|error| Problem::VirtualHostTooLong { bytes: error.length })
}

/// `text` without its percent-encoding.
pub(super) fn decoded<E: Encoder>(part: &'static str, text: &EStr<E>) -> Result<String, Problem> {
    let decoded = text.decode().to_string().map_err(|_| Problem::NotUtf8 { part })?;
    Ok(decoded.into_owned())
}
