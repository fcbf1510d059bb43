//! The routing key of a line.

use tracing::Level;

/// The longest key that AMQP knows.
const KEY_BYTES_MAX: usize = 255;
const LEVEL: &str = "{level}";
const TARGET: &str = "{target}";

/// A key with [`LEVEL`] and [`TARGET`] in it.
#[derive(Debug)]
pub(super) struct KeyPattern(String);

impl KeyPattern {
    pub(super) fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// What is wrong with it.
    pub(super) fn fault(&self) -> Option<String> {
        let plain = self.0.replace(LEVEL, "").replace(TARGET, "");
        let pattern = &self.0;
        if plain.contains(['{', '}']) {
            return Some(format!(
                "the appender's routing key `{pattern}` has braces round something else than \
                 `{LEVEL}` or `{TARGET}`"
            ));
        }
        let level_bytes = pattern.matches(LEVEL).count() * name_of(Level::ERROR).len();
        (plain.len() + level_bytes > KEY_BYTES_MAX).then(|| {
            format!("the appender's routing key `{pattern}` has more than {KEY_BYTES_MAX} bytes")
        })
    }

    /// The key of a line; of a target that is too long for it, as much as fits.
    pub(super) fn key(&self, level: Level, target: &str) -> String {
        let with_level = self.0.replace(LEVEL, name_of(level));
        let targets = with_level.matches(TARGET).count();
        let taken = with_level.len() - targets * TARGET.len();
        let room = KEY_BYTES_MAX.saturating_sub(taken) / targets.max(1);
        let mut words = target.replace("::", ".");
        while words.len() > room {
            words.pop();
        }
        with_level.replace(TARGET, &words)
    }
}

pub(super) fn name_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pattern: &str, target: &str) -> String {
        let pattern = KeyPattern::new(pattern);
        assert_eq!(pattern.fault(), None);
        pattern.key(Level::WARN, target)
    }

    #[test]
    fn a_key_has_words_of_the_target() {
        assert_eq!(key("{target}.{level}", "shop::orders"), "shop.orders.warn");
        assert_eq!(key("{level}.{target}", "shop"), "warn.shop");
        assert_eq!(key("logs", "shop"), "logs");
        assert_eq!(key("{target}", "a::{level}::{target}"), "a.{level}.{target}");
    }

    #[test]
    fn a_target_that_is_too_long_is_cut() {
        let cut = key("{target}.{level}", &"ä".repeat(200));
        assert_eq!(cut, format!("{}.warn", "ä".repeat(125)));
        let twice = key("{target}.{target}", &"x".repeat(300));
        assert_eq!(twice.len(), 255);
    }

    #[test]
    fn other_braces_and_length_are_faults() {
        assert!(
            KeyPattern::new("{app}.{level}").fault().is_some_and(|text| text.contains("braces"))
        );
        assert!(KeyPattern::new("x".repeat(256)).fault().is_some());
        assert!(KeyPattern::new(format!("{}{{level}}", "x".repeat(250))).fault().is_none());
        assert!(KeyPattern::new(format!("{}{{level}}", "x".repeat(251))).fault().is_some());
    }
}
