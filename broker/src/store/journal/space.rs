//! Whether there is room: on the disk, and for what waits to be written.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Why publishers are to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// There is little room left on the disk.
    DiskLow,
    /// Much waits to be written.
    Backlog,
}

/// How much room there is.
#[derive(Debug)]
pub(super) struct Space {
    /// What there is little of, in bits.
    short: AtomicU8,
    /// The bytes that were free at the last look, less what was allocated since; all there are if
    /// nobody says.
    free: AtomicU64,
}

impl Default for Space {
    fn default() -> Self {
        Self { short: AtomicU8::new(0), free: AtomicU64::new(u64::MAX) }
    }
}

const BACKLOGGED: u8 = 1;
const LOW: u8 = 1 << 1;
const FULL: u8 = 1 << 2;
const UNALLOCATED: u8 = 1 << 3;

impl Space {
    pub(super) fn blocked(&self) -> Option<Blocked> {
        match self.short.load(Ordering::SeqCst) {
            0 => None,
            BACKLOGGED => Some(Blocked::Backlog),
            _ => Some(Blocked::DiskLow),
        }
    }

    /// Whether messages are refused.
    pub(super) fn is_full(&self) -> bool {
        self.short.load(Ordering::Relaxed) & (FULL | UNALLOCATED) != 0
    }

    pub(super) fn set_backlogged(&self, is_backlogged: bool) -> bool {
        self.set(BACKLOGGED, is_backlogged)
    }

    /// So much is free; whether that changes anything.
    pub(super) fn set_free(&self, free: u64, limit: u64, hard_limit: u64) -> bool {
        self.free.store(free, Ordering::SeqCst);
        let is_low = self.set(LOW, free < limit);
        let is_full = self.set(FULL, free < hard_limit);
        is_low || is_full
    }

    /// So much was taken of it.
    pub(super) fn allocated(&self, bytes: u64) {
        let take = |free: u64| (free != u64::MAX).then(|| free.saturating_sub(bytes));
        let _ = self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
    }

    /// Whether so much can be allocated, and this limit is kept.
    pub(super) fn has_room(&self, bytes: u64, hard_limit: u64) -> bool {
        bytes == 0 || self.free.load(Ordering::Relaxed) >= bytes.saturating_add(hard_limit)
    }

    /// Whether there is no room for another segment; whether that is news.
    pub(super) fn set_unallocated(&self, is_unallocated: bool) -> bool {
        self.set(UNALLOCATED, is_unallocated)
    }

    fn set(&self, bit: u8, is_set: bool) -> bool {
        let before = match is_set {
            true => self.short.fetch_or(bit, Ordering::SeqCst),
            false => self.short.fetch_and(!bit, Ordering::SeqCst),
        };
        (before & bit != 0) != is_set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_comes_before_the_backlog() {
        let space = Space::default();
        assert_eq!(space.blocked(), None);
        assert!(space.set_backlogged(true) && !space.set_backlogged(true));
        assert_eq!(space.blocked(), Some(Blocked::Backlog));
        assert!(space.set_free(49, 50, 16));
        assert_eq!((space.blocked(), space.is_full()), (Some(Blocked::DiskLow), false));
        assert!(space.set_free(15, 50, 16) && space.is_full());
        assert!(space.set_unallocated(true));
        assert!(space.set_free(50, 50, 16) && space.is_full());
        assert!(space.set_unallocated(false) && !space.is_full());
        assert_eq!(space.blocked(), Some(Blocked::Backlog));
        assert!(space.set_backlogged(false));
        assert_eq!(space.blocked(), None);
    }
}
