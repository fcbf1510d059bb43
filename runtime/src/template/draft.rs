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
