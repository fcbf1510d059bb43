use std::fmt;

use crate::ReplyCode;

/// What an [`AmqpError`] closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorScope {
    /// The channel (a "soft" error); its connection goes on.
    Channel,
    /// The connection and all its channels (a "hard" error).
    Connection,
}

/// The class and method that an error names; 0 and 0 when no method was at fault.
///
/// The constants and the names come from the tables in [`wire::method`](crate::wire::method).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MethodId {
    /// The class: 50 is `queue`.
    pub class: u16,
    /// The method in its class.
    pub method: u16,
}

impl MethodId {
    /// No method: the error came from a content or from the server's side.
    pub const NONE: Self = Self { class: 0, method: 0 };
}

/// An error of the protocol: it closes a channel or a whole connection, with a reply code, a
/// text and the method at fault.
///
/// The text is RabbitMQ's: the code's name, ` - `, and what is wrong; over 255 bytes it is cut
/// to 252 and `...`, as RabbitMQ does.
///
/// ```
/// use springhare_amqp::{AmqpError, ErrorScope, MethodId, ReplyCode};
///
/// let error = AmqpError::new(
///     ReplyCode::NotFound,
///     MethodId::QUEUE_DECLARE,
///     "no queue 'q' in vhost '/'",
/// );
/// assert_eq!(error.to_string(), "404 NOT_FOUND - no queue 'q' in vhost '/'");
/// assert_eq!(error.scope(), ErrorScope::Channel);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpError {
    code: ReplyCode,
    text: String,
    method: MethodId,
}

impl AmqpError {
    /// The longest reply text, in bytes: it is a short string.
    pub const TEXT_MAX_BYTES: usize = 255;

    /// An error with this code, raised by this method.
    pub fn new(code: ReplyCode, method: MethodId, explanation: impl fmt::Display) -> Self {
        let mut text = format!("{} - {explanation}", code.name());
        if text.len() > Self::TEXT_MAX_BYTES {
            let mut end = Self::TEXT_MAX_BYTES - 3;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push_str("...");
        }
        Self { code, text, method }
    }

    /// The reply code.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// The whole reply text, the code's name included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The class and method at fault.
    #[must_use]
    pub fn method(&self) -> MethodId {
        self.method
    }

    /// What the error closes.
    #[must_use]
    pub fn scope(&self) -> ErrorScope {
        self.code.scope()
    }
}

impl fmt::Display for AmqpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.code(), self.text)
    }
}

impl std::error::Error for AmqpError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_to_252_bytes_and_dots() {
        let error = AmqpError::new(ReplyCode::NotFound, MethodId::NONE, "x".repeat(300));
        assert_eq!(error.text().len(), 255);
        assert!(error.text().ends_with("x..."));
    }

    #[test]
    fn soft_codes_close_the_channel_and_hard_ones_the_connection() {
        for soft in [311, 312, 313, 403, 404, 405, 406] {
            assert_eq!(ReplyCode::from_code(soft).unwrap().scope(), ErrorScope::Channel, "{soft}");
        }
        for hard in [320, 402, 501, 502, 503, 504, 505, 506, 530, 540, 541] {
            let scope = ReplyCode::from_code(hard).unwrap().scope();
            assert_eq!(scope, ErrorScope::Connection, "{hard}");
        }
        assert_eq!(ReplyCode::from_code(200), None);
    }

    #[test]
    fn methods_are_named_as_in_the_specification() {
        assert_eq!(MethodId::QUEUE_DECLARE.name(), Some("queue.declare"));
        assert_eq!(MethodId::NONE.name(), None);
    }
}
