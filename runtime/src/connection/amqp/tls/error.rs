use std::io;
use std::path::PathBuf;

use tokio_rustls::rustls::Error as RustlsError;
use tokio_rustls::rustls::pki_types::pem;

use super::pem::FILE_BYTES_MAX;

/// Why the TLS options of an `amqps://` address can't be followed. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsOptionsError {
    /// The file is not there, or can't be read.
    #[error(
        "{}: {source}; correct the path in the address (a relative one starts where the program \
         does) or who may read the file",
        file.display()
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is larger than any file of certificates.
    #[error(
        "{}: the file is larger than {FILE_BYTES_MAX} bytes, which no certificate is; name \
         another one in the address",
        file.display()
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The file has a section that is not PEM.
    #[error(
        "{}: this is not PEM: {source}; write the file anew (openssl x509 -in .. -out .. makes PEM \
         of a certificate, openssl pkey of a key)",
        file.display()
    )]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where its reading ended.
        source: pem::Error,
    },
    /// The file has no section `CERTIFICATE`.
    #[error(
        "{}: there is no certificate in this file; a certificate in PEM starts with 'BEGIN \
         CERTIFICATE'",
        file.display()
    )]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// The file has no section with a private key.
    #[error(
        "{}: there is no private key in this file ('BEGIN PRIVATE KEY', in PEM); name the file \
         that has it with 'keyfile'",
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
    #[error(
        "{}: the certificate can't be used: {source}; it has to be one of X.509, version 3",
        file.display()
    )]
    InvalidCertificate {
        /// The file.
        file: PathBuf,
        /// What rustls says.
        source: RustlsError,
    },
    /// What stands in the file as a key is none, or one of a kind that is not supported.
    #[error(
        "{}: the private key can't be used: {source}; it has to be one of RSA (2048 bits or more), \
         ECDSA (P-256, P-384) or Ed25519",
        file.display()
    )]
    InvalidKey {
        /// The file.
        file: PathBuf,
        /// What rustls says.
        source: RustlsError,
    },
    /// The key is that of another certificate.
    #[error(
        "{}: the private key does not belong to the first certificate in {}; name the key's own \
         with 'certfile', and put it before those that lead to the authority",
        key.display(),
        certificates.display()
    )]
    KeyMismatch {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificates.
        certificates: PathBuf,
    },
    /// The system trusts no authority, and the address names none.
    #[error(
        "no authority is known that the broker's certificate could come from: the system has \
         none{}; install its ca-certificates, or name a file with 'cacertfile'",
        reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    )]
    NoSystemAuthorities {
        /// Why they could not be read, where that was it.
        reason: Option<String>,
    },
}
