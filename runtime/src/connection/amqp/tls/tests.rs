//! Every error from a file as somebody might have it, and handshakes with a server in memory.

use std::fs;
use std::io;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey as Generated, IsCa, KeyPair,
    generate_simple_self_signed,
};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use super::*;
use crate::connection::AmqpAddress;

/// A directory with an authority, a client's pair of files, and whatever a test adds.
struct Files {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
    client: Generated<KeyPair>,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let client = generate_simple_self_signed(["program".to_owned()]).unwrap();
        let files = Self { directory, authority: authority(), client };
        files.write("ca.crt", &files.authority.pem());
        files.write("client.crt", &files.client.cert.pem());
        files.write("client.key", &files.client.signing_key.serialize_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The options of an address with this host; every `FILES` in the parameters is the directory.
    fn options(&self, host: &str, parameters: &str) -> TlsOptions {
        let directory = self.directory.path().to_str().unwrap();
        let address = format!("amqps://{host}?{}", parameters.replace("FILES", directory));
        address.parse::<AmqpAddress>().unwrap().tls().unwrap().clone()
    }

    fn connector(&self, parameters: &str) -> Result<TlsConnector, TlsOptionsError> {
        connector(&self.options("localhost", parameters))
    }

    /// The error of these parameters, which must name the file of this name.
    fn error_about(&self, name: &str, parameters: &str) -> TlsOptionsError {
        let error = self.connector(parameters).err().expect("an error");
        let path = self.path(name).display().to_string();
        assert!(error.to_string().starts_with(&path), "names {path}: {error}");
        error
    }

    /// A server's certificate for these names, by the authority.
    fn server(&self, names: &[&str]) -> ServerIdentity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let parameters = CertificateParams::new(names).unwrap();
        let certificate = parameters.signed_by(&key, &self.authority).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone()], key)
    }
}

type ServerIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// Whether a server asks for a client certificate.
enum Asks<'a> {
    Nobody,
    ClientsOf(&'a CertificateDer<'static>),
}

/// A handshake in memory: what came of it at the client's side, and then at the server's.
async fn handshake(
    options: &TlsOptions,
    (chain, key): ServerIdentity,
    asks: Asks<'_>,
) -> (io::Result<()>, io::Result<()>) {
    let provider = Arc::new(ring::default_provider());
    let verifier = match asks {
        Asks::Nobody => WebPkiClientVerifier::no_client_auth(),
        Asks::ClientsOf(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone()).unwrap();
            let roots = Arc::new(roots);
            let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            builder.build().unwrap()
        }
    };
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let name = options.parsed_server_name().clone();
    let client = connector(options).unwrap().connect(name, ours);
    let server = TlsAcceptor::from(Arc::new(server)).accept(theirs);
    let (client, server) = tokio::join!(client, server);
    (client.map(drop), server.map(drop))
}

fn pem(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

#[tokio::test]
async fn the_name_that_is_asked_for_must_be_the_certificates() {
    let files = Files::new();
    for (host, more, names, accepted) in [
        ("localhost", "", ["localhost"], true),
        ("127.0.0.1", "", ["127.0.0.1"], true),
        ("[::1]", "", ["::1"], true),
        ("10.0.0.1", "&server_name_indication=rabbit.example", ["rabbit.example"], true),
        ("rabbit.example", "", ["other.example"], false),
        ("127.0.0.1", "", ["localhost"], false),
        ("127.0.0.2", "", ["127.0.0.1"], false),
    ] {
        let options = files.options(host, &format!("cacertfile=FILES/ca.crt{more}"));
        let (client, _) = handshake(&options, files.server(&names), Asks::Nobody).await;
        assert_eq!(client.is_ok(), accepted, "{host}{more} of {names:?}: {client:?}");
        if let Err(error) = client {
            assert!(error.to_string().contains("not valid for name"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_taken_only_with_verify_none() {
    let (files, stranger) = (Files::new(), Files::new());
    for (parameters, accepted) in [
        ("cacertfile=FILES/ca.crt", false),
        ("cacertfile=FILES/ca.crt&verify=verify_peer", false),
        ("", false),
        ("verify=verify_none", true),
    ] {
        let options = files.options("localhost", parameters);
        let server = stranger.server(&["elsewhere.example"]);
        let (client, _) = handshake(&options, server, Asks::Nobody).await;
        assert_eq!(client.is_ok(), accepted, "{parameters}: {client:?}");
    }
}

#[tokio::test]
async fn a_broker_that_asks_for_a_certificate_is_shown_it() {
    let files = Files::new();
    let known = files.client.cert.der();
    let stranger = Files::new();
    for (parameters, asks, accepted) in [
        ("&certfile=FILES/client.crt&keyfile=FILES/client.key", known, true),
        ("&certfile=FILES/client.crt&keyfile=FILES/client.key", stranger.client.cert.der(), false),
        ("", known, false),
    ] {
        let options = files.options("localhost", &format!("cacertfile=FILES/ca.crt{parameters}"));
        let server = files.server(&["localhost"]);
        let (_, server) = handshake(&options, server, Asks::ClientsOf(asks)).await;
        assert_eq!(server.is_ok(), accepted, "'{parameters}': {server:?}");
    }
}

#[test]
fn certificate_and_key_may_be_in_one_file() {
    let files = Files::new();
    let both = [files.client.signing_key.serialize_pem(), files.client.cert.pem()].concat();
    files.write("both.pem", &both);
    files.connector("verify=verify_none&certfile=FILES/both.pem").unwrap();
    // With nothing to check against, the file is not read.
    files.connector("verify=verify_none&cacertfile=FILES/no.ca").unwrap();
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let files = Files::new();
    for (name, parameters) in [
        ("no.ca", "cacertfile=FILES/no.ca"),
        ("no.crt", "cacertfile=FILES/ca.crt&certfile=FILES/no.crt"),
        ("no.key", "cacertfile=FILES/ca.crt&certfile=FILES/client.crt&keyfile=FILES/no.key"),
        ("", "cacertfile=FILES/"),
    ] {
        let error = files.error_about(name, parameters);
        assert!(matches!(error, TlsOptionsError::Unreadable { .. }), "{error}");
    }
}

#[test]
fn a_file_without_what_it_should_have_is_named() {
    let files = Files::new();
    files.write("empty.ca", "");
    for (name, parameters) in [
        ("empty.ca", "cacertfile=FILES/empty.ca"),
        ("client.key", "cacertfile=FILES/client.key"),
        ("client.key", "cacertfile=FILES/ca.crt&certfile=FILES/client.key"),
    ] {
        let error = files.error_about(name, parameters);
        assert!(matches!(error, TlsOptionsError::NoCertificate { .. }), "{error}");
    }
    // Without a `keyfile` the key is looked for beside the certificate.
    let error =
        files.error_about("client.crt", "cacertfile=FILES/ca.crt&certfile=FILES/client.crt");
    assert!(matches!(error, TlsOptionsError::NoKey { .. }), "{error}");
    assert!(error.to_string().contains("'keyfile'"), "{error}");
}

#[test]
fn a_key_that_can_not_be_used_says_why() {
    let files = Files::new();
    files.write("locked.key", &pem("ENCRYPTED PRIVATE KEY", "AAAA"));
    files.write("cut.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    files.write("bad.key", &pem("PRIVATE KEY", "c2VjcmV0*c2VjcmV0"));
    files.write("fake.key", &pem("PRIVATE KEY", "AAAA"));
    files.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let error = |name: &str| {
        let certificate = "cacertfile=FILES/ca.crt&certfile=FILES/client.crt";
        files.error_about(name, &format!("{certificate}&keyfile=FILES/{name}"))
    };
    let locked = error("locked.key");
    assert!(matches!(locked, TlsOptionsError::EncryptedKey { .. }), "{locked}");
    let cut = error("cut.key");
    assert!(matches!(cut, TlsOptionsError::Malformed { .. }), "{cut}");
    let bad = error("bad.key");
    assert!(matches!(bad, TlsOptionsError::Malformed { .. }), "{bad}");
    assert!(!bad.to_string().contains("c2VjcmV0"), "no line of a key is shown: {bad}");
    let fake = error("fake.key");
    assert!(matches!(fake, TlsOptionsError::InvalidKey { .. }), "{fake}");
    let other = error("other.key");
    assert!(matches!(other, TlsOptionsError::KeyMismatch { .. }), "{other}");
    assert!(other.to_string().contains("client.crt"), "{other}");
}

#[test]
fn what_only_looks_like_a_certificate_is_invalid() {
    let files = Files::new();
    files.write("fake.crt", &pem("CERTIFICATE", "AAAA"));
    for parameters in [
        "cacertfile=FILES/fake.crt",
        "cacertfile=FILES/ca.crt&certfile=FILES/fake.crt&keyfile=FILES/client.key",
    ] {
        let error = files.error_about("fake.crt", parameters);
        assert!(matches!(error, TlsOptionsError::InvalidCertificate { .. }), "{error}");
    }
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let error = Files::new().connector("cacertfile=/dev/zero").err();
    assert!(matches!(error, Some(TlsOptionsError::TooLarge { .. })), "{error:?}");
}

#[test]
fn a_system_without_authorities_says_what_to_do() {
    let files = Files::new();
    files.write("none.pem", "");
    let none = rustls_native_certs::load_certs_from_paths(Some(&files.path("none.pem")), None);
    let text = authorities_of(none).unwrap_err().to_string();
    assert!(text.contains("ca-certificates") && text.contains("'cacertfile'"), "{text}");
    let missing = rustls_native_certs::load_certs_from_paths(Some(&files.path("no.pem")), None);
    let text = authorities_of(missing).unwrap_err().to_string();
    assert!(text.contains("no.pem"), "the reason is told: {text}");
    let one = rustls_native_certs::load_certs_from_paths(Some(&files.path("ca.crt")), None);
    assert_eq!(authorities_of(one).unwrap().len(), 1);
}
