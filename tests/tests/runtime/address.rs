//! An address that can't be used: what the start answers, and that no text shows the password.

use springhare::Error;
use springhare::connection::{AddressError, AmqpAddressProblem};
use springhare::prelude::*;

/// What the start answers to this address, in which the password is `s3cret`.
async fn refused(url: &str) -> AddressError {
    let builder = Springhare::builder().listeners(listeners![]).url(url);
    let Err(error) = builder.start().await else { panic!("{url}: it started") };
    for shown in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
        assert!(!shown.contains("s3cret"), "{url}: {shown}");
    }
    match error {
        Error::Address(error) => error,
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn an_address_that_can_not_be_used_stops_the_start() {
    use AmqpAddressProblem as Problem;
    let too_long = format!("amqp://u:s3cret@host/{}", "v".repeat(256));
    for (url, expected) in [
        ("amqp://u:s3/cret@host", Problem::Character),
        ("amqp://u:s3cret @host", Problem::Character),
        ("amqp://u:s3cret%@host", Problem::PercentEncoding),
        ("amqp://u:s3cret%ff@host", Problem::NotUtf8 { part: "password" }),
        ("amqp://u:s3cret%00@host", Problem::ZeroByte { part: "password" }),
        ("amqp://u:s3cret@host,other", Problem::Host),
        ("amqp://u:s3cret@host:70000", Problem::Port),
        ("amqp://u:s3cret@host/a/b", Problem::VirtualHost),
        (too_long.as_str(), Problem::VirtualHostTooLong { bytes: 256 }),
        ("amqp://u:s3cret@host#x", Problem::Fragment),
        ("amqp://u:s3cret@host?tls=1", Problem::UnknownParameter { name: "tls".to_owned() }),
        (
            "amqp://u:s3cret@host?heartbeat=5&heartbeat=6",
            Problem::RepeatedParameter { name: "heartbeat" },
        ),
        ("amqp://u:s3cret@host?verify=verify_peer", Problem::TlsParameter { name: "verify" }),
        ("amqps://u:s3cret@host?keyfile=key.pem", Problem::KeyWithoutCertificate),
    ] {
        let error = refused(url).await;
        let text = error.to_string();
        assert!(text.starts_with("'amqp"), "it names the address: {text}");
        assert!(text.contains("://host"), "it names the address: {text}");
        assert!(
            matches!(&error, AddressError::Amqp { problem, .. } if *problem == expected),
            "{url}: {error:?}"
        );
    }
    for parameter in ["heartbeat=often", "connection_timeout=0"] {
        let error = refused(&format!("amqp://u:s3cret@host?{parameter}")).await;
        let problem = Problem::ParameterValue { name: "", expected: "" };
        let AddressError::Amqp { problem: found, .. } = &error else { panic!("{error:?}") };
        assert_eq!(std::mem::discriminant(found), std::mem::discriminant(&problem), "{error}");
        let name = parameter.split('=').next().unwrap();
        assert!(error.to_string().contains(&format!("'{name}' is a number of")), "{error}");
    }
}

#[tokio::test]
async fn one_bad_address_spoils_the_list() {
    let error = refused("amqp://u:s3cret@one,amqp://u:s3cret@two:x").await;
    assert!(error.to_string().starts_with("'amqp://two'"), "{error}");
    let error = refused("amqp://u:s3cret@one, embedded:").await;
    assert!(matches!(error, AddressError::EmbeddedInList { .. }), "{error:?}");
    assert!(error.to_string().starts_with("'amqp://one,embedded:'"), "{error}");
}

#[tokio::test]
async fn what_is_no_address_says_what_one_starts_with() {
    for url in ["", "http://u:s3cret@host", "u:s3cret@host:5672", "localhost:5672"] {
        let error = refused(url).await;
        assert!(matches!(error, AddressError::UnknownScheme { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains("'embedded:', 'amqp://' or 'amqps://'"), "{error}");
    }
    let error = refused("embedded://data").await;
    assert!(matches!(error, AddressError::Embedded { .. }), "{error:?}");
}
