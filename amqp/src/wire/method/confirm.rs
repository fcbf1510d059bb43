//! Class 85 `confirm`: publisher confirms, RabbitMQ's extension.

methods! {
    class Confirm = 85;

    /// Asks for a confirm of each publish on the channel.
    CONFIRM_SELECT "confirm.select" Select = 10 {
        /// Whether no answer is wanted.
        no_wait: bit,
    };

    /// From now on publishes are confirmed.
    CONFIRM_SELECT_OK "confirm.select-ok" SelectOk = 11 {};
}
