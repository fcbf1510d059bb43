//! Who may do what, pure: users with their password hashes, and the patterns of names that they
//! may configure, write to and read from.
//!
//! All of it is RabbitMQ's: the form of a hash, the three permissions, and what an empty pattern
//! means. Patterns that mean something else here than there are refused when they are given.

mod authenticated;
mod password;
mod pattern;
mod permissions;
mod topic;
mod user;

pub(crate) use self::authenticated::AuthenticatedUser;
pub use self::password::{HashingAlgorithm, PasswordHashError};
pub(crate) use self::password::{PasswordHash, SALT_BYTES};
pub(crate) use self::pattern::{Pattern, Refused, check_length, compile, compile_part};
pub use self::pattern::{PatternError, PatternFault};
pub use self::permissions::{Permission, Permissions};
pub(crate) use self::topic::TopicPatterns;
pub use self::topic::TopicPermissions;
pub use self::user::User;
