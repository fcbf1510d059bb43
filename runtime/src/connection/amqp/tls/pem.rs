//! Certificates and keys out of files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsOptionsError;

/// The largest file of certificates or with a key that is read, in bytes; all of a system's
/// authorities together take a fifth of it.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 20;

/// The certificates in a file, one at least.
pub(super) fn read_certificates(
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsOptionsError> {
    let bytes = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsOptionsError::Malformed { file: file.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsOptionsError::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

/// The first private key in a file.
pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsOptionsError> {
    let bytes = read(file)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|source| {
        let file = file.to_owned();
        match source {
            PemError::NoItemsFound if is_encrypted(&bytes) => {
                TlsOptionsError::EncryptedKey { file }
            }
            PemError::NoItemsFound => TlsOptionsError::NoKey { file },
            source => TlsOptionsError::Malformed { file, source },
        }
    })
}

/// Whether there is a section `ENCRYPTED PRIVATE KEY`, which the PEM reader passes over.
fn is_encrypted(pem: &[u8]) -> bool {
    let begin = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    pem.windows(begin.len()).any(|window| window == begin)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsOptionsError> {
    let unreadable = |source| TlsOptionsError::Unreadable { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let mut content = File::open(file).map_err(unreadable)?.take(FILE_BYTES_MAX + 1);
    content.read_to_end(&mut bytes).map_err(unreadable)?;
    if content.limit() == 0 {
        return Err(TlsOptionsError::TooLarge { file: file.to_owned() });
    }
    Ok(bytes)
}
