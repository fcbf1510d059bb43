use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// How many delivery tags of a channel are in somebody's hands, who may settle them yet.
#[derive(Debug, Default)]
pub(super) struct OpenTags {
    count: AtomicUsize,
    /// Who waits for the last one; there is one such task, that of the channel's consumer.
    waiting: AtomicWaker,
}

/// No call of it that panics leaves it half done, so that a tag may be held across `catch_unwind`.
impl UnwindSafe for OpenTags {}
impl RefUnwindSafe for OpenTags {}

impl OpenTags {
    pub(super) fn opens(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// One was settled or dropped.
    pub(super) fn closes(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.wake();
        }
    }

    /// Ready when there are none. Only one task may wait.
    pub(super) fn poll_none(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waiting.register(cx.waker());
        if self.count.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}
