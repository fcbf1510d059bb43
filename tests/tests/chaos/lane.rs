/// A way to a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Several consumers; some messages fail twice.
    Work,
    /// Failures are tried again in memory.
    Memory,
    /// Failures wait at the broker.
    Delayed,
    /// Handed over several at a time.
    Batch,
    /// The one of two listeners that share a queue by key ..
    Left,
    /// .. and the other.
    Right,
    /// The handler settles; some messages go back once.
    Manual,
    /// By a handler's outbox to a second one.
    Outbox,
    /// In order for each key; some messages fail once.
    Keyed,
    /// Failures open a circuit.
    Circuit,
    /// Its queue is a quorum queue, which counts deliveries; some messages fail twice.
    Quorum,
}

impl Lane {
    pub(crate) const ALL: [Self; 11] = [
        Self::Work,
        Self::Memory,
        Self::Delayed,
        Self::Batch,
        Self::Left,
        Self::Right,
        Self::Manual,
        Self::Outbox,
        Self::Keyed,
        Self::Circuit,
        Self::Quorum,
    ];

    /// Those that are under load when the application stops: what is left of them is in their
    /// queues, and nowhere else.
    pub(crate) const AT_THE_STOP: [Self; 5] =
        [Self::Work, Self::Manual, Self::Outbox, Self::Keyed, Self::Quorum];

    pub(crate) fn queue(self) -> &'static str {
        match self {
            Self::Work => "c.work",
            Self::Memory => "c.memory",
            Self::Delayed => "c.delayed",
            Self::Batch => "c.batch",
            Self::Left | Self::Right => "c.merged",
            Self::Manual => "c.manual",
            Self::Outbox => "c.outbox",
            Self::Keyed => "c.keyed",
            Self::Circuit => "c.circuit",
            Self::Quorum => "c.quorum",
        }
    }

    pub(crate) fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::Left => ("c.keys", "left.x"),
            Self::Right => ("c.keys", "right.x"),
            other => ("", other.queue()),
        }
    }
}
