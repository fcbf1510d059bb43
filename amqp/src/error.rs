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

macro_rules! method_ids {
    ($( $constant:ident = $class:literal $method:literal $name:literal; )+) => {
        impl MethodId {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Self = Self { class: $class, method: $method };
            )+

            /// The method's name in the specification: `queue.declare`; none for [`Self::NONE`].
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match (self.class, self.method) {
                    $( ($class, $method) => Some($name), )+
                    _ => None,
                }
            }
        }
    };
}

/// The class and method that an error names; 0 and 0 when no method was at fault.
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

method_ids! {
    CONNECTION_OPEN = 10 40 "connection.open";
    CONNECTION_CLOSE = 10 50 "connection.close";
    CHANNEL_OPEN = 20 10 "channel.open";
    CHANNEL_FLOW = 20 20 "channel.flow";
    CHANNEL_CLOSE = 20 40 "channel.close";
    EXCHANGE_DECLARE = 40 10 "exchange.declare";
    EXCHANGE_DELETE = 40 20 "exchange.delete";
    EXCHANGE_BIND = 40 30 "exchange.bind";
    EXCHANGE_UNBIND = 40 40 "exchange.unbind";
    QUEUE_DECLARE = 50 10 "queue.declare";
    QUEUE_BIND = 50 20 "queue.bind";
    QUEUE_PURGE = 50 30 "queue.purge";
    QUEUE_DELETE = 50 40 "queue.delete";
    QUEUE_UNBIND = 50 50 "queue.unbind";
    BASIC_QOS = 60 10 "basic.qos";
    BASIC_CONSUME = 60 20 "basic.consume";
    BASIC_CANCEL = 60 30 "basic.cancel";
    BASIC_PUBLISH = 60 40 "basic.publish";
    BASIC_GET = 60 70 "basic.get";
    BASIC_ACK = 60 80 "basic.ack";
    BASIC_REJECT = 60 90 "basic.reject";
    BASIC_RECOVER = 60 110 "basic.recover";
    BASIC_NACK = 60 120 "basic.nack";
    CONFIRM_SELECT = 85 10 "confirm.select";
    TX_SELECT = 90 10 "tx.select";
    TX_COMMIT = 90 20 "tx.commit";
    TX_ROLLBACK = 90 30 "tx.rollback";
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
