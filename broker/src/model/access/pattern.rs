//! Patterns of names: regular expressions that mean here what they mean in RabbitMQ.
//!
//! RabbitMQ matches with Erlang's `re`, which is PCRE on bytes. Here it is a matcher that takes
//! linear time, whatever the pattern and the name. Where the two read a pattern differently it is
//! refused, since the difference could allow what was to be forbidden. Two differences remain:
//! `$` does not match before a line end at the very end, and `\w` and its kin are ASCII's.

mod strict;

use regex::bytes::{Regex, RegexBuilder};

use super::permissions::Permission;

/// The longest pattern, in bytes.
const PATTERN_MAX_BYTES: usize = 16 << 10;
/// The memory that a pattern may take once it is compiled, and again while it is matched.
const COMPILED_MAX_BYTES: usize = 1 << 20;

/// A pattern that is refused: which one, where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {permission} pattern '{pattern}' is refused at character {character}: {fault}")]
pub struct PatternError {
    permission: Permission,
    pattern: String,
    character: usize,
    fault: PatternFault,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternFault {
    /// `(?=..)`, `(?!..)`, `(?<=..)` or `(?<!..)`.
    #[error(
        "look-around is not supported, since a pattern is matched in linear time: name what is \
         allowed instead"
    )]
    LookAround,
    /// `\1` and the like.
    #[error("backreferences are not supported, since a pattern is matched in linear time")]
    Backreference,
    /// It is understood, but RabbitMQ would understand something else.
    #[error("{found} means something else in RabbitMQ: {instead}")]
    Ambiguous {
        /// What stands there.
        found: &'static str,
        /// What to write for it.
        instead: &'static str,
    },
    /// It is no regular expression that is understood here.
    #[error("{reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// It begins with more look-aheads than a policy's pattern may have.
    #[error("a pattern has {max} look-aheads at most: name the alternatives in one")]
    TooManyLookAheads {
        /// How many it may have.
        max: usize,
    },
    /// It is too long, or takes too much memory.
    #[error("a pattern has {max} bytes at most, and so has what it is compiled to")]
    TooLarge {
        /// How many bytes it may have.
        max: usize,
    },
}

impl PatternError {
    /// The permission that the pattern was given for.
    #[must_use]
    pub fn permission(&self) -> Permission {
        self.permission
    }

    /// The pattern; one of a topic has its variables replaced already.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Where it is wrong: the first character is 1.
    #[must_use]
    pub fn character(&self) -> usize {
        self.character
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &PatternFault {
        &self.fault
    }
}

/// A pattern, ready to match names with.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// `.*`, without a matcher: this is what most users have.
    Everything,
    /// An empty pattern, which RabbitMQ reads as `^$`.
    Empty,
    /// Found somewhere in the name.
    Found(Regex),
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// It is no regular expression, it would match differently in RabbitMQ, or it is too large.
    pub(crate) fn new(permission: Permission, pattern: &str) -> Result<Self, PatternError> {
        match pattern {
            "" => Ok(Self::Empty),
            ".*" => Ok(Self::Everything),
            pattern => compile(pattern).map(Self::Found).map_err(|Refused { offset, fault }| {
                let before = pattern.get(..offset).unwrap_or(pattern);
                let character = before.chars().count() + 1;
                PatternError { permission, pattern: pattern.to_owned(), character, fault }
            }),
        }
    }

    /// The pattern as it was given.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Everything => ".*",
            Self::Empty => "",
            Self::Found(regex) => regex.as_str(),
        }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Empty => name.is_empty(),
            Self::Found(regex) => regex.is_match(name.as_bytes()),
        }
    }
}

/// Why a pattern is refused, and at which byte.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) offset: usize,
    pub(crate) fault: PatternFault,
}

/// Compiles a pattern that is found somewhere in a name; an empty one is found in all.
///
/// # Errors
///
/// It is no regular expression, it would match differently in RabbitMQ, or it is too large.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Refused> {
    compile_part(pattern, 1)
}

/// Compiles one of several parts of a pattern, which share the memory that a pattern may take.
///
/// # Errors
///
/// As for a whole pattern.
pub(crate) fn compile_part(pattern: &str, parts: usize) -> Result<Regex, Refused> {
    check_length(pattern)?;
    strict::check(pattern)?;
    let max_bytes = COMPILED_MAX_BYTES / parts.max(1);
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(max_bytes)
        .dfa_size_limit(max_bytes)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(max) => too_large(max),
            other => {
                Refused { offset: 0, fault: PatternFault::Syntax { reason: other.to_string() } }
            }
        })
}

/// Refuses a pattern that is longer than one may be.
///
/// # Errors
///
/// It is.
pub(crate) fn check_length(pattern: &str) -> Result<(), Refused> {
    if pattern.len() > PATTERN_MAX_BYTES { Err(too_large(PATTERN_MAX_BYTES)) } else { Ok(()) }
}

fn too_large(max: usize) -> Refused {
    Refused { offset: 0, fault: PatternFault::TooLarge { max } }
}

#[cfg(test)]
mod tests;
