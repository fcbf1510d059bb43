use std::fmt;

use crate::model::access::{PasswordHashError, PatternError};
use crate::model::arguments::UnknownQueueType;
use crate::model::policy::{PolicyFault, UnknownApplyTo};

/// How many faults, and how many warnings, are told one by one.
const TOLD_MAX: usize = 100;

/// Definitions that were not imported, with everything that is wrong with them. Nothing of them was
/// applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionsError {
    faults: Vec<DefinitionsFault>,
    /// How many more there are.
    further: usize,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}", printable(&.kind.to_string()))]
pub struct DefinitionsFault {
    /// The place in the file: `$.queues[3].arguments.x-max-priority`.
    pub path: String,
    /// What is wrong.
    pub kind: FaultKind,
}

/// Something that a file says and the broker has no use for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionsWarning {
    /// The place in the file.
    pub path: String,
    /// What is not done, and why.
    pub text: String,
}

/// What can be wrong with definitions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// It is no JSON.
    #[error("this is not JSON: {reason}")]
    Syntax {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// An object has a key twice.
    #[error("this key is there twice, and only one could count")]
    Repeated,
    /// A key that has to be there is not.
    #[error("'{key}' is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// Something else stands there than what can.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What can stand there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A name that no queue, exchange or virtual host can have.
    #[error("a name has at most 255 bytes")]
    NameTooLong,
    /// A virtual host that is neither in the file nor in the broker.
    #[error("there is no virtual host '{name}', neither here nor in the broker")]
    UnknownVirtualHost {
        /// Its name.
        name: String,
    },
    /// A user who is neither in the file nor in the broker.
    #[error("there is no user '{name}', neither here nor in the broker")]
    UnknownUser {
        /// The name.
        name: String,
    },
    /// A user with two passwords.
    #[error("both 'password' and 'password_hash' are given: one is enough")]
    TwoPasswords,
    /// A password hash of a kind that nobody should use.
    #[error(
        "'{name}' is not supported: give the user a new password, RabbitMQ hashes it with \
         'rabbit_password_hashing_sha256'"
    )]
    HashingAlgorithm {
        /// RabbitMQ's name of the algorithm.
        name: String,
    },
    /// A password hash that is none.
    #[error(transparent)]
    PasswordHash(#[from] PasswordHashError),
    /// A pattern of permissions that is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A policy that is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyFault),
    /// A policy for something that there is not.
    #[error(transparent)]
    ApplyTo(#[from] UnknownApplyTo),
    /// A type of queues that there is not.
    #[error(transparent)]
    QueueType(#[from] UnknownQueueType),
    /// A queue's `type` is another than the argument `x-queue-type` says.
    #[error("'{given}' contradicts the argument 'x-queue-type', which is '{argument}'")]
    QueueTypes {
        /// What stands under `type`.
        given: String,
        /// What the argument says.
        argument: String,
    },
    /// A queue, exchange or binding that the broker refuses, or that is there and another: what a
    /// client would be told.
    #[error("{text}")]
    Refused {
        /// RabbitMQ's text.
        text: String,
    },
    /// More queues than the operator allows.
    #[error(
        "adding {added} queue(s) to the virtual host '{virtual_host}' would exceed the limit of \
         {limit} queue(s); it has {present}"
    )]
    QueueLimit {
        /// The virtual host.
        virtual_host: String,
        /// How many are new.
        added: usize,
        /// How many it may have.
        limit: u64,
        /// How many it has.
        present: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes to hash the user's password with")]
    NoRandomness,
}

impl DefinitionsError {
    /// What is wrong, the first hundred.
    #[must_use]
    pub fn faults(&self) -> &[DefinitionsFault] {
        &self.faults
    }

    /// How many more things are wrong.
    #[must_use]
    pub fn further(&self) -> usize {
        self.further
    }
}

impl fmt::Display for DefinitionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the definitions are wrong, and nothing of them was applied")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n{fault}"))?;
        if self.further > 0 {
            write!(f, "\nand {} more", self.further)?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionsError {}

impl fmt::Display for DefinitionsWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// What was found while definitions were read and held against the broker.
#[derive(Debug, Default)]
pub(crate) struct Report {
    faults: Vec<DefinitionsFault>,
    further: usize,
    warnings: Vec<DefinitionsWarning>,
    further_warnings: usize,
}

impl Report {
    pub(crate) fn fault(&mut self, path: impl Into<String>, kind: impl Into<FaultKind>) {
        if self.faults.len() < TOLD_MAX {
            self.faults.push(DefinitionsFault { path: path.into(), kind: kind.into() });
        } else {
            self.further += 1;
        }
    }

    pub(crate) fn warn(&mut self, path: impl Into<String>, text: impl Into<String>) {
        if self.warnings.len() < TOLD_MAX {
            let text = printable(&text.into());
            self.warnings.push(DefinitionsWarning { path: path.into(), text });
        } else {
            self.further_warnings += 1;
        }
    }

    /// The warnings, if nothing is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub(crate) fn finish(mut self) -> Result<Vec<DefinitionsWarning>, DefinitionsError> {
        if !self.faults.is_empty() {
            return Err(DefinitionsError { faults: self.faults, further: self.further });
        }
        if self.further_warnings > 0 {
            let text = format!("and {} warnings more", self.further_warnings);
            self.warnings.push(DefinitionsWarning { path: "$".to_owned(), text });
        }
        Ok(self.warnings)
    }
}

/// The text without what does something to a terminal: names in a file may have it.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            printable.extend(character.escape_debug());
        } else {
            printable.push(character);
        }
    }
    printable
}
