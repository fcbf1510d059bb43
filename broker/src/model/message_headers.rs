use std::cell::Cell;

use springhare_amqp::{FieldTable, MessageProperties, Property};

/// The headers of a message on its way through the exchanges.
///
/// Only headers exchanges look at them, so they are decoded only when one does; and it remembers
/// whether one did, since else every message with this key goes the same way.
#[derive(Debug)]
pub(crate) struct MessageHeaders<'m> {
    source: Source<'m>,
    were_read: Cell<bool>,
}

#[derive(Debug)]
enum Source<'m> {
    Properties(&'m MessageProperties),
    #[cfg(test)]
    Table(Option<&'m FieldTable>),
}

impl<'m> MessageHeaders<'m> {
    pub(crate) fn of(properties: &'m MessageProperties) -> Self {
        Self { source: Source::Properties(properties), were_read: Cell::new(false) }
    }

    #[cfg(test)]
    pub(crate) fn table(table: Option<&'m FieldTable>) -> Self {
        Self { source: Source::Table(table), were_read: Cell::new(false) }
    }

    /// The headers; none when the message has none.
    pub(crate) fn read(&self) -> Option<&'m FieldTable> {
        self.were_read.set(true);
        match self.source {
            Source::Properties(properties) if properties.has(Property::Headers) => {
                properties.headers.as_ref()
            }
            Source::Properties(_) => None,
            #[cfg(test)]
            Source::Table(table) => table,
        }
    }

    /// Whether any exchange has looked at them.
    pub(crate) fn were_read(&self) -> bool {
        self.were_read.get()
    }
}
