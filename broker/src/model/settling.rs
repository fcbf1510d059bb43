/// What a `basic.ack` or `basic.nack` covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Multiple {
    /// The one delivery tag.
    #[default]
    One,
    /// All unacknowledged deliveries up to the tag; tag 0 is all of the channel.
    UpTo,
}

/// What happens to a message that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// Back to its original position, marked as redelivered.
    Yes,
    /// Dead-lettered if the queue has a dead-letter exchange, else dropped.
    No,
}
