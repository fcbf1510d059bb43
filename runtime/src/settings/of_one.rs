use std::collections::BTreeMap;

use super::layers::{Taken, set};
use super::listener::ListenerSettings;
use super::section::known_key;
use super::source::Source;
use super::value::Value;

/// What one source says of one listener, by its id.
#[derive(Debug, Clone)]
pub(super) struct OfOne {
    pub(super) settings: ListenerSettings,
    /// The place that names the listener first.
    pub(super) place: Source,
    /// Where each key is set.
    pub(super) keys: BTreeMap<&'static str, Source>,
}

impl OfOne {
    pub(super) fn new(place: Source) -> Self {
        Self { settings: ListenerSettings::default(), place, keys: BTreeMap::new() }
    }

    /// Sets the key of these names.
    pub(super) fn set(&mut self, key: &[&str], value: &Value, source: &Source) -> Taken {
        if let Some(known) = known_key::<ListenerSettings>(&key.join(".")) {
            self.keys.insert(known, source.clone());
        }
        set(&mut self.settings, key, value, source)
    }
}
