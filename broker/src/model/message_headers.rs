use std::borrow::Cow;
use std::cell::OnceCell;

use springhare_amqp::{FieldTable, MessageProperties};

/// The headers of a message on its way through the exchanges.
///
/// Only headers exchanges look at them, so they are decoded only when one does, and let go with
/// this: what a peer packed into few bytes can be large. It remembers whether one did, since else
/// every message with this key goes the same way.
#[derive(Debug)]
pub(crate) struct MessageHeaders<'m> {
    source: Source<'m>,
    read: OnceCell<Option<Cow<'m, FieldTable>>>,
}

#[derive(Debug)]
enum Source<'m> {
    Properties(&'m MessageProperties),
    #[cfg(test)]
    Table(Option<&'m FieldTable>),
}

impl<'m> MessageHeaders<'m> {
    pub(crate) fn of(properties: &'m MessageProperties) -> Self {
        Self { source: Source::Properties(properties), read: OnceCell::new() }
    }

    #[cfg(test)]
    pub(crate) fn table(table: Option<&'m FieldTable>) -> Self {
        Self { source: Source::Table(table), read: OnceCell::new() }
    }

    /// The headers; none when the message has none.
    pub(crate) fn read(&self) -> Option<&FieldTable> {
        let read = self.read.get_or_init(|| match self.source {
            Source::Properties(properties) => properties.headers_once(),
            #[cfg(test)]
            Source::Table(table) => table.map(Cow::Borrowed),
        });
        read.as_deref()
    }

    /// Whether any exchange has looked at them.
    pub(crate) fn were_read(&self) -> bool {
        self.read.get().is_some()
    }
}
