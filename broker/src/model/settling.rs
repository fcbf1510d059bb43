/// What a `basic.ack` or `basic.nack` covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Multiple {
    /// The one delivery tag.
    #[default]
    One,
    /// All unacknowledged deliveries up to the tag; tag 0 is all of the channel.
    UpTo,
}

impl Multiple {
    /// As a method's bit has it.
    pub(crate) fn from_bit(multiple: bool) -> Self {
        if multiple { Self::UpTo } else { Self::One }
    }

    /// The bit of a method.
    pub(crate) fn bit(self) -> bool {
        self == Self::UpTo
    }
}

/// What happens to a message that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// Back to its original position, marked as redelivered.
    Yes,
    /// Dead-lettered if the queue has a dead-letter exchange, else dropped.
    No,
}
