//! Every error, each from a file as somebody might have it.

use std::fs;

use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

/// A directory with a good pair of files, and whatever a test adds.
struct Files {
    directory: TempDir,
    good: CertifiedKey<KeyPair>,
}

impl Files {
    fn new() -> Self {
        let good = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = Self { directory: tempfile::tempdir().unwrap(), good };
        files.write("server.crt", &files.good.cert.pem());
        files.write("server.key", &files.good.signing_key.serialize_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, certificates: &str, key: &str) -> Result<TlsConfig, TlsError> {
        TlsConfig::from_pem_files(TlsFiles {
            certificates: self.path(certificates),
            key: self.path(key),
            client_ca: None,
        })
    }

    fn read_with_client_ca(&self, client_ca: &str) -> Result<TlsConfig, TlsError> {
        TlsConfig::from_pem_files(TlsFiles {
            certificates: self.path("server.crt"),
            key: self.path("server.key"),
            client_ca: Some(self.path(client_ca)),
        })
    }

    /// The error, which must name the file of this name.
    fn error_about(&self, name: &str, result: Result<TlsConfig, TlsError>) -> TlsError {
        let error = result.unwrap_err();
        let path = self.path(name).display().to_string();
        assert!(error.to_string().starts_with(&path), "names {path}: {error}");
        error
    }
}

fn pem(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

#[test]
fn a_certificate_and_its_key_are_taken() {
    let files = Files::new();
    let config = files.read("server.crt", "server.key").unwrap();
    assert_eq!(format!("{config:?}"), "TlsConfig { .. }");
    let _acceptor = config.acceptor();
}

#[test]
fn both_may_be_in_one_file() {
    let files = Files::new();
    let both = [files.good.signing_key.serialize_pem(), files.good.cert.pem()].concat();
    files.write("both.pem", &both);
    files.read("both.pem", "both.pem").unwrap();
    files.read_with_client_ca("both.pem").unwrap();
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let files = Files::new();
    let error = files.error_about("no.crt", files.read("no.crt", "server.key"));
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
    let error = files.error_about("no.key", files.read("server.crt", "no.key"));
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
    let error = files.error_about("no.ca", files.read_with_client_ca("no.ca"));
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
}

#[test]
fn a_directory_is_no_file() {
    let files = Files::new();
    let error = files.error_about("", files.read("", "server.key"));
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
}

#[test]
fn a_file_without_what_it_should_have_is_named() {
    let files = Files::new();
    let error = files.error_about("server.key", files.read("server.key", "server.key"));
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
    let error = files.error_about("server.crt", files.read("server.crt", "server.crt"));
    assert!(matches!(error, TlsError::NoKey { .. }), "{error}");
    files.write("empty.ca", "");
    let error = files.error_about("empty.ca", files.read_with_client_ca("empty.ca"));
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
}

#[test]
fn a_key_with_a_password_is_told_apart_from_none() {
    let files = Files::new();
    files.write("locked.key", &pem("ENCRYPTED PRIVATE KEY", "AAAA"));
    let error = files.error_about("locked.key", files.read("server.crt", "locked.key"));
    assert!(matches!(error, TlsError::EncryptedKey { .. }), "{error}");
}

#[test]
fn a_cut_section_is_malformed() {
    let files = Files::new();
    files.write("cut.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let error = files.error_about("cut.crt", files.read("cut.crt", "server.key"));
    assert!(matches!(error, TlsError::Malformed { .. }), "{error}");
}

#[test]
fn a_broken_key_is_told_without_a_line_of_it() {
    let files = Files::new();
    files.write("bad.key", &pem("PRIVATE KEY", "c2VjcmV0*c2VjcmV0"));
    let error = files.error_about("bad.key", files.read("server.crt", "bad.key"));
    assert!(matches!(error, TlsError::Malformed { .. }), "{error}");
    assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
}

#[test]
fn what_only_looks_like_one_is_invalid() {
    let files = Files::new();
    files.write("fake.crt", &pem("CERTIFICATE", "AAAA"));
    files.write("fake.key", &pem("PRIVATE KEY", "AAAA"));
    let error = files.error_about("fake.crt", files.read("fake.crt", "server.key"));
    assert!(matches!(error, TlsError::InvalidCertificate { .. }), "{error}");
    let error = files.error_about("fake.crt", files.read_with_client_ca("fake.crt"));
    assert!(matches!(error, TlsError::InvalidCertificate { .. }), "{error}");
    let error = files.error_about("fake.key", files.read("server.crt", "fake.key"));
    assert!(matches!(error, TlsError::InvalidKey { .. }), "{error}");
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let files = Files::new();
    let other = KeyPair::generate().unwrap();
    files.write("other.key", &other.serialize_pem());
    let error = files.error_about("other.key", files.read("server.crt", "other.key"));
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error}");
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&other);
    files.write("other.crt", &own.unwrap().pem());
    files.read("other.crt", "other.key").unwrap();
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let error = TlsConfig::from_pem_files(TlsFiles {
        certificates: PathBuf::from("/dev/zero"),
        key: PathBuf::from("/dev/zero"),
        client_ca: None,
    });
    assert!(matches!(error, Err(TlsError::TooLarge { .. })), "{error:?}");
}
