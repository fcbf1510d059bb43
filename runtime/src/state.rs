//! The application's own values, by their type: what `.manage(..)` puts in and
//! [`State`](crate::State) takes out, and what listeners need of them.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The managed values of one application; fixed once it has started.
#[derive(Default)]
pub(crate) struct StateRegistry {
    values: BTreeMap<TypeId, Managed>,
}

struct Managed {
    value: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
}

/// Two values of one type were managed; a listener could not say which it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "two values of type `{type_name}` are managed; give them types of their own, say \
     `struct Primary({type_name})`"
)]
pub struct DuplicateState {
    /// The type's path.
    pub type_name: &'static str,
}

impl StateRegistry {
    /// Manages `value` under its type.
    pub(crate) fn manage<T: Send + Sync + 'static>(
        &mut self,
        value: T,
    ) -> Result<(), DuplicateState> {
        let type_name = type_name::<T>();
        if self.values.contains_key(&TypeId::of::<T>()) {
            return Err(DuplicateState { type_name });
        }
        self.values.insert(TypeId::of::<T>(), Managed { value: Arc::new(value), type_name });
        Ok(())
    }

    /// The value of this type.
    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let managed = self.values.get(&TypeId::of::<T>())?;
        Arc::clone(&managed.value).downcast().ok()
    }

    /// What `requirements` ask for and is not managed: the names of the types.
    pub(crate) fn missing<'r>(
        &'r self,
        requirements: &'r Requirements,
    ) -> impl Iterator<Item = &'static str> + 'r {
        let missing = |(id, _): &&(TypeId, &'static str)| !self.values.contains_key(id);
        requirements.states.iter().filter(missing).map(|(_, name)| *name)
    }
}

impl fmt::Debug for StateRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.values().map(|managed| managed.type_name)).finish()
    }
}

/// What an argument wants of the words in braces of its listener's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathShape {
    /// So many, in their order.
    Words(usize),
    /// Those with the names of its fields.
    Fields(&'static [&'static str]),
    /// Whatever there is.
    Any,
}

/// What a listener's arguments need of the application; checked before anything is consumed.
///
/// An extractor adds to it in [`FromDelivery::require`](crate::FromDelivery::require).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    states: Vec<(TypeId, &'static str)>,
    delivery_tags: usize,
    paths: Vec<PathShape>,
    payload: Option<(&'static str, &'static str)>,
    #[cfg(feature = "schemars")]
    schema: Option<PayloadSchema>,
    outbox: bool,
}

/// How the schema of a payload is made, and of which.
#[cfg(feature = "schemars")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadSchema {
    type_name: &'static str,
    pub(crate) make: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

#[cfg(feature = "schemars")]
impl PartialEq for PayloadSchema {
    /// The same type's is made by the same function, which may have several addresses.
    fn eq(&self, other: &Self) -> bool {
        self.type_name == other.type_name
    }
}

#[cfg(feature = "schemars")]
impl Eq for PayloadSchema {}

impl Requirements {
    /// A value of type `T` must be managed.
    pub fn state<T: Send + Sync + 'static>(&mut self) {
        let required = (TypeId::of::<T>(), type_name::<T>());
        if !self.states.contains(&required) {
            self.states.push(required);
        }
    }

    /// The listener takes the right to settle; there is one for each delivery.
    pub fn delivery_tag(&mut self) {
        self.delivery_tags += 1;
    }

    /// The listener takes the messages that go out before the framework's ack.
    pub(crate) fn outbox(&mut self) {
        self.outbox = true;
    }

    /// Whether it takes them.
    pub(crate) fn has_outbox(&self) -> bool {
        self.outbox
    }

    /// The listener takes the words in braces of its key.
    pub(crate) fn path(&mut self, shape: PathShape) {
        self.paths.push(shape);
    }

    /// What its arguments want of those words.
    pub(crate) fn paths(&self) -> &[PathShape] {
        &self.paths
    }

    /// Adds what another handler of the same listener needs, of which a message meets one.
    pub(crate) fn or(&mut self, other: Self) {
        for state in other.states {
            if !self.states.contains(&state) {
                self.states.push(state);
            }
        }
        self.delivery_tags = self.delivery_tags.max(other.delivery_tags);
        self.paths.extend(other.paths);
        self.outbox |= other.outbox;
        #[cfg(feature = "schemars")]
        if self.payload.is_none() {
            self.schema = other.schema;
        }
        self.payload = self.payload.or(other.payload);
    }

    /// The listener takes bodies of this content type as a `T`: what a description shows.
    pub fn payload<T: ?Sized>(&mut self, content_type: &'static str) {
        self.payload = Some((type_name::<T>(), content_type));
    }

    /// The schema of the type that the listener takes bodies as.
    #[cfg(feature = "schemars")]
    pub(crate) fn schema<T: schemars::JsonSchema>(&mut self) {
        let make = schemars::SchemaGenerator::subschema_for::<T>;
        self.schema = Some(PayloadSchema { type_name: type_name::<T>(), make });
    }

    /// How the schema of that type is made, if it has one.
    #[cfg(feature = "schemars")]
    pub(crate) fn payload_schema(&self) -> Option<PayloadSchema> {
        self.schema
    }

    /// The name of the type that the listener takes bodies as, and their content type.
    #[must_use]
    pub fn payload_type(&self) -> Option<(&'static str, &'static str)> {
        self.payload
    }

    /// How many arguments take the right to settle.
    #[must_use]
    pub fn delivery_tags(&self) -> usize {
        self.delivery_tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Db(u8);

    #[test]
    fn a_value_is_found_by_its_type() {
        let mut states = StateRegistry::default();
        states.manage(Db(1)).unwrap();
        states.manage("text").unwrap();
        assert_eq!(*states.get::<Db>().unwrap(), Db(1));
        assert_eq!(*states.get::<&str>().unwrap(), "text");
        assert!(states.get::<u8>().is_none());
    }

    #[test]
    fn a_second_value_of_a_type_is_refused() {
        let mut states = StateRegistry::default();
        states.manage(Db(1)).unwrap();
        let refused = states.manage(Db(2)).unwrap_err();
        assert!(refused.to_string().contains("::Db`"), "{refused}");
        assert_eq!(*states.get::<Db>().unwrap(), Db(1));
    }

    #[test]
    fn what_is_missing_is_named_once() {
        let mut requirements = Requirements::default();
        requirements.state::<Db>();
        requirements.state::<Db>();
        requirements.state::<u8>();
        let mut states = StateRegistry::default();
        states.manage(5u8).unwrap();
        let missing: Vec<_> = states.missing(&requirements).collect();
        assert_eq!(missing, [type_name::<Db>()]);
    }
}
