use std::time::Duration;

use super::section::section;
use super::value::LongerThanZero;

section! {
    /// What the template does where a call says nothing else.
    pub(crate) struct TemplateSettings {
        /// The exchange of messages whose route is a key alone.
        exchange: String = "exchange",
        /// The routing key of messages without a route.
        routing_key: String = "routing-key",
        /// Whether a message that reaches no queue is an error, whatever its exchange.
        mandatory: bool = "mandatory",
        /// How long a call waits for its reply.
        reply_timeout: LongerThanZero = "reply-timeout",
        /// How long `receive` waits for a message.
        receive_timeout: Duration = "receive-timeout",
        /// How long a message is sent again while the broker is not there.
        retry_timeout: Duration = "retry.timeout",
    }
}
