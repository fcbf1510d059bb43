use std::fmt;

use crate::model::access::PatternFault;

/// A policy that is refused, with everything that is wrong with it. Prints as what `rabbitmqctl
/// set_policy` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    pub(super) faults: Vec<PolicyFault>,
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// A value that the key can't have.
    #[error("{text}")]
    Value {
        /// The key in the definition.
        key: String,
        /// What is wrong, in RabbitMQ's words.
        text: String,
    },
    /// Keys that policies don't have, or operator policies.
    #[error("{text}")]
    UnknownKeys {
        /// The keys.
        keys: Vec<String>,
        /// The same, in RabbitMQ's words.
        text: String,
    },
    /// It says nothing.
    #[error("no policy provided")]
    Empty,
    /// The pattern is no regular expression, or none that means here what it means in RabbitMQ.
    #[error(
        "pattern should be regular expression but is invalid: {fault} (at character {character})"
    )]
    Pattern {
        /// Where: the first character is 1.
        character: usize,
        /// What is wrong with it.
        fault: PatternFault,
    },
}

impl PolicyError {
    /// Everything that is wrong.
    #[must_use]
    pub fn faults(&self) -> &[PolicyFault] {
        &self.faults
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validation failed\n")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

impl std::error::Error for PolicyError {}
