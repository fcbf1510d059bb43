//! What the bytes in the store's files mean; docs/storage.md draws them.
//!
//! Pure. Writing appends to a buffer, reading borrows from one; it never panics, and allocates nothing
//! because a length says so.

pub(crate) mod encode;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod index;
pub(crate) mod message;
pub(crate) mod record;
pub(crate) mod references;
#[cfg(test)]
mod tests;
pub(crate) mod varint;
