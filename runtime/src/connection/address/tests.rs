use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::AmqpAddressProblem as Problem;
use super::*;

fn amqp(text: &str) -> AmqpAddress {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn problem(text: &str) -> Problem {
    match text.parse::<Address>() {
        Err(AddressError::Amqp { problem, .. }) => problem,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_uris_of_the_specification_are_read() {
    // Its appendix A; what is absent there has the defaults that RabbitMQ's clients agree on.
    for (text, user, password, host, port, virtual_host) in [
        ("amqp://user:pass@host:10000/vhost", "user", "pass", "host", 10000, "vhost"),
        (
            "amqp://user%61:%61pass@ho%61st:10000/v%2fhost",
            "usera",
            "apass",
            "hoast",
            10000,
            "v/host",
        ),
        ("amqp://", "guest", "guest", "localhost", 5672, "/"),
        ("amqp://:@/", "", "", "localhost", 5672, ""),
        ("amqp://user@", "user", "guest", "localhost", 5672, "/"),
        ("amqp://user:pass@", "user", "pass", "localhost", 5672, "/"),
        ("amqp://host", "guest", "guest", "host", 5672, "/"),
        ("amqp://:10000", "guest", "guest", "localhost", 10000, "/"),
        ("amqp:///vhost", "guest", "guest", "localhost", 5672, "vhost"),
        ("amqp://host/", "guest", "guest", "host", 5672, ""),
        ("amqp://host/%2f", "guest", "guest", "host", 5672, "/"),
        ("amqp://[::1]", "guest", "guest", "::1", 5672, "/"),
        ("amqps://[::1]:5000", "guest", "guest", "::1", 5000, "/"),
        ("AMQPS://10.0.0.1:", "guest", "guest", "10.0.0.1", 5671, "/"),
        ("amqp://u:a,b:c@host/..", "u", "a,b:c", "host", 5672, ".."),
        ("amqp://u:p%C3%A4%40%2F+@my_host", "u", "pä@/+", "my_host", 5672, "/"),
    ] {
        let read = amqp(text);
        assert_eq!((read.user(), read.password().reveal()), (user, password), "{text}");
        assert_eq!((read.host(), read.port()), (host, port), "{text}");
        assert_eq!(read.virtual_host(), &virtual_host, "{text}");
        assert_eq!(read.tls().is_some(), text.to_lowercase().starts_with("amqps"), "{text}");
    }
}

#[test]
fn parameters_are_read_and_have_defaults() {
    let plain = amqp("amqp://host?");
    assert_eq!(plain.heartbeat(), HEARTBEAT_SECONDS);
    assert_eq!(plain.connection_timeout(), CONNECTION_TIMEOUT);
    let read = amqp("amqp://host/v?heartbeat=0&connection_timeout=1500");
    assert_eq!(read.heartbeat(), 0);
    assert_eq!(read.connection_timeout(), Duration::from_millis(1500));

    let tls = amqp("amqps://host").tls().unwrap().clone();
    assert_eq!((tls.verify(), tls.ca_file()), (Verify::Peer, None));
    assert_eq!((tls.client_certificate(), &*tls.server_name()), (None, "host"));
    let read = amqp(
        "amqps://10.0.0.1?cacertfile=/etc/my+ca%20s.pem&certfile=me.pem&keyfile=me.key\
         &verify=verify_none&server_name_indication=rabbit.example",
    );
    let tls = read.tls().unwrap();
    assert_eq!(tls.verify(), Verify::None);
    assert_eq!(tls.ca_file(), Some("/etc/my+ca s.pem".as_ref()));
    let certificate = tls.client_certificate().unwrap();
    assert_eq!(certificate.certificate_file(), "me.pem");
    assert_eq!(certificate.key_file(), "me.key");
    assert_eq!(tls.server_name(), "rabbit.example");
    let one_file = amqp("amqps://[::1]?certfile=me.pem&verify=verify_peer");
    let tls = one_file.tls().unwrap();
    assert_eq!(tls.client_certificate().unwrap().key_file(), "me.pem");
    assert_eq!(tls.server_name(), "::1");
}

#[test]
fn every_problem_is_told_apart() {
    let long = format!("amqp://h/{}", "v".repeat(256));
    let value = |name, expected| Problem::ParameterValue { name, expected };
    let seconds = "a number of seconds up to 65535";
    let milliseconds = "a number of milliseconds, 1 or more";
    for (text, expected) in [
        ("amqp://u:p w@h", Problem::Character),
        ("amqp://u:pä@h", Problem::Character),
        ("amqp://u:p@w@h", Problem::Character),
        ("amqp://u:12/34@h", Problem::Character),
        ("amqp://h/v@x", Problem::Character),
        ("amqp://u:5%@h", Problem::PercentEncoding),
        ("amqp://u:%zz@h", Problem::PercentEncoding),
        ("amqp://u:%ff@h", Problem::NotUtf8 { part: "password" }),
        ("amqp://%ff@h", Problem::NotUtf8 { part: "user" }),
        ("amqp://h/%ff", Problem::NotUtf8 { part: "virtual host" }),
        ("amqp://u%00:p@h", Problem::ZeroByte { part: "user" }),
        ("amqp://u:%00@h", Problem::ZeroByte { part: "password" }),
        ("amqp://a,b", Problem::Host),
        ("amqp://a, http://b", Problem::Character),
        ("amqp://[::1", Problem::Character),
        ("amqp://[::xyz]", Problem::Character),
        ("amqp://[v1.x]", Problem::Host),
        ("amqp://%20", Problem::Host),
        ("amqps://a..b", Problem::Host),
        ("amqp://user:secret", Problem::Character),
        ("amqp://h:0", Problem::Port),
        ("amqp://h:65536", Problem::Port),
        ("amqp://h/a/b", Problem::VirtualHost),
        (&long, Problem::VirtualHostTooLong { bytes: 256 }),
        ("amqp://h#x", Problem::Fragment),
        ("amqp://h?heartbeats=1", Problem::UnknownParameter { name: "heartbeats".to_owned() }),
        ("amqp://h?heartbeat=1&heartbeat=1", Problem::RepeatedParameter { name: "heartbeat" }),
        ("amqp://h?heartbeat", value("heartbeat", seconds)),
        ("amqp://h?heartbeat=65536", value("heartbeat", seconds)),
        ("amqp://h?connection_timeout=0", value("connection_timeout", milliseconds)),
        ("amqps://h?verify=true", value("verify", "'verify_peer' or 'verify_none'")),
        ("amqps://h?cacertfile=", value("cacertfile", "the path of a file in PEM")),
        ("amqp://h?verify=verify_none", Problem::TlsParameter { name: "verify" }),
        ("amqps://h?keyfile=me.key", Problem::KeyWithoutCertificate),
    ] {
        assert_eq!(problem(text), expected, "{text}");
    }
    for wrong in ["disable", "", "a%20b"] {
        let found = problem(&format!("amqps://h?server_name_indication={wrong}"));
        let is_value =
            matches!(found, Problem::ParameterValue { name: "server_name_indication", .. });
        assert!(is_value, "{wrong}: {found}");
    }
}

#[test]
fn an_unknown_parameter_is_told_all_that_are_known() {
    let text = "amqp://u:s3cret@host/v?heartbeats=1".parse::<Address>().unwrap_err().to_string();
    assert_eq!(
        text,
        "'amqp://host' can't be used: there is no parameter 'heartbeats'; there are heartbeat and \
         connection_timeout, and with amqps:// cacertfile, certfile, keyfile, verify, \
         server_name_indication"
    );
}

#[test]
fn several_addresses_are_a_failover_list() {
    let text = " amqp://u:a,b@one ,amqps://u:p@[::2]:7/%20é".replace('é', "%C3%A9");
    let Ok(Address::Amqp(list)) = text.parse() else { panic!("{text}") };
    assert_eq!(list.to_string(), "amqp://one:5672/%2F,amqps://[::2]:7/%20%C3%A9");
    assert_eq!(list.iter().count(), 2);
    assert_eq!(list.first().password().reveal(), "a,b");
    assert!(list.iter().eq(&list));
    for mixed in ["embedded:,amqp://a", "amqp://u:s3cret@a:1, embedded:", "embedded:,embedded:"] {
        let error = mixed.parse::<Address>().unwrap_err();
        assert!(matches!(error, AddressError::EmbeddedInList { .. }), "{mixed}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    assert_eq!(problem("amqp://a,"), Problem::Host);
    assert_eq!(problem("amqp://a,amqp://b:c"), Problem::Character);
}

#[test]
fn what_is_shown_can_be_read_again() {
    for text in ["amqp://u:p@h:1/%2F", "amqp://h/", "amqps://[2001:db8::1]/a%2Fb%20c%25"] {
        let shown = amqp(text).to_string();
        assert_eq!(amqp(&shown).to_string(), shown, "{text}");
        assert_eq!(amqp(&shown).virtual_host(), amqp(text).virtual_host(), "{text}");
    }
}

#[test]
fn what_is_not_known_says_so() {
    assert_eq!(" embedded: ".parse(), Ok(Address::Embedded(EmbeddedAddress::default())));
    let wrong = "embedded:./data?x".parse::<Address>().unwrap_err();
    assert!(matches!(wrong, AddressError::Embedded { .. }), "{wrong}");
    for wrong in ["", "http://x", "memory", "amqp:host", "localhost:5672", "x:s3cret@h"] {
        let unknown = wrong.parse::<Address>().unwrap_err();
        assert!(matches!(unknown, AddressError::UnknownScheme { .. }), "{wrong}");
        assert!(!unknown.to_string().contains("s3cret"), "{unknown}");
    }
}

/// A piece of a password that stands nowhere else.
const SECRET: &str = "S3CR3T";

proptest! {
    /// Whatever stands around the secret, in whatever address: it is read as part of the password,
    /// or the error is silent about it.
    #[test]
    fn no_text_ever_shows_the_password(
        scheme in "(amqp|amqps|AMQP|embedded|http|amq\\+p|)",
        user in "[a-z:%]{0,4}",
        before in "[ -~\\t\\né]{0,6}",
        after in "[ -~\\t\\né]{0,6}",
        tail in "(|:5672|:x|/v|/v/w|/%2f\\?heartbeat=x|\\?nothing=1|,amqp://b|, embedded:|#f)",
        separator in "(://|:)",
    ) {
        let text = format!("{scheme}{separator}{user}:{before}{SECRET}{after}@host{tail}");
        let parsed = text.parse::<Address>();
        let mut shown = format!("{parsed:?} {parsed:#?}");
        match &parsed {
            Ok(address) => shown.push_str(&address.to_string()),
            Err(error) => shown.push_str(&error.to_string()),
        }
        prop_assert!(!shown.contains(SECRET), "{text:?} shows {shown}");
    }

    /// What is percent-encoded comes out as it went in.
    #[test]
    fn percent_encoding_carries_every_character(password in "[^\\x00]{0,12}") {
        let mut encoded = fluent_uri::pct_enc::EString::<fluent_uri::pct_enc::encoder::Data>::new();
        encoded.encode_str::<fluent_uri::pct_enc::encoder::Data>(&password);
        let read = amqp(&format!("amqp://user:{}@host", encoded.as_str()));
        prop_assert_eq!(read.password().reveal(), password);
        prop_assert_eq!(read.host(), "host");
    }
}

#[test]
fn each_attempt_takes_the_addresses_in_the_order_that_was_chosen() {
    let Ok(Address::Amqp(addresses)) = "amqp://a,amqp://b,amqp://c".parse() else {
        panic!("three addresses");
    };
    let hosts = |order, turn| {
        let ordered = addresses.in_order(order, turn);
        ordered.into_iter().map(AmqpAddress::host).collect::<Vec<_>>()
    };
    for turn in 0..4 {
        assert_eq!(hosts(AddressOrder::AsGiven, turn), ["a", "b", "c"]);
    }
    let in_turn = (0..4).map(|turn| hosts(AddressOrder::InTurn, turn).concat());
    assert_eq!(in_turn.collect::<Vec<_>>(), ["abc", "bca", "cab", "abc"]);
    let mut seen = BTreeSet::new();
    for _ in 0..1000 {
        seen.insert(hosts(AddressOrder::Random, 0).concat());
    }
    // Of six orders one is missing with a chance of 10 to the power of minus 78.
    let all = ["abc", "acb", "bac", "bca", "cab", "cba"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}
