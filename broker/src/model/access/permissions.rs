use std::fmt;

use super::pattern::{Pattern, PatternError};

/// What somebody may do with a queue or an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Declare and delete it.
    Configure,
    /// Publish to the exchange, or bind the queue or exchange to another.
    Write,
    /// Consume from the queue and purge it, or bind others to the exchange.
    Read,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// What a user may do in one virtual host: three patterns, for names that may be configured,
/// written to and read from.
///
/// A pattern is a regular expression which has to be found somewhere in the name of the queue or
/// exchange, as in RabbitMQ: `^a` allows what starts with an `a`. An empty one allows
/// nothing. The default exchange, which has no name, is called `amq.default` here.
///
/// ```
/// use springhare_broker::Permissions;
///
/// // Declares and reads what is its own, publishes everywhere.
/// let permissions = Permissions::new("^billing\\.", ".*", "^billing\\.")?;
/// # let _ = permissions;
///
/// let error = Permissions::new("^billing\\.", "^(?!secret)", "").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the write pattern '^(?!secret)' is refused at character 2: look-around is not supported, \
///      since a pattern is matched in linear time: name what is allowed instead"
/// );
/// # Ok::<(), springhare_broker::PatternError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Permissions {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
}

impl Permissions {
    /// Permissions for the names that these patterns match.
    ///
    /// # Errors
    ///
    /// A pattern that is no regular expression, that matches differently than in RabbitMQ, or
    /// that is too large.
    pub fn new(configure: &str, write: &str, read: &str) -> Result<Self, PatternError> {
        Ok(Self {
            configure: Pattern::new(Permission::Configure, configure)?,
            write: Pattern::new(Permission::Write, write)?,
            read: Pattern::new(Permission::Read, read)?,
        })
    }

    /// Everything is allowed, as with three times `.*`.
    #[must_use]
    pub fn all() -> Self {
        Self {
            configure: Pattern::Everything,
            write: Pattern::Everything,
            read: Pattern::Everything,
        }
    }

    /// Of patterns that are made already.
    #[cfg(test)]
    pub(crate) fn of(configure: Pattern, write: Pattern, read: Pattern) -> Self {
        Self { configure, write, read }
    }

    pub(crate) fn pattern(&self, permission: Permission) -> &Pattern {
        match permission {
            Permission::Configure => &self.configure,
            Permission::Write => &self.write,
            Permission::Read => &self.read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_has_its_pattern() {
        let permissions = Permissions::new("^c", "^w", "").unwrap();
        let allowed = |permission, name| permissions.pattern(permission).matches(name);
        assert!(allowed(Permission::Configure, "c") && !allowed(Permission::Configure, "w"));
        assert!(allowed(Permission::Write, "w") && !allowed(Permission::Write, "c"));
        assert!(!allowed(Permission::Read, "r"));
        for permission in [Permission::Configure, Permission::Write, Permission::Read] {
            assert!(Permissions::all().pattern(permission).matches("anything"));
        }
    }

    #[test]
    fn an_error_names_the_permission() {
        let refused = |patterns: [&str; 3]| {
            let [configure, write, read] = patterns;
            Permissions::new(configure, write, read).unwrap_err().permission()
        };
        assert_eq!(refused(["(", "(", "("]), Permission::Configure);
        assert_eq!(refused(["", "(", "("]), Permission::Write);
        assert_eq!(refused(["", "", "("]), Permission::Read);
    }
}
