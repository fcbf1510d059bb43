use std::fmt;

/// A password, which no text shows: neither `Debug` nor `Display` has it.
///
/// ```
/// use springhare::connection::AmqpAddress;
///
/// let address: AmqpAddress = "amqp://user:s3cret@host".parse()?;
/// assert_eq!(address.password().reveal(), "s3cret");
/// assert_eq!(address.password().to_string(), "(hidden)");
/// # Ok::<(), springhare::connection::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<str>);

impl Password {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the login and nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_shows_it() {
        let password = Password::new("s3cret");
        let texts = format!("{password} {password:?} {password:#?} {:?}", Some(&password));
        assert!(!texts.contains("s3cret"), "{texts}");
        assert_eq!(password.reveal(), "s3cret");
    }
}
