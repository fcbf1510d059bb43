use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of a salt.
pub(crate) const SALT_BYTES: usize = 4;
const DIGEST_BYTES: usize = 32;

/// What is kept of a password: a salt, and the SHA-256 of the salt and the password.
///
/// RabbitMQ writes both together in base64, as `password_hash` in its definitions.
#[derive(Clone)]
pub(crate) struct PasswordHash {
    salt: [u8; SALT_BYTES],
    digest: [u8; DIGEST_BYTES],
}

/// A password hash that is not one of RabbitMQ's.
///
/// The text itself is not repeated: it may be a password that was put in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordHashError {
    /// It can't be decoded.
    #[error("the password hash is not base64: give the 'password_hash' of RabbitMQ's definitions")]
    NotBase64,
    /// It has another length than a salt and a SHA-256.
    #[error(
        "the password hash has {bytes} bytes instead of 36: a salt of 4 and a SHA-256, as \
         RabbitMQ's 'rabbit_password_hashing_sha256' makes them"
    )]
    WrongLength {
        /// How many bytes the text stands for.
        bytes: usize,
    },
}

impl PasswordHash {
    /// The hash of a password.
    pub(crate) fn new(password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        Self { salt, digest: digest(password, salt) }
    }

    /// The hash that no password has: nobody knows what SHA-256 makes nothing but zeros of.
    pub(crate) const fn of_no_password() -> Self {
        Self { salt: [0; SALT_BYTES], digest: [0; DIGEST_BYTES] }
    }

    /// Reads RabbitMQ's form. An empty text is the hash of no password, as there.
    ///
    /// # Errors
    ///
    /// The text is not base64, or not that of 36 bytes.
    pub(crate) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if text.is_empty() {
            return Ok(Self::of_no_password());
        }
        let bytes = STANDARD.decode(text).map_err(|_| PasswordHashError::NotBase64)?;
        let wrong_length = PasswordHashError::WrongLength { bytes: bytes.len() };
        let (salt, digest) = bytes.split_first_chunk().ok_or(wrong_length)?;
        let digest = digest.try_into().map_err(|_| wrong_length)?;
        Ok(Self { salt: *salt, digest })
    }

    /// Whether this is the hash of the password. The time that it takes does not depend on the
    /// hash. An empty password is never right, even if the hash was made of one.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        let is_right = digest(password, self.salt).ct_eq(&self.digest);
        bool::from(is_right) && !password.is_empty()
    }
}

fn digest(password: &[u8], salt: [u8; SALT_BYTES]) -> [u8; DIGEST_BYTES] {
    Sha256::new().chain_update(salt).chain_update(password).finalize().into()
}

/// Shows nothing of it.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `rabbit_password:hash/2` of RabbitMQ 3.10.8 made of `secret`.
    const SECRET: &str = "Tsj3eKNhT9D9vDHh9I7N06tVcW893FaQs93vcjBBmAtoFzTB";

    #[test]
    fn rabbitmqs_hash_is_read_and_made() {
        let hash = PasswordHash::parse(SECRET).unwrap();
        assert!(hash.matches(b"secret"));
        for wrong in [&b"Secret"[..], b"secret ", b"secre", b"\0", b""] {
            assert!(!hash.matches(wrong), "{wrong:?}");
        }
        let made = PasswordHash::new(b"secret", [0x4e, 0xc8, 0xf7, 0x78]);
        assert_eq!((made.salt, made.digest), (hash.salt, hash.digest));
        let salted = PasswordHash::new(b"secret", [1, 2, 3, 4]);
        assert_ne!(salted.digest, hash.digest);
        assert!(salted.matches(b"secret"));
    }

    #[test]
    fn an_empty_password_is_never_right() {
        assert!(!PasswordHash::new(b"", [1, 2, 3, 4]).matches(b""));
        let none = PasswordHash::parse("").unwrap();
        assert!(!none.matches(b""));
        assert!(!none.matches(b"\0"));
    }

    #[test]
    fn what_is_no_hash_says_why() {
        let refused = |text| PasswordHash::parse(text).unwrap_err();
        assert_eq!(refused("secret!"), PasswordHashError::NotBase64);
        assert_eq!(refused("AAAA"), PasswordHashError::WrongLength { bytes: 3 });
        let longer = format!("{SECRET}AAAA");
        assert_eq!(refused(&longer), PasswordHashError::WrongLength { bytes: 39 });
        assert!(refused("AAAA").to_string().contains("3 bytes instead of 36"));
        assert!(refused("secret!").to_string().contains("not base64"));
    }

    #[test]
    fn nothing_of_a_hash_is_shown() {
        assert_eq!(format!("{:?}", PasswordHash::new(b"secret", [1; 4])), "PasswordHash(..)");
    }
}
