//! The schemas of payloads, where their types have some: feature `schemars`.
//!
//! Whether a type has one is asked where the type is known, in the code that the attribute writes: a
//! method of [`SchemaOf`] for those that have, and one of the same name of a trait, which steps back
//! behind it, for all.

use std::marker::PhantomData;

use crate::state::Requirements;

/// Asks whether the extractor `E` takes a payload that has a schema. What can't be an extractor at all is
/// told elsewhere.
#[derive(Debug)]
pub struct SchemaOf<E: ?Sized>(PhantomData<fn() -> *const E>);

impl<E: ?Sized> SchemaOf<E> {
    /// The question.
    pub const NEW: Self = Self(PhantomData);
}

/// The answer for those that have none.
pub trait WithoutSchema {
    /// Notes nothing.
    fn note(&self, _requirements: &mut Requirements) {}
}

impl<E: ?Sized> WithoutSchema for SchemaOf<E> {}

#[cfg(feature = "schemars")]
mod known {
    use schemars::JsonSchema;

    use super::SchemaOf;
    use crate::extract::{Json, Payload};
    use crate::state::Requirements;

    /// An extractor of a payload whose type has a schema.
    pub trait HasSchema {
        /// The payload.
        type Payload: JsonSchema;
    }

    impl<T: JsonSchema> HasSchema for Json<T> {
        type Payload = T;
    }

    impl<T: JsonSchema> HasSchema for Payload<T> {
        type Payload = T;
    }

    #[cfg(feature = "garde")]
    impl<E: HasSchema> HasSchema for crate::extract::Valid<E> {
        type Payload = E::Payload;
    }

    impl<E: HasSchema> HasSchema for Option<E> {
        type Payload = E::Payload;
    }

    /// What each message of a batch has.
    impl<E: HasSchema> HasSchema for Vec<E> {
        type Payload = E::Payload;
    }

    impl<E: HasSchema> SchemaOf<E> {
        /// Notes the payload's schema.
        pub fn note(&self, requirements: &mut Requirements) {
            requirements.schema::<E::Payload>();
        }
    }
}

#[cfg(feature = "schemars")]
pub use known::HasSchema;
