use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use smol_str::SmolStr;

/// A `shortstr` of AMQP 0-9-1 (section 4.2.5.3): at most 255 bytes of UTF-8.
///
/// Names of exchanges and queues, routing keys, consumer tags and most properties are short
/// strings. Up to 23 bytes are kept in place; a clone never copies more.
///
/// ```
/// use springhare_amqp::ShortString;
///
/// let key = ShortString::new("kern.error")?;
/// assert_eq!(key.as_str(), "kern.error");
/// assert!(ShortString::new("x".repeat(256)).is_err());
/// # Ok::<(), springhare_amqp::ShortStringTooLong>(())
/// ```
#[derive(Clone, Default, Eq, PartialOrd, Ord)]
pub struct ShortString(SmolStr);

/// A text longer than the 255 bytes of a [`ShortString`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a short string holds at most {max} bytes, this one has {length}: '{start}...'",
    max = ShortString::MAX_BYTES
)]
pub struct ShortStringTooLong {
    /// The length that was refused, in bytes.
    pub length: usize,
    /// The first characters of the text.
    pub start: String,
}

impl ShortString {
    /// The longest short string, in bytes.
    pub const MAX_BYTES: usize = 255;
    /// The empty short string: the name of the default exchange.
    pub const EMPTY: Self = Self(SmolStr::new_static(""));

    /// Takes `text` as a short string.
    ///
    /// # Errors
    ///
    /// [`ShortStringTooLong`] when `text` has more than [`Self::MAX_BYTES`] bytes.
    pub fn new(text: impl AsRef<str>) -> Result<Self, ShortStringTooLong> {
        let text = text.as_ref();
        if text.len() > Self::MAX_BYTES {
            return Err(ShortStringTooLong {
                length: text.len(),
                start: text.chars().take(40).collect(),
            });
        }
        Ok(Self(SmolStr::new(text)))
    }

    /// Takes as much of `text` as fits, cut between two characters; for texts of our own that
    /// only inform.
    #[must_use]
    pub fn truncated(text: &str) -> Self {
        let mut end = text.len().min(Self::MAX_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(SmolStr::new(text.get(..end).unwrap_or_default()))
    }

    /// A constant.
    ///
    /// # Panics
    ///
    /// When `text` is longer than [`Self::MAX_BYTES`] (at compile time, in a constant).
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(text.len() <= Self::MAX_BYTES, "a short string holds at most 255 bytes");
        Self(SmolStr::new_static(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// What is kept in place is compared byte by byte: mostly it was written a moment ago, and a wide
/// load waits until the narrow stores before it have reached the cache. In a publish that was a
/// fifth of all time.
impl PartialEq for ShortString {
    fn eq(&self, other: &Self) -> bool {
        const IN_PLACE_MAX: usize = 23;
        let (ours, theirs) = (self.as_bytes(), other.as_bytes());
        if ours.len() > IN_PLACE_MAX {
            return self.0 == other.0;
        }
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a == b)
    }
}

/// As its text, since a map is asked by text.
impl Hash for ShortString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Deref for ShortString {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for ShortString {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for ShortString {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for ShortString {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ShortString {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TryFrom<&str> for ShortString {
    type Error = ShortStringTooLong;

    fn try_from(text: &str) -> Result<Self, ShortStringTooLong> {
        Self::new(text)
    }
}

impl TryFrom<String> for ShortString {
    type Error = ShortStringTooLong;

    fn try_from(text: String) -> Result<Self, ShortStringTooLong> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_string_holds_255_bytes_and_no_more() {
        assert_eq!(ShortString::new("a".repeat(255)).unwrap().len(), 255);
        let refused = ShortString::new("a".repeat(256)).unwrap_err();
        assert_eq!(refused.length, 256);
        assert!(refused.to_string().contains("at most 255 bytes"), "{refused}");
    }

    #[test]
    fn truncation_keeps_whole_characters() {
        let text = "ä".repeat(200);
        let cut = ShortString::truncated(&text);
        assert_eq!(cut.len(), 254);
        assert!(text.starts_with(cut.as_str()));
    }
}
