//! Class 10 `connection`: greeting, authentication, tuning, and the end (AMQP 0-9-1 section 1.4).

methods! {
    class Connection = 10;

    /// The server's greeting: who it is and how one may log in.
    CONNECTION_START "connection.start" Start = 10 {
        /// The protocol's major version: 0.
        version_major: octet,
        /// The protocol's minor version: 9.
        version_minor: octet,
        /// Who the server is: `product`, `version`, `capabilities` and others.
        server_properties: table,
        /// The mechanisms of SASL that it takes, with spaces between them.
        mechanisms: longstr,
        /// The locales of its texts, with spaces between them: `en_US`.
        locales: longstr,
    };

    /// The client's choice, and its credentials.
    CONNECTION_START_OK "connection.start-ok" StartOk = 11 {
        /// Who the client is: `product`, `connection_name`, `capabilities` and others.
        client_properties: table,
        /// The mechanism: `PLAIN`.
        mechanism: shortstr,
        /// The mechanism's first response: user and password for `PLAIN`.
        response: secret,
        /// One of the server's locales.
        locale: shortstr,
    };

    /// The mechanism's next question.
    CONNECTION_SECURE "connection.secure" Secure = 20 {
        /// What the mechanism asks.
        challenge: secret,
    };

    /// The answer to it.
    CONNECTION_SECURE_OK "connection.secure-ok" SecureOk = 21 {
        /// What the mechanism answers.
        response: secret,
    };

    /// The server's limits; 0 is none.
    CONNECTION_TUNE "connection.tune" Tune = 30 {
        /// The highest number of a channel.
        channel_max: short,
        /// The largest frame in bytes, with its [overhead](crate::wire::FRAME_OVERHEAD).
        frame_max: long,
        /// Seconds without a byte after which a peer is dead.
        heartbeat: short,
    };

    /// The limits that both keep.
    CONNECTION_TUNE_OK "connection.tune-ok" TuneOk = 31 {
        /// The highest number of a channel.
        channel_max: short,
        /// The largest frame in bytes, with its [overhead](crate::wire::FRAME_OVERHEAD).
        frame_max: long,
        /// Seconds without a byte after which a peer is dead.
        heartbeat: short,
    };

    /// Enters a virtual host.
    CONNECTION_OPEN "connection.open" Open = 40 {
        /// The virtual host: `/`.
        virtual_host: shortstr,
    } reserved(shortstr, bit);

    /// The connection can be used.
    CONNECTION_OPEN_OK "connection.open-ok" OpenOk = 41 {} reserved(shortstr);

    /// Ends the connection; the peer answers with [`CloseOk`] and sends nothing more.
    CONNECTION_CLOSE "connection.close" Close = 50 {
        /// Why: 200 or the number of a [`ReplyCode`](crate::ReplyCode).
        reply_code: short,
        /// Why, in words.
        reply_text: shortstr,
        /// The class of the method at fault, or 0.
        class_id: short,
        /// The method at fault, or 0.
        method_id: short,
    };

    /// The connection is closed on both sides.
    CONNECTION_CLOSE_OK "connection.close-ok" CloseOk = 51 {};

    /// RabbitMQ: the server reads no more publishes for now.
    CONNECTION_BLOCKED "connection.blocked" Blocked = 60 {
        /// Which resource is short: `low on memory`.
        reason: shortstr,
    };

    /// RabbitMQ: the server reads publishes again.
    CONNECTION_UNBLOCKED "connection.unblocked" Unblocked = 61 {};

    /// RabbitMQ: new credentials for the rest of the connection.
    CONNECTION_UPDATE_SECRET "connection.update-secret" UpdateSecret = 70 {
        /// The new password or token.
        new_secret: secret,
        /// Why, for the server's log.
        reason: shortstr,
    };

    /// RabbitMQ: the credentials were taken.
    CONNECTION_UPDATE_SECRET_OK "connection.update-secret-ok" UpdateSecretOk = 71 {};
}
