//! References as they are stored: runs of such as count up by ones, each by its distance from the
//! end of the one before. Consecutive ones cost nothing.

use super::varint::{Fields, put_varint, unzigzag, zigzag};
use crate::model::stored::Reference;

/// No reference is as large: what is stored of it has room for the distance of any two.
pub(crate) const REFERENCE_END: u64 = 1 << 60;

/// The longest run.
pub(crate) const RUN_MAX: u64 = 1 << 16;

/// References that count up by ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) count: u64,
}

impl Run {
    /// All of them.
    pub(crate) fn references(self) -> impl Iterator<Item = Reference> {
        (self.first..self.first + self.count).filter_map(Reference::new)
    }
}

/// Appends references; `base` is one that is known where they are read.
pub(crate) fn put_references(
    out: &mut Vec<u8>,
    base: u64,
    references: impl IntoIterator<Item = Reference>,
) {
    let mut base = base;
    let mut references = references.into_iter().map(Reference::number).peekable();
    while let Some(first) = references.next() {
        let mut count = 1;
        while count < RUN_MAX && references.next_if_eq(&(first + count)).is_some() {
            count += 1;
        }
        let distance = zigzag(first.cast_signed().wrapping_sub(base.cast_signed()));
        put_varint(out, distance << 1 | u64::from(count > 1));
        if count > 1 {
            put_varint(out, count);
        }
        base = first + count - 1;
    }
}

/// The runs that [`put_references`] has written, up to the end of the bytes. What can't be read ends
/// them; see [`Self::is_whole`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runs<'a> {
    fields: Fields<'a>,
    base: u64,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(base: u64, bytes: &'a [u8]) -> Self {
        Self { fields: Fields::new(bytes), base }
    }

    /// Whether all of them can be read.
    pub(crate) fn is_whole(mut self) -> bool {
        while self.next().is_some() {}
        self.fields.is_empty()
    }

    fn read(&mut self) -> Option<Run> {
        let mut fields = self.fields;
        let value = fields.varint()?;
        let first = self.base.checked_add_signed(unzigzag(value >> 1))?;
        let count = if value & 1 == 1 { fields.varint()? } else { 1 };
        let is_run = (1..=RUN_MAX).contains(&count);
        if first == 0 || !is_run || first.checked_add(count)? > REFERENCE_END {
            return None;
        }
        self.base = first + count - 1;
        self.fields = fields;
        Some(Run { first, count })
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        self.read()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(runs: Runs<'_>) -> Vec<u64> {
        runs.flat_map(Run::references).map(Reference::number).collect()
    }

    proptest! {
        #[test]
        fn references_are_read_as_they_were_written(
            base in 0..REFERENCE_END,
            numbers in prop::collection::vec(prop_oneof![1_u64..20, 1..REFERENCE_END], 0..50),
        ) {
            let mut out = Vec::new();
            put_references(&mut out, base, numbers.iter().filter_map(|n| Reference::new(*n)));
            prop_assert!(Runs::new(base, &out).is_whole());
            prop_assert_eq!(all(Runs::new(base, &out)), numbers);
        }

        #[test]
        fn anything_is_read_or_not(base: u64, bytes: Vec<u8>) {
            let runs = Runs::new(base, &bytes);
            prop_assert!(runs.count() <= bytes.len());
        }
    }

    #[test]
    fn consecutive_ones_are_short() {
        let mut out = Vec::new();
        put_references(&mut out, 1, (1..=1_000_000).filter_map(Reference::new));
        assert!(out.len() < 100, "{}", out.len());
        assert_eq!(all(Runs::new(1, &out)), (1..=1_000_000).collect::<Vec<_>>());
    }
}
