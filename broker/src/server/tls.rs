//! Certificates and keys for listening with TLS.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    ConfigBuilder, Error as RustlsError, InconsistentKeys, RootCertStore, ServerConfig,
    WantsVerifier,
};

/// The largest file of certificates or with a key that is read, in bytes; all of a system's
/// authorities together take a fifth of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The files that [`TlsConfig`] is read from, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and after it those that lead to the authority.
    pub certificates: PathBuf,
    /// The private key of the first certificate: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
    /// The authorities that clients' certificates must come from. With them, a client without a
    /// certificate is refused, as with RabbitMQ's `verify_peer` and `fail_if_no_peer_cert`;
    /// without, no client is asked for one.
    pub client_ca: Option<PathBuf>,
}

/// How a broker listens with TLS 1.2 and 1.3. A clone shares what was read.
#[derive(Clone)]
pub struct TlsConfig {
    server: Arc<ServerConfig>,
}

/// Why a [`TlsConfig`] can't be read. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file is not there, or can't be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is larger than any file of certificates.
    #[error(
        "{}: the file is larger than {FILE_BYTES_MAX} bytes, which no certificate is",
        file.display()
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The file has a section that is not PEM.
    #[error("{}: this is not PEM: {source}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where its reading ended.
        source: pem::Error,
    },
    /// The file has no section `CERTIFICATE`.
    #[error(
        "{}: there is no certificate in this file ('BEGIN CERTIFICATE', in PEM)",
        file.display()
    )]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// The file has no section with a private key.
    #[error(
        "{}: there is no private key in this file ('BEGIN PRIVATE KEY', in PEM)",
        file.display()
    )]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// The private key is protected by a password.
    #[error(
        "{}: the private key is encrypted, and nobody is there to ask for its password: write it \
         without one (openssl pkey -in .. -out ..) and guard the file",
        file.display()
    )]
    EncryptedKey {
        /// The file.
        file: PathBuf,
    },
    /// What stands in the file as a certificate is none.
    #[error("{}: the certificate can't be used: {source}", file.display())]
    InvalidCertificate {
        /// The file.
        file: PathBuf,
        /// What rustls says.
        source: RustlsError,
    },
    /// What stands in the file as a key is none, or one of a kind that is not supported.
    #[error("{}: the private key can't be used: {source}", file.display())]
    InvalidKey {
        /// The file.
        file: PathBuf,
        /// What rustls says.
        source: RustlsError,
    },
    /// The key is that of another certificate.
    #[error(
        "{}: the private key does not belong to the first certificate in {}",
        key.display(),
        certificates.display()
    )]
    KeyMismatch {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificates.
        certificates: PathBuf,
    },
}

impl TlsConfig {
    /// Reads certificates and key, and checks that they belong together.
    ///
    /// # Errors
    ///
    /// A file that can't be read, has not in it what it should have, or does not match the other.
    pub fn from_pem_files(files: TlsFiles) -> Result<Self, TlsError> {
        let TlsFiles { certificates, key, client_ca } = files;
        let provider = Arc::new(ring::default_provider());
        let identity = read_identity(certificates, key, &provider)?;
        let verifier = match client_ca {
            Some(file) => read_client_verifier(file, &provider)?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let server = builder(provider)
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        Ok(Self { server: Arc::new(server) })
    }

    /// Takes the server's side of the TLS handshake.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }
}

impl fmt::Debug for TlsConfig {
    /// Without what is in it: there is a private key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "ring has cipher suites for TLS 1.2 and for 1.3")]
fn builder(provider: Arc<CryptoProvider>) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let builder = ServerConfig::builder_with_provider(provider);
    builder.with_safe_default_protocol_versions().expect("ring supports TLS 1.2 and 1.3")
}

/// The server's certificates with the key of the first.
fn read_identity(
    certificates: PathBuf,
    key: PathBuf,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = read_certificates(&certificates)?;
    let signing = match provider.key_provider.load_private_key(read_key(&key)?) {
        Ok(signing) => signing,
        Err(source) => return Err(TlsError::InvalidKey { file: key, source }),
    };
    let identity = CertifiedKey::new(chain, signing);
    match identity.keys_match() {
        // A key that does not tell its public half can't be compared.
        Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(RustlsError::InconsistentKeys(_)) => Err(TlsError::KeyMismatch { key, certificates }),
        Err(source) => Err(TlsError::InvalidCertificate { file: certificates, source }),
    }
}

/// Asks every client for a certificate of one of these authorities.
fn read_client_verifier(
    file: PathBuf,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut authorities = RootCertStore::empty();
    for certificate in read_certificates(&file)? {
        if let Err(source) = authorities.add(certificate) {
            return Err(TlsError::InvalidCertificate { file, source });
        }
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider))
        .build()
        // All that it refuses is to go without an authority.
        .map_err(|_| TlsError::NoCertificate { file })
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Malformed { file: file.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(file)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|source| {
        let file = file.to_owned();
        match source {
            pem::Error::NoItemsFound if is_encrypted(&bytes) => TlsError::EncryptedKey { file },
            pem::Error::NoItemsFound => TlsError::NoKey { file },
            source => TlsError::Malformed { file, source },
        }
    })
}

/// Whether there is a section `ENCRYPTED PRIVATE KEY`, which the PEM reader passes over.
fn is_encrypted(pem: &[u8]) -> bool {
    let begin = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    pem.windows(begin.len()).any(|window| window == begin)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let mut content = File::open(file).map_err(unreadable)?.take(FILE_BYTES_MAX + 1);
    content.read_to_end(&mut bytes).map_err(unreadable)?;
    if content.limit() == 0 {
        return Err(TlsError::TooLarge { file: file.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
