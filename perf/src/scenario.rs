use clap::builder::{PossibleValuesParser, TypedValueParser};

/// What is measured, by its name on the command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamedScenario {
    pub(crate) name: &'static str,
    pub(crate) what: Scenario,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scenario {
    /// Producers to consumers, as fast as it goes or at a pace.
    Load(Load),
    /// One call after the other, by direct reply-to.
    Rpc {
        /// The size of request and reply.
        body_bytes: usize,
    },
    /// The memory of queues and connections that do nothing.
    Idle {
        /// How many of each.
        count: usize,
    },
}

/// Producers to consumers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) body_bytes: usize,
    pub(crate) routes: Routes,
    pub(crate) durability: Durability,
    pub(crate) settling: Settling,
    /// How many publishes may wait for their confirm; without confirms when there is no number.
    pub(crate) confirm_window: Option<u16>,
    /// How many messages are on the way at most: a producer waits, so that what is measured is a
    /// stream and not how a broker hoards.
    pub(crate) in_flight_max: u64,
    /// How many messages a producer sends at most, however long it takes.
    pub(crate) messages_max: u64,
    pub(crate) pace: Pace,
}

/// Which way messages take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routes {
    /// By the default exchange into one queue.
    OneQueue,
    /// By a fanout exchange into each of the queues, which have a consumer each.
    Fanout { queues: usize },
    /// By a topic exchange with ten patterns a queue, each message into one of them. One consumer
    /// has them all.
    Topic { queues: usize },
}

/// Whether messages would outlive the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Transient,
    /// Durable queues, persistent messages.
    Durable,
}

/// How deliveries are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    /// By being sent (`no-ack`).
    Automatic,
    /// One ack each.
    Each { prefetch: u16 },
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As many at once as there is room for, up to 64 KiB a write.
    Batches,
    /// Each with a write of its own.
    SingleWrites,
    /// Each when it is due, so many a second; late ones at once.
    PerSecond(u32),
}

const LOAD: Load = Load {
    body_bytes: 16,
    routes: Routes::OneQueue,
    durability: Durability::Transient,
    settling: Settling::Automatic,
    confirm_window: None,
    in_flight_max: 20_000,
    messages_max: u64::MAX,
    pace: Pace::Batches,
};
const ACKED: Load = Load { settling: Settling::Each { prefetch: 250 }, ..LOAD };

const fn confirmed(window: u16) -> Load {
    Load {
        body_bytes: 1024,
        durability: Durability::Durable,
        confirm_window: Some(window),
        ..ACKED
    }
}

/// What `confirm-1000` does, of which a process can be one end alone. It has no number of messages
/// on the way, since its other end is another process.
pub(crate) const CONFIRM_1000: Load = Load { in_flight_max: u64::MAX, ..confirmed(1000) };

/// What a consumer is fed with, which is another process: at most so many messages wait in its
/// queue.
pub(crate) const FEED: Load = Load { body_bytes: 1024, ..LOAD };

const SCENARIOS: [(&str, Scenario); 14] = [
    ("transient-16", Scenario::Load(LOAD)),
    ("transient-1024", Scenario::Load(Load { body_bytes: 1024, ..LOAD })),
    ("transient-65536", Scenario::Load(Load { body_bytes: 65536, in_flight_max: 500, ..LOAD })),
    ("single-writes-16", Scenario::Load(Load { pace: Pace::SingleWrites, ..LOAD })),
    ("acked-16", Scenario::Load(ACKED)),
    ("acked-1024", Scenario::Load(Load { body_bytes: 1024, ..ACKED })),
    (
        "fanout-10",
        Scenario::Load(Load {
            body_bytes: 1024,
            routes: Routes::Fanout { queues: 10 },
            in_flight_max: 5000,
            ..LOAD
        }),
    ),
    ("topic-10000", Scenario::Load(Load { routes: Routes::Topic { queues: 1000 }, ..LOAD })),
    ("rpc", Scenario::Rpc { body_bytes: 64 }),
    ("paced-5000", Scenario::Load(Load { body_bytes: 1024, pace: Pace::PerSecond(5000), ..ACKED })),
    ("confirm-1", Scenario::Load(confirmed(1))),
    ("confirm-100", Scenario::Load(confirmed(100))),
    ("confirm-1000", Scenario::Load(confirmed(1000))),
    ("idle", Scenario::Idle { count: 1000 }),
];

/// Reads a scenario's name.
pub(crate) fn parser() -> impl TypedValueParser<Value = NamedScenario> {
    let names = SCENARIOS.map(|(name, _)| name);
    PossibleValuesParser::new(names).try_map(|text| {
        let mut all = SCENARIOS.into_iter();
        let found = all.find(|(name, _)| *name == text);
        found.map(|(name, what)| NamedScenario { name, what }).ok_or(UnknownScenario)
    })
}

#[derive(Debug, thiserror::Error)]
#[error("no such scenario")]
struct UnknownScenario;
