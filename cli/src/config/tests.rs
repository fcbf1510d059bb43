use springhare_broker::BrokerConfig;

use super::*;

/// The example of the documentation, which is a file that works.
const DOCUMENTATION: &str = include_str!("../../../docs/server.md");

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/springhare/server.toml"), text)
}

/// What is said about this file, which must be one line.
fn error(text: &str) -> String {
    let error = parse(text).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn an_empty_file_says_nothing() {
    let config = parse("").unwrap();
    assert!(config.listen.is_none() && config.users.is_empty());
}

#[test]
fn every_key_of_a_flag_is_taken() {
    let config = parse(
        r#"
        listen = ["127.0.0.1:5672", "[::1]:5672"]
        tls_listen = ["0.0.0.0:5671"]
        tls_cert = "server.crt"
        tls_key = "/keys/server.key"
        tls_client_ca = "ca.crt"
        data = "data"
        durability = "os"
        definitions = "definitions.json"
        log = "json"
        log_level = "info,springhare_broker=debug"
        shutdown_timeout = 1.5
        "#,
    )
    .unwrap();
    assert_eq!(config.listen.unwrap().len(), 2);
    assert_eq!(config.tls_listen.unwrap().len(), 1);
    assert_eq!(config.log, Some(LogFormat::Json));
    assert_eq!(config.shutdown_timeout.unwrap().0.as_millis(), 1500);
    // Relative paths begin at the file.
    assert_eq!(config.tls_cert.unwrap(), Path::new("/etc/springhare/server.crt"));
    assert_eq!(config.tls_key.unwrap(), Path::new("/keys/server.key"));
    assert_eq!(config.tls_client_ca.unwrap(), Path::new("/etc/springhare/ca.crt"));
    assert_eq!(config.data.unwrap(), Path::new("/etc/springhare/data"));
    assert_eq!(config.durability.unwrap().0, springhare_broker::Durability::Os);
    assert_eq!(config.definitions.unwrap(), Path::new("/etc/springhare/definitions.json"));
}

#[test]
fn a_wrong_key_is_named_with_its_place_and_the_right_one() {
    assert_eq!(
        error("log = \"json\"\n  lisen = [\"127.0.0.1:1\"]\n"),
        "/etc/springhare/server.toml:2:3: there is no key 'lisen' here; did you mean 'listen'?"
    );
    assert!(error("[limits]\nchanel_max = 1").ends_with("did you mean 'channel_max'?"));
    assert!(error("[[users]]\nname = \"a\"\npasword = \"b\"").ends_with("mean 'password'?"));
    let unlike = error("[users.x]\n");
    assert!(unlike.contains("server.toml:1:"), "{unlike}");
    let unlike = error("zzz = 1");
    assert!(unlike.contains("no key 'zzz' here; known are listen, tls_listen, "), "{unlike}");
}

#[test]
fn a_wrong_value_is_told_with_its_place() {
    for (text, place, words) in [
        ("listen = [\"localhost:5672\"]", "1:10", "'localhost:5672' is no IP address"),
        ("\nlisten = \"127.0.0.1:5672\"", "2:10", "expected a sequence"),
        ("log = \"xml\"", "1:7", "unknown variant `xml`, expected `human` or `json`"),
        ("log_level = \"inof\"", "1:13", "'inof' is no level"),
        ("durability = \"memory\"", "1:14", "leave the data folder out"),
        ("shutdown_timeout = -1", "1:20", "no time in seconds"),
        ("[limits]\nchannel_max = \"many\"", "2:15", "invalid type"),
        ("[limits]\nchannel_max = -1", "2:15", "invalid value"),
        ("[[users]]\nname = 7", "2:8", "invalid type"),
        ("[[users]]\npassword = \"x\"", "1:1", "missing field `name`"),
        ("listen = [", "1:1", ""),
        ("listen = 1\nlisten = 2", "2:1", "duplicate key"),
    ] {
        let error = error(text);
        let expected = format!("/etc/springhare/server.toml:{place}");
        assert!(error.starts_with(&expected) && error.contains(words), "{text}: {error}");
    }
}

#[test]
fn users_must_make_sense() {
    let user = |rest: &str| error(&format!("\n[[users]]\nname = \"alice\"\n{rest}"));
    let none = user("");
    assert!(none.contains("server.toml:2:1: the user 'alice' has no password"), "{none}");
    let two = user("password = \"a\"\npassword_hash = \"b\"");
    assert!(two.contains("one is enough"), "{two}");
    let second = user("password = \"a\"\n[[users]]\nname = \"alice\"\npassword = \"b\"");
    assert!(second.contains("server.toml:5:1: the user 'alice' is in the file"), "{second}");
    let host = user("password = \"a\"\n[users.permissions.orders]\nread = \".*\"");
    assert!(host.contains("the virtual host 'orders', which is not among"), "{host}");
}

#[test]
fn no_error_shows_a_password() {
    for text in [
        "[[users]]\nname = \"a\"\npassword = 12345678",
        "[[users]]\nname = \"a\"\npassword = -12345678",
        "[[users]]\nname = \"a\"\npassword = 12345678.5",
        "[[users]]\nname = \"a\"\npassword = 99912345678999999999999",
        "[[users]]\nname = \"a\"\npassword = \"12345678",
        "[[users]]\nname = \"a\"\npassword = '12345678\n",
        "[[users]]\nname = \"a\"\npassword = \"\\12345678\"",
        "[[users]]\nname = \"a\"\npassword = x12345678",
        "[[users]]\nname = \"a\"\npassword = [\"12345678\"]",
        "[[users]]\nname = \"a\"\npassword = { a = \"12345678\" }",
        "[[users]]\nname = \"a\"\npassword = \"12345678\" \"12345678\"",
        "[[users]]\nname = \"a\"\npassword = \"12345678\"\npassword_hash = \"12345678\"",
        "[[users]]\nname = \"a\"\npassword = \"12345678\"\nx = 1",
    ] {
        let error = error(text);
        assert!(!error.contains("12345678"), "{text}: {error}");
    }
    let config = parse("[[users]]\nname = \"a\"\npassword = \"12345678\"").unwrap();
    assert!(!format!("{config:?}").contains("12345678"));
}

#[test]
fn the_example_of_the_documentation_works() {
    let example = DOCUMENTATION.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = parse(example).unwrap();
    assert_eq!(config.users.len(), 2);
    assert_eq!(config.virtual_hosts, ["orders"]);
    // What it says to be the default is it.
    assert_eq!(config.loopback_users.unwrap(), ["guest"]);
    let mut broker = BrokerConfig::default();
    config.limits.apply(&mut broker);
    config.server.apply(&mut broker);
    assert_eq!(broker, BrokerConfig::default());
}

#[test]
fn the_documentation_has_every_key() {
    // A key that is not known is answered with those that are.
    for table in ["", "[server]\n", "[limits]\n", "[[users]]\nname = \"a\"\n"] {
        let error = error(&format!("{table}zzz = 1"));
        let known = error.split("known are ").nth(1).unwrap().split(", ");
        for key in known {
            let is_there = [format!("\n{key} = "), format!("\n[{key}]"), format!("\n[[{key}]]")]
                .into_iter()
                .chain([format!("\n[{key}.orders]"), format!("\n[users.{key}.orders]")])
                .any(|written| DOCUMENTATION.contains(&written));
            assert!(is_there, "{key} in docs/server.md");
        }
    }
}
