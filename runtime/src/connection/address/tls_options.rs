use std::borrow::Cow;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::ServerName;

/// How an `amqps://` address is spoken to: what RabbitMQ's
/// [query parameters](https://www.rabbitmq.com/docs/uri-query-parameters) of TLS say.
///
/// The files are not read yet: that is done on the way to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    pub(super) verify: Verify,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) client_certificate: Option<ClientCertificate>,
    pub(super) server_name: ServerName<'static>,
}

/// Whether the broker's certificate is checked (`verify`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// `verify_peer`: it comes from an authority that is trusted, is valid now, and is made out to
    /// the [server's name](TlsOptions::server_name). Unlike RabbitMQ's own client, which warns
    /// and does without, this is what happens if nothing is said.
    #[default]
    Peer,
    /// `verify_none`: whoever answers is believed to be the broker, and is told the password.
    None,
}

/// The files that the program proves with who it is (`certfile` and `keyfile`), in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub(super) certificate_file: PathBuf,
    pub(super) key_file: PathBuf,
}

/// What is meant of TLS where an address says nothing of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsDefaults {
    pub(crate) verify: Verify,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    /// The host if absent.
    pub(crate) server_name: Option<ServerName<'static>>,
}

impl TlsDefaults {
    /// The same, with this name in the broker's certificate; none if no certificate can have it.
    pub(crate) fn named(self, name: &str) -> Option<Self> {
        let name = ServerName::try_from(name.to_owned()).ok()?;
        Some(Self { server_name: Some(name), ..self })
    }
}

impl TlsOptions {
    /// Whether the broker's certificate is checked.
    #[must_use]
    pub fn verify(&self) -> Verify {
        self.verify
    }

    /// The authorities that are trusted (`cacertfile`); without, it is those of the system. With
    /// [`Verify::None`] nobody asks for them, and the file is not read.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// The program's own certificate, for brokers that ask for one.
    #[must_use]
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.client_certificate.as_ref()
    }

    /// The name or IP address that the broker's certificate must be made out to, which the broker
    /// is also asked for (`server_name_indication`); without, it is the address's host.
    #[must_use]
    pub fn server_name(&self) -> Cow<'_, str> {
        self.server_name.to_str()
    }

    /// The same, parsed.
    pub(in crate::connection) fn parsed_server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }
}

impl ClientCertificate {
    /// The certificate, and after it those that lead to the authority.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.certificate_file
    }

    /// The first certificate's private key: PKCS#8, PKCS#1 or SEC1, not encrypted. If no file is
    /// named for it, it is in the certificate's, as with RabbitMQ's own client.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }
}
