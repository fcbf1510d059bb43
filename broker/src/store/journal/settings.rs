use crate::config::{BrokerConfig, Durability};

/// What a journal is to keep to.
#[derive(Debug, Clone)]
pub(crate) struct JournalSettings {
    /// What it means that something is safe.
    pub(crate) durability: Durability,
    /// As in [`BrokerConfig`], which has the defaults.
    pub(crate) disk_free_limit: u64,
    pub(crate) disk_free_hard_limit: u64,
    pub(crate) backlog_max_bytes: usize,
    /// The size of a segment, with what is preallocated for it. What does not fit gets one of its
    /// own.
    pub(crate) segment_bytes: u32,
    /// What the segments' generations are drawn from; none draws it from the operating system.
    pub(crate) seed: Option<u64>,
}

/// The size of a segment.
pub(crate) const SEGMENT_BYTES: u32 = 16 << 20;

impl Default for JournalSettings {
    fn default() -> Self {
        Self::new(&BrokerConfig::default(), Durability::default())
    }
}

impl JournalSettings {
    /// Those of a broker.
    pub(crate) fn new(config: &BrokerConfig, durability: Durability) -> Self {
        Self {
            durability,
            disk_free_limit: config.disk_free_limit,
            disk_free_hard_limit: config.disk_free_hard_limit,
            backlog_max_bytes: config.journal_backlog_max_bytes,
            segment_bytes: SEGMENT_BYTES,
            seed: None,
        }
    }

    /// What is to be written again of a segment at the most for it to be worth it: a quarter.
    pub(super) fn worth_bytes(&self) -> u64 {
        u64::from(self.segment_bytes / 4)
    }
}
