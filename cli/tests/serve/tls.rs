use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};

use crate::harness::{Springhare, greet_over, within_limit};

/// An authority, and a server's certificate of it in files.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
        let authority = Self { directory: tempfile::tempdir().unwrap(), issuer };
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &authority.issuer).unwrap();
        authority.write("ca.crt", &authority.issuer.pem());
        authority.write("server.crt", &certificate.pem());
        authority.write("server.key", &key.serialize_pem());
        authority
    }

    /// A certificate for a client.
    fn client(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["client".to_owned()]).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), key)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// Starts a server with TLS alone.
    fn serve(&self, more: &[&str]) -> Springhare {
        let (certificate, key) = (self.path("server.crt"), self.path("server.key"));
        let files = ["--tls-cert", &certificate, "--tls-key", &key];
        Springhare::run(&[&["serve", "--tls-listen", "127.0.0.1:0"], &files[..], more].concat())
    }

    /// Greets the server over TLS; which version of TLS it was.
    async fn greet(
        &self,
        address: SocketAddr,
        version: &'static SupportedProtocolVersion,
        identity: Option<Identity>,
    ) -> io::Result<ProtocolVersion> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            Some((certificate, key)) => {
                config.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let socket = TcpStream::connect(address).await?;
        let mut stream = within_limit("the TLS handshake", connector.connect(name, socket)).await?;
        greet_over(&mut stream).await?;
        Ok(stream.get_ref().1.protocol_version().unwrap())
    }
}

#[tokio::test]
async fn a_client_speaks_amqp_over_tls_1_2_and_1_3() {
    let authority = Authority::new();
    let mut server = authority.serve(&[]);
    let line = server.ready_line().await;
    let address = line.split("ready: amqps ").nth(1).unwrap().split(' ').next().unwrap();
    let address = address.parse().unwrap();
    assert!(!line.contains("amqp "), "nothing listens without TLS: {line}");
    for (version, expected) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        assert_eq!(authority.greet(address, version, None).await.unwrap(), expected);
    }
    assert_eq!(server.terminated().await.code, Some(0));
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_where_one_is_asked_for() {
    let authority = Authority::new();
    let mut server = authority.serve(&["--tls-client-ca", &authority.path("ca.crt")]);
    let address = server.address().await;
    let stranger = Authority::new().client();
    for version in [&TLS12, &TLS13] {
        authority.greet(address, version, None).await.unwrap_err();
        let (certificate, key) = (stranger.0.clone(), stranger.1.clone_key());
        authority.greet(address, version, Some((certificate, key))).await.unwrap_err();
        authority.greet(address, version, Some(authority.client())).await.unwrap();
    }
    assert_eq!(server.terminated().await.code, Some(0));
}

#[tokio::test]
async fn both_kinds_of_listeners_are_in_the_ready_line() {
    let authority = Authority::new();
    let mut server = authority.serve(&["--listen", "127.0.0.1:0"]);
    let line = server.ready_line().await;
    assert!(line.contains(" ready: amqp 127.0.0.1:"), "{line}");
    assert!(line.contains(", amqps 127.0.0.1:"), "{line}");
}

#[tokio::test]
async fn files_that_do_not_go_together_are_told() {
    let authority = Authority::new();
    let other = KeyPair::generate().unwrap();
    authority.write("other.key", &other.serialize_pem());
    let (certificate, key) = (authority.path("server.crt"), authority.path("other.key"));
    let listen = ["serve", "--tls-listen", "127.0.0.1:0"];
    for (files, words) in [
        (&["--tls-cert", &certificate, "--tls-key", &key][..], "does not belong"),
        (&["--tls-cert", &certificate, "--tls-key", &certificate], "no private key"),
        (&["--tls-cert", "/no.crt", "--tls-key", &key], "/no.crt: "),
        (&["--tls-cert", &certificate], "--tls-key"),
        (&[], "--tls-cert"),
    ] {
        let ended = Springhare::run(&[&listen, files].concat()).ended().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
    }
}
