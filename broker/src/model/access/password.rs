use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Bytes of a salt.
pub(crate) const SALT_BYTES: usize = 4;
const SHA256_BYTES: usize = 32;
const SHA512_BYTES: usize = 64;

/// What is kept of a password: a salt, and the SHA-256 or SHA-512 of the salt and the password.
///
/// RabbitMQ writes both together in base64, as `password_hash` in its definitions.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PasswordHash {
    salt: [u8; SALT_BYTES],
    digest: Digest,
}

#[derive(Clone, PartialEq, Eq)]
enum Digest {
    Sha256([u8; SHA256_BYTES]),
    Sha512(Box<[u8; SHA512_BYTES]>),
    /// That of no password: nobody can log in. The algorithm is only kept for who asks.
    None(HashingAlgorithm),
}

/// How a password is hashed: `hashing_algorithm` in RabbitMQ's definitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HashingAlgorithm {
    /// `rabbit_password_hashing_sha256`.
    #[default]
    Sha256,
    /// `rabbit_password_hashing_sha512`.
    Sha512,
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
    /// It has another length than a salt and what the algorithm makes.
    #[error(
        "the password hash has {bytes} bytes instead of {}: a salt of 4 and {}, as RabbitMQ's \
         '{}' makes them",
        SALT_BYTES + algorithm.digest_bytes(), algorithm.article(), algorithm.as_str()
    )]
    WrongLength {
        /// How many bytes the text stands for.
        bytes: usize,
        /// What should have made them.
        algorithm: HashingAlgorithm,
    },
}

impl HashingAlgorithm {
    /// RabbitMQ's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
        }
    }

    fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 => SHA256_BYTES,
            Self::Sha512 => SHA512_BYTES,
        }
    }

    fn article(self) -> &'static str {
        match self {
            Self::Sha256 => "a SHA-256",
            Self::Sha512 => "a SHA-512",
        }
    }
}

impl PasswordHash {
    /// The hash of a password.
    pub(crate) fn new(password: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        Self { salt, digest: Digest::Sha256(sha256(password, salt)) }
    }

    /// The hash that no password has.
    pub(crate) const fn of_no_password() -> Self {
        Self { salt: [0; SALT_BYTES], digest: Digest::None(HashingAlgorithm::Sha256) }
    }

    /// Reads RabbitMQ's form. An empty text is the hash of no password, as there.
    ///
    /// # Errors
    ///
    /// The text is not base64, or not that of a salt and a hash of the algorithm.
    pub(crate) fn parse(
        text: &str,
        algorithm: HashingAlgorithm,
    ) -> Result<Self, PasswordHashError> {
        if text.is_empty() {
            return Ok(Self { digest: Digest::None(algorithm), ..Self::of_no_password() });
        }
        let bytes = STANDARD.decode(text).map_err(|_| PasswordHashError::NotBase64)?;
        let wrong_length = PasswordHashError::WrongLength { bytes: bytes.len(), algorithm };
        let (salt, digest) = bytes.split_first_chunk().ok_or(wrong_length)?;
        let digest = match algorithm {
            HashingAlgorithm::Sha256 => {
                Digest::Sha256(digest.try_into().map_err(|_| wrong_length)?)
            }
            HashingAlgorithm::Sha512 => {
                Digest::Sha512(Box::new(digest.try_into().map_err(|_| wrong_length)?))
            }
        };
        Ok(Self { salt: *salt, digest })
    }

    /// RabbitMQ's form.
    pub(crate) fn encode(&self) -> String {
        let digest = match &self.digest {
            Digest::Sha256(digest) => &digest[..],
            Digest::Sha512(digest) => &digest[..],
            Digest::None(_) => return String::new(),
        };
        STANDARD.encode([&self.salt[..], digest].concat())
    }

    /// What it was made with.
    pub(crate) fn algorithm(&self) -> HashingAlgorithm {
        match &self.digest {
            Digest::Sha256(_) => HashingAlgorithm::Sha256,
            Digest::Sha512(_) => HashingAlgorithm::Sha512,
            Digest::None(algorithm) => *algorithm,
        }
    }

    /// Whether this is the hash of the password. The time that it takes depends on the algorithm
    /// alone. An empty password is never right, even if the hash was made of one.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        let is_right = match &self.digest {
            Digest::Sha256(digest) => sha256(password, self.salt).ct_eq(digest),
            Digest::Sha512(digest) => {
                let chained = Sha512::new().chain_update(self.salt).chain_update(password);
                chained.finalize().as_slice().ct_eq(&digest[..])
            }
            // Nobody knows what SHA-256 makes nothing but zeros of.
            Digest::None(_) => sha256(password, self.salt).ct_eq(&[0; SHA256_BYTES]),
        };
        bool::from(is_right) && !password.is_empty()
    }
}

fn sha256(password: &[u8], salt: [u8; SALT_BYTES]) -> [u8; SHA256_BYTES] {
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
    const SECRET_SHA512: &str = "g6dwjq6qRJwJbA5BUrAa9ZIy+oZhmLB/Q59iKNhsKNClhrIshq74RDrpc8coe7tRGL8/JWqTZVAQWmPHq9/FWmBitxU=";

    #[test]
    fn rabbitmqs_hash_is_read_and_made() {
        let hash = PasswordHash::parse(SECRET, HashingAlgorithm::Sha256).unwrap();
        assert!(hash.matches(b"secret"));
        for wrong in [&b"Secret"[..], b"secret ", b"secre", b"\0", b""] {
            assert!(!hash.matches(wrong), "{wrong:?}");
        }
        let made = PasswordHash::new(b"secret", [0x4e, 0xc8, 0xf7, 0x78]);
        assert!(made == hash && made.encode() == SECRET);
        let salted = PasswordHash::new(b"secret", [1, 2, 3, 4]);
        assert!(salted != hash && salted.matches(b"secret"));
    }

    #[test]
    fn rabbitmqs_longer_hash_is_read() {
        let hash = PasswordHash::parse(SECRET_SHA512, HashingAlgorithm::Sha512).unwrap();
        assert!(hash.matches(b"secret") && !hash.matches(b"Secret") && !hash.matches(b""));
        assert_eq!(
            (hash.encode().as_str(), hash.algorithm()),
            (SECRET_SHA512, HashingAlgorithm::Sha512)
        );
        let error = PasswordHash::parse(SECRET, HashingAlgorithm::Sha512).unwrap_err();
        assert!(error.to_string().contains("36 bytes instead of 68: a salt of 4 and a SHA-512"));
    }

    #[test]
    fn an_empty_password_is_never_right() {
        assert!(!PasswordHash::new(b"", [1, 2, 3, 4]).matches(b""));
        let none = PasswordHash::parse("", HashingAlgorithm::Sha512).unwrap();
        assert!(!none.matches(b"") && !none.matches(b"\0"));
        assert_eq!((none.encode().as_str(), none.algorithm()), ("", HashingAlgorithm::Sha512));
    }

    #[test]
    fn what_is_no_hash_says_why() {
        let algorithm = HashingAlgorithm::Sha256;
        let refused = |text| PasswordHash::parse(text, algorithm).unwrap_err();
        assert_eq!(refused("secret!"), PasswordHashError::NotBase64);
        assert_eq!(refused("AAAA"), PasswordHashError::WrongLength { bytes: 3, algorithm });
        let longer = format!("{SECRET}AAAA");
        assert_eq!(refused(&longer), PasswordHashError::WrongLength { bytes: 39, algorithm });
        assert!(refused("AAAA").to_string().contains("3 bytes instead of 36"));
        assert!(refused("secret!").to_string().contains("not base64"));
    }

    #[test]
    fn nothing_of_a_hash_is_shown() {
        assert_eq!(format!("{:?}", PasswordHash::new(b"secret", [1; 4])), "PasswordHash(..)");
    }
}
