//! What a message and a request can be told to have.

/// For the `impl` of what has a `draft`.
macro_rules! message_options {
    () => {
        /// How long the message may wait in a queue, in whole milliseconds; then it expires, and is
        /// dropped or dead-lettered. The queue's own [`ttl`](crate::Queue::ttl) counts if it is
        /// shorter. A request without it waits on when its caller has given up.
        pub fn expiration(mut self, time_to_live: ::std::time::Duration) -> Self {
            self.draft.expiration(time_to_live);
            self
        }

        /// The priority, for queues with [`max_priority`](crate::Queue::max_priority).
        pub fn priority(mut self, priority: u8) -> Self {
            self.draft.properties(|properties| properties.priority = Some(priority));
            self
        }

        /// A header: a number, a boolean, a text, bytes or a list.
        ///
        /// A name of more than 255 bytes is the call's error.
        pub fn header(
            mut self,
            name: impl AsRef<str>,
            value: impl Into<::springhare_amqp::FieldValue>,
        ) -> Self {
            self.draft.header(name, value);
            self
        }

        /// The application's own id of the message.
        pub fn message_id(mut self, id: impl AsRef<str>) -> Self {
            self.draft.short_string(id.as_ref(), |properties, id| properties.message_id = Some(id));
            self
        }

        /// Which application sends it.
        pub fn app_id(mut self, id: impl AsRef<str>) -> Self {
            self.draft.short_string(id.as_ref(), |properties, id| properties.app_id = Some(id));
            self
        }

        /// What the message is, in the application's own words: the property `type`.
        pub fn kind(mut self, kind: impl AsRef<str>) -> Self {
            self.draft.short_string(kind.as_ref(), |properties, kind| properties.kind = Some(kind));
            self
        }

        /// What the body is, a MIME type, in place of what its type says.
        pub fn content_type(mut self, mime: impl AsRef<str>) -> Self {
            self.draft.short_string(mime.as_ref(), |properties, mime| {
                properties.content_type = Some(mime);
            });
            self
        }

        /// When what the message tells of happened, to the second; a time before 1970 is 1970.
        pub fn timestamp(mut self, time: ::std::time::SystemTime) -> Self {
            let since =
                time.duration_since(::std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.draft.properties(|properties| properties.timestamp = Some(since.as_secs()));
            self
        }

        /// The user that sends it. A broker refuses a name that is not the connection's.
        pub fn user_id(mut self, user: impl AsRef<str>) -> Self {
            self.draft
                .short_string(user.as_ref(), |properties, user| properties.user_id = Some(user));
            self
        }

        /// Compresses the body: feature `compression`. Receivers know it by the `content_encoding`.
        ///
        /// ```
        /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
        /// use springhare::convert::Compression;
        ///
        /// rabbit.convert_and_send("orders", &vec!["tea"; 1000]).compressed(Compression::Gzip).await?;
        /// # Ok(())
        /// # }
        /// ```
        #[cfg(feature = "compression")]
        pub fn compressed(mut self, compression: $crate::convert::Compression) -> Self {
            let mut compressed = Ok(());
            self.draft.change(|publish| compressed = compression.compress(&mut publish.message));
            if let Err(error) = compressed {
                self.draft.fail($crate::error::Error::from(error));
            }
            self
        }
    };
}

pub(super) use message_options;
