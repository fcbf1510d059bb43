//! Class 20 `channel`: opening, pausing and closing channels (AMQP 0-9-1 section 1.5).

methods! {
    class Channel = 20;

    /// Opens the channel that the frame is of.
    CHANNEL_OPEN "channel.open" Open = 10 {} reserved(shortstr);

    /// The channel can be used.
    CHANNEL_OPEN_OK "channel.open-ok" OpenOk = 11 {} reserved(longstr);

    /// Asks the peer to pause or to resume sending contents.
    CHANNEL_FLOW "channel.flow" Flow = 20 {
        /// Whether contents may be sent.
        active: bit,
    };

    /// The peer has paused or resumed.
    CHANNEL_FLOW_OK "channel.flow-ok" FlowOk = 21 {
        /// Whether contents are sent from now on.
        active: bit,
    };

    /// Ends the channel; the peer answers with [`CloseOk`].
    CHANNEL_CLOSE "channel.close" Close = 40 {
        /// Why: 200 or the number of a [`ReplyCode`](crate::ReplyCode).
        reply_code: short,
        /// Why, in words.
        reply_text: shortstr,
        /// The class of the method at fault, or 0.
        class_id: short,
        /// The method at fault, or 0.
        method_id: short,
    };

    /// The channel is closed on both sides.
    CHANNEL_CLOSE_OK "channel.close-ok" CloseOk = 41 {};
}
