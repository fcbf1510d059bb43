use super::pattern::{Pattern, PatternError};
use super::permissions::Permission;

/// With which routing keys a user may use a topic exchange.
///
/// They come on top of the [`Permissions`](super::Permissions) for the exchange itself, and count
/// for exchanges of type `topic` only. A user without any for an exchange may use all keys.
///
/// `{username}` and `{vhost}` stand for the user's and the virtual host's name: for the text of
/// the name, whatever characters it has (RabbitMQ takes it for a part of the pattern).
///
/// ```
/// use springhare_broker::{Permissions, TopicPermissions, User};
///
/// let topics = TopicPermissions { exchange: "events", write: "^{username}\\.", read: ".*" };
/// let user = User::new("alice", "secret")
///     .permissions("/", Permissions::all())
///     .topic_permissions("/", topics)?;
/// # let _ = user;
/// # Ok::<(), springhare_broker::PatternError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicPermissions<'a> {
    /// The exchange's name.
    pub exchange: &'a str,
    /// The pattern of routing keys to publish with.
    pub write: &'a str,
    /// The pattern of routing keys to bind with.
    pub read: &'a str,
}

/// The patterns of one topic exchange, for one user.
#[derive(Debug, Clone)]
pub(crate) struct TopicPatterns {
    write: Pattern,
    read: Pattern,
    /// As they were given, with their variables.
    given: [Box<str>; 2],
}

impl TopicPatterns {
    /// Compiles the patterns with the variables' values in them.
    ///
    /// # Errors
    ///
    /// A pattern is wrong, or too large with the values.
    pub(crate) fn new(
        topics: TopicPermissions<'_>,
        user: &str,
        virtual_host: &str,
    ) -> Result<Self, PatternError> {
        let variables = [("{username}", user), ("{vhost}", virtual_host)];
        Ok(Self {
            write: Pattern::new(Permission::Write, &expand(topics.write, variables))?,
            read: Pattern::new(Permission::Read, &expand(topics.read, variables))?,
            given: [topics.write.into(), topics.read.into()],
        })
    }

    /// The patterns as they were given: for what may be written to, and for what may be read.
    pub(crate) fn given(&self) -> (&str, &str) {
        let [write, read] = &self.given;
        (write, read)
    }

    /// Whether the routing key is allowed. There is nothing to configure about a key.
    pub(crate) fn allow(&self, permission: Permission, routing_key: &str) -> bool {
        match permission {
            Permission::Configure => false,
            Permission::Write => self.write.matches(routing_key),
            Permission::Read => self.read.matches(routing_key),
        }
    }
}

/// Puts the values in for the variables: escaped, since a user could otherwise be named so that
/// the pattern matches what is others', and once, since a value is no pattern.
fn expand(pattern: &str, variables: [(&str, &str); 2]) -> String {
    let mut expanded = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        let found = variables
            .iter()
            .find_map(|(name, value)| from.strip_prefix(name).map(|after| (after, value)));
        rest = if let Some((after, value)) = found {
            expanded.push_str(&regex_syntax::escape(value));
            after
        } else {
            expanded.push('{');
            from.split_at(1).1
        };
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(write: &str, user: &str, routing_key: &str) -> bool {
        let topics = TopicPermissions { exchange: "x", write, read: "" };
        let patterns = TopicPatterns::new(topics, user, "v.1").unwrap();
        patterns.allow(Permission::Write, routing_key)
    }

    #[test]
    fn each_direction_has_its_pattern() {
        let topics = TopicPermissions { exchange: "x", write: "^w", read: "^r" };
        let patterns = TopicPatterns::new(topics, "u", "/").unwrap();
        assert!(patterns.allow(Permission::Write, "w") && !patterns.allow(Permission::Write, "r"));
        assert!(patterns.allow(Permission::Read, "r") && !patterns.allow(Permission::Read, "w"));
        assert!(!patterns.allow(Permission::Configure, "w"));
    }

    #[test]
    fn variables_are_texts_and_no_patterns() {
        let own = "^{username}\\.{vhost}$";
        assert!(allowed(own, "alice", "alice.v.1"));
        assert!(!allowed(own, "alice", "alice.vx1"));
        // The names of CVE-2026-44838's kind: each would match what is somebody else's.
        for hostile in [".*", "a|alice", "(a)?", "[a-z]+", "a{0}", "{vhost}", "\\w+", "$", "#"] {
            assert!(!allowed("^{username}\\.", hostile, "alice.x"), "{hostile}");
            assert!(allowed("^{username}\\.", hostile, &format!("{hostile}.x")), "{hostile}");
            assert!(!allowed("^[{username}]$", hostile, "q"), "{hostile}");
        }
        assert!(!allowed("^{username}$", "{vhost}", "v.1"));
    }

    #[test]
    fn braces_that_are_no_variable_stay() {
        assert!(allowed("^a{2}{username}$", "b", "aab"));
        let wrong = TopicPermissions { exchange: "x", write: "^{client_id}", read: "" };
        let error = TopicPatterns::new(wrong, "u", "/").unwrap_err();
        assert_eq!((error.pattern(), error.character()), ("^{client_id}", 3));
    }

    #[test]
    fn a_wrong_pattern_names_its_permission() {
        let wrong = TopicPermissions { exchange: "x", write: "", read: "(" };
        let error = TopicPatterns::new(wrong, "u", "/").unwrap_err();
        assert_eq!(error.permission(), Permission::Read);
    }
}
