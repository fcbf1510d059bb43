//! A listener before it is resolved.

use crate::listener::endpoint::{ListenerAttributes, RabbitListenerEndpoint};
use crate::listener::function::Function;
use crate::settings::ListenerSettings;

/// A listener as it was written down: by an attribute, or while the program runs.
#[derive(Debug, Clone)]
pub(crate) struct ListenerSource<'a> {
    /// Its id, which may have placeholders.
    pub(crate) id: String,
    pub(crate) function: Function,
    pub(crate) attributes: ListenerAttributes<'a>,
    /// What it says itself of its settings.
    pub(crate) settings: ListenerSettings,
    /// Those of them that nobody has held against what it is yet; a macro does so with an attribute's.
    pub(crate) unchecked: Vec<&'static str>,
}

impl ListenerSource<'_> {
    /// One that an attribute has left behind.
    pub(crate) fn of(endpoint: &RabbitListenerEndpoint) -> Self {
        Self {
            id: endpoint.id(),
            function: Function::of(endpoint),
            attributes: endpoint.attributes,
            settings: ListenerSettings::of(&endpoint.attributes),
            unchecked: Vec::new(),
        }
    }
}
