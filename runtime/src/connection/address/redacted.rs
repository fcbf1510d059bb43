//! An address that can't be used, as an error may show it.

/// What of `address` can't be a secret: its scheme, its host and its port.
///
/// An address that can't be read may have a password where none is expected: without its `@`,
/// where the port should be, or cut in two by a `/`. So everything before the last `@` is left out,
/// a port that is none, and whatever follows.
pub(super) fn redacted(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, address),
    };
    let authority = rest.rsplit_once('@').map_or(rest, |(_, authority)| authority);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    format!("{scheme}{}", host_and_port(authority))
}

/// The host, and what stands behind its colon if that is a port.
fn host_and_port(authority: &str) -> &str {
    let host_length = match authority.find(']').filter(|_| authority.starts_with('[')) {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_length);
    let is_port = port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if is_port { authority } else { host }
}

fn is_scheme(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_stay() {
        for (address, shown) in [
            ("amqp://user:s3cret@host:5672/%2f?heartbeat=5", "amqp://host:5672"),
            ("amqps://user:s3cret@[::1]:5671", "amqps://[::1]:5671"),
            ("amqps://[::1]", "amqps://[::1]"),
            ("http://host/x", "http://host"),
            ("localhost:5672", "localhost:5672"),
            ("memory", "memory"),
            ("", ""),
        ] {
            assert_eq!(redacted(address), shown, "{address}");
        }
    }

    #[test]
    fn a_password_in_the_wrong_place_goes() {
        for (address, shown) in [
            ("amqp://user:s3cret", "amqp://user"),
            ("amqp://user:s3/cret", "amqp://user"),
            ("amqp://user:123456789", "amqp://user"),
            ("amqp://user:s3/cr@t?#@host/v", "amqp://host"),
            ("amqp://user:s3cret@", "amqp://"),
            ("x:s3cret@host", "host"),
            ("x:s3cret://y@host", "host"),
            ("[s3cret:s3cret@host", "host"),
        ] {
            assert_eq!(redacted(address), shown, "{address}");
        }
    }
}
