//! The client's side of TLS: from the options of an `amqps://` address to what connects with them.

mod error;
mod pem;

use std::path::Path;
use std::sync::Arc;

use rustls_native_certs::CertificateResult;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as RustlsError, InconsistentKeys, RootCertStore,
    SignatureScheme,
};

pub use error::TlsOptionsError;

use crate::connection::{ClientCertificate, TlsOptions, Verify};

/// Reads the files that `options` name, and makes of them what speaks TLS 1.2 and 1.3.
///
/// It reads files and, without a `cacertfile`, the system's authorities: milliseconds, in which the
/// thread waits.
///
/// # Errors
///
/// A file that can't be read, has not in it what it should have, or does not match the other; no
/// authority at all.
pub(super) fn connector(options: &TlsOptions) -> Result<TlsConnector, TlsOptionsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(options, &provider)?;
    let identity = options.client_certificate();
    let identity = identity.map(|files| read_identity(files, &provider)).transpose()?;
    Ok(TlsConnector::from(Arc::new(config(provider, verifier, identity))))
}

#[expect(clippy::expect_used, reason = "ring has cipher suites for TLS 1.2 and for 1.3")]
fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<CertifiedKey>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(identity));
            builder.with_client_cert_resolver(resolver)
        }
    }
}

/// How the broker's certificate is checked.
fn verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsOptionsError> {
    let authorities = match (options.verify(), options.ca_file()) {
        (Verify::None, _) => {
            tracing::warn!(
                server = %options.server_name(),
                "the broker's certificate is not checked (verify=verify_none): whoever answers is \
                 told the password"
            );
            let algorithms = provider.signature_verification_algorithms;
            return Ok(Arc::new(AnyCertificate { algorithms }));
        }
        (Verify::Peer, Some(file)) => read_authorities(file)?,
        (Verify::Peer, None) => authorities_of(rustls_native_certs::load_native_certs())?,
    };
    let authorities = Arc::new(authorities);
    let verifier = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(provider));
    // All that it refuses is to go without an authority.
    Ok(verifier.build().map_err(|_| TlsOptionsError::NoSystemAuthorities { reason: None })?)
}

fn read_authorities(file: &Path) -> Result<RootCertStore, TlsOptionsError> {
    let mut authorities = RootCertStore::empty();
    for certificate in pem::read_certificates(file)? {
        authorities.add(certificate).map_err(|source| TlsOptionsError::InvalidCertificate {
            file: file.to_owned(),
            source,
        })?;
    }
    Ok(authorities)
}

/// The authorities that the system trusts. Those that can't be read are passed over: systems have
/// some that nobody uses.
fn authorities_of(system: CertificateResult) -> Result<RootCertStore, TlsOptionsError> {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(system.certs);
    if authorities.is_empty() {
        let reason = system.errors.first().map(ToString::to_string);
        return Err(TlsOptionsError::NoSystemAuthorities { reason });
    }
    Ok(authorities)
}

/// The program's certificates with the key of the first.
fn read_identity(
    files: &ClientCertificate,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsOptionsError> {
    let (certificates, key) = (files.certificate_file(), files.key_file());
    let chain = pem::read_certificates(certificates)?;
    let signing = provider
        .key_provider
        .load_private_key(pem::read_key(key)?)
        .map_err(|source| TlsOptionsError::InvalidKey { file: key.to_owned(), source })?;
    let identity = CertifiedKey::new(chain, signing);
    match identity.keys_match() {
        // A key that does not tell its public half can't be compared.
        Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(RustlsError::InconsistentKeys(_)) => Err(TlsOptionsError::KeyMismatch {
            key: key.to_owned(),
            certificates: certificates.to_owned(),
        }),
        Err(source) => {
            Err(TlsOptionsError::InvalidCertificate { file: certificates.to_owned(), source })
        }
    }
}

/// Takes every certificate (`verify_none`), but checks that the peer has its key.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
