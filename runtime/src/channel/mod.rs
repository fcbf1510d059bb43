//! The channel as a handler or a caller of
//! [`RabbitTemplate::execute`](crate::RabbitTemplate::execute) sees it: settlement by
//! [`DeliveryTag`], and AMQP's operations in AMQP's words.
//!
//! Deliberately out: consuming for listeners (the container does that) and recovery. A channel
//! that is closed stays closed; whoever opened it opens another.

mod delivery_tag;
mod open_tags;
mod raw;
mod settle;
mod settled_tags;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

pub use delivery_tag::DeliveryTag;
pub(crate) use delivery_tag::Settlement;
pub use raw::Consumer;
pub use settle::SettleError;
pub(crate) use settle::{SettlementObserver, Verdict};
use settled_tags::SettledTags;

use crate::connection::{LinkChannel, LinkError};
use open_tags::OpenTags;

/// Counts the channels of this process, so that no two have the same epoch.
static NEXT_EPOCH: AtomicU64 = AtomicU64::new(1);

/// An open AMQP channel. A clone is the same channel.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
}

struct Shared {
    link: Arc<dyn LinkChannel>,
    /// Which of all channels this is: what tells a stale tag.
    epoch: u64,
    purpose: Purpose,
    /// Held while a settlement is checked and sent, so that none can pass an `ack_multiple`.
    settling: tokio::sync::Mutex<SettledTags>,
    /// The highest delivery tag of an `ack_multiple`: all up to it are settled.
    covered_up_to: AtomicU64,
    open_tags: Arc<OpenTags>,
    /// Whether there are deliveries on it that its listener does not know.
    consumed_on: AtomicBool,
    /// Is told of what is settled by a listener or its handler.
    observer: Option<Arc<dyn SettlementObserver>>,
}

/// Who settles on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A listener's container, and the handler with its [`DeliveryTag`].
    Listener,
    /// Whoever opened it.
    Raw,
}

impl Channel {
    pub(crate) fn new(link: Arc<dyn LinkChannel>, purpose: Purpose) -> Self {
        Self::observed(link, purpose, None)
    }

    /// The same, with somebody who is told of its settlements.
    pub(crate) fn observed(
        link: Arc<dyn LinkChannel>,
        purpose: Purpose,
        observer: Option<Arc<dyn SettlementObserver>>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                link,
                epoch: NEXT_EPOCH.fetch_add(1, Ordering::Relaxed),
                purpose,
                settling: tokio::sync::Mutex::default(),
                covered_up_to: AtomicU64::new(0),
                open_tags: Arc::default(),
                consumed_on: AtomicBool::new(false),
                observer,
            }),
        }
    }

    /// Which of all channels of this process it is.
    pub(crate) fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// The right to settle the delivery of this number, whose settlement this is.
    pub(crate) fn delivery_tag(&self, value: u64, settlement: Arc<Settlement>) -> DeliveryTag {
        DeliveryTag::new(value, self.epoch(), settlement, Arc::clone(&self.shared.open_tags))
    }

    /// Ready when nobody holds a tag of it any more, and what they settled is sent. Only for the task of
    /// the channel's consumer.
    pub(crate) fn poll_no_open_tags(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.open_tags.poll_none(cx)
    }

    pub(crate) fn link(&self) -> &Arc<dyn LinkChannel> {
        &self.shared.link
    }

    /// Whether a handler consumes on its listener's channel: then an ack that covers several
    /// deliveries could cover one of the handler's own.
    pub(crate) fn is_consumed_on_by_the_handler(&self) -> bool {
        self.shared.consumed_on.load(Ordering::Acquire)
    }

    /// Whether the channel is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.link.close_reason().is_none()
    }

    /// Why the channel is closed; none while it is open.
    #[must_use]
    pub fn close_reason(&self) -> Option<LinkError> {
        self.shared.link.close_reason()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("epoch", &self.shared.epoch)
            .field("purpose", &self.shared.purpose)
            .finish_non_exhaustive()
    }
}
