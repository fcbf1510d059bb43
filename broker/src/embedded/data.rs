//! A broker that keeps on the disk what is to survive it.

use std::path::{Path, PathBuf};

use super::{Broker, BrokerBuilder};
use crate::config::{BrokerConfig, Durability};
use crate::store::{Failure, Journal, JournalSettings, Opened, RecoveryReport, StoreError};

impl BrokerBuilder {
    /// Keeps in this folder what is to survive the broker: users, virtual hosts, policies, durable
    /// exchanges and queues with their bindings, and the persistent messages in durable queues. The
    /// folder is made if it is missing, and one broker at a time has it.
    ///
    /// What is in the folder goes before what is given here: users, virtual hosts, policies and
    /// definitions are added to it at each start.
    ///
    /// ```no_run
    /// use springhare_broker::{Broker, Durability};
    ///
    /// # fn main() -> Result<(), springhare_broker::Error> {
    /// let broker = Broker::builder().data("./data").durability(Durability::Disk).start()?;
    /// if let Some(recovered) = broker.recovered() {
    ///     println!("{} messages are there again", recovered.messages);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// What a confirm promises where there is a data folder; [`Durability::Disk`] unless it is said.
    /// With [`Durability::Memory`] the folder is neither read nor written.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The folder, if anything is to be kept in it.
    pub(super) fn kept_in(&self) -> Option<&Path> {
        self.data.as_deref().filter(|_| self.durability != Durability::Memory)
    }
}

impl Broker {
    /// The folder that it keeps its data in; none if it is in memory alone.
    #[must_use]
    pub fn data(&self) -> Option<&Path> {
        self.handle.data.as_deref()
    }

    /// What it found in its data folder when it was started; none if it is in memory alone.
    #[must_use]
    pub fn recovered(&self) -> Option<&RecoveryReport> {
        self.handle.recovered.as_ref()
    }

    /// Why nothing is kept in its data folder any more, if a write or a sync has failed there: the
    /// broker refuses what is to be kept until it is started again.
    #[must_use]
    pub fn store_failure(&self) -> Option<String> {
        let failure = self.cell().shared().journal().and_then(|journal| journal.failure());
        match failure {
            Some(failure @ Failure::Failed(_)) => Some(failure.to_string()),
            Some(Failure::Full | Failure::Closed) | None => None,
        }
    }
}

/// Opens the store in the folder, and recovers what it has.
pub(super) fn open(
    folder: &Path,
    durability: Durability,
    config: &BrokerConfig,
) -> Result<Opened, StoreError> {
    Journal::open(folder, JournalSettings::new(config, durability))
}

/// Tells the log what was found in the folder.
pub(super) fn log_recovered(folder: &Path, report: &RecoveryReport) {
    let folder = folder.display();
    let RecoveryReport { was_clean, segments, messages, torn_bytes, damages } = report;
    if *segments == 0 {
        tracing::info!(data = %folder, "a new data folder");
    } else if *was_clean {
        tracing::info!(data = %folder, messages, segments, "recovered after an orderly stop");
    } else {
        tracing::warn!(
            data = %folder,
            messages,
            segments,
            torn_bytes,
            "recovered after a crash: what was not confirmed may be missing, and what was not \
             acknowledged comes again"
        );
    }
    for damage in damages {
        tracing::error!(
            data = %folder,
            damage,
            "part of the data is damaged, and kept in 'quarantine' there; the rest is recovered: look \
             at the disk"
        );
    }
}
