use std::time::Duration;

use springhare_amqp::{BasicProperties, DeliveryMode, FieldTable, FieldValue, ShortString};
use springhare_broker::Publish;

use crate::error::{Error, Result};

/// A message in the making; once something is wrong with it, that.
#[derive(Debug)]
pub(super) struct Draft(Result<Publish>);

impl Draft {
    pub(super) fn new(publish: Result<Publish>) -> Self {
        Self(publish)
    }

    /// The message, as far as nothing is wrong with it.
    pub(super) fn publish(&self) -> Option<&Publish> {
        self.0.as_ref().ok()
    }

    pub(super) fn into_result(self) -> Result<Publish> {
        self.0
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Publish)) {
        if let Ok(publish) = &mut self.0 {
            change(publish);
        }
    }

    pub(super) fn properties(&mut self, set: impl FnOnce(&mut BasicProperties)) {
        self.change(|publish| set(&mut publish.message.properties));
    }

    pub(super) fn persistent(&mut self, persistent: bool) {
        let mode = if persistent { DeliveryMode::Persistent } else { DeliveryMode::Transient };
        self.properties(|properties| properties.delivery_mode = Some(mode));
    }

    pub(super) fn expiration(&mut self, time_to_live: Duration) {
        let millis = time_to_live.as_millis().to_string();
        self.short_string(&millis, |properties, text| properties.expiration = Some(text));
    }

    pub(super) fn header(&mut self, name: impl AsRef<str>, value: impl Into<FieldValue>) {
        let Ok(publish) = &mut self.0 else { return };
        let headers = publish.message.properties.headers.get_or_insert_with(FieldTable::default);
        if let Err(error) = headers.insert(name, value) {
            self.fail(Error::TooLong(error));
        }
    }

    pub(super) fn short_string(
        &mut self,
        text: &str,
        set: impl FnOnce(&mut BasicProperties, ShortString),
    ) {
        match ShortString::new(text) {
            Ok(text) => self.properties(|properties| set(properties, text)),
            Err(error) => self.fail(Error::TooLong(error)),
        }
    }

    /// Something is wrong with it; what was wrong first counts.
    pub(super) fn fail(&mut self, error: Error) {
        if self.0.is_ok() {
            self.0 = Err(error);
        }
    }
}

/// What a message and a request can be told to have, each with a `draft`.
macro_rules! message_options {
    () => {
        /// How long the message may wait in a queue, in whole milliseconds; then it expires, and is
        /// dropped or dead-lettered. The queue's own [`ttl`](crate::Queue::ttl) counts if it is
        /// shorter.
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
        pub fn compressed(mut self, compression: crate::convert::Compression) -> Self {
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
