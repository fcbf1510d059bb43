//! Listeners that are paused, stopped and started, one or a group of them, beside all else.

use std::sync::Arc;

use springhare::test::Harness;
use springhare::{ListenerStatus, Result};
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::ledger::Ledger;

/// The group that is switched as one, and who is in it.
const GROUP: &str = "some";
const OF_GROUP: [&str; 3] = ["work", "memory", "manual"];
/// Who is switched: of those that share a queue the one, which switches both.
const ONES: [&str; 12] = [
    "work", "memory", "delayed", "batch", "left", "double", "manual", "first", "second", "keyed",
    "circuit", "quorum",
];

/// What is done to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Pause,
    Stop,
    Resume,
    Start,
}

impl Switch {
    /// Whether who is switched so is at rest then.
    fn is_off(self) -> bool {
        matches!(self, Self::Pause | Self::Stop)
    }
}

/// The switches that are under way.
pub(crate) struct Switches {
    h: Arc<Harness>,
    ledger: Arc<Ledger>,
    under_way: JoinSet<()>,
}

impl Switches {
    pub(crate) fn new(h: &Arc<Harness>, ledger: &Arc<Ledger>) -> Self {
        Self { h: Arc::clone(h), ledger: Arc::clone(ledger), under_way: JoinSet::new() }
    }

    /// Switches one listener; on again are those that are off.
    pub(crate) fn one(&mut self, switch: Switch, dice: &mut Dice) {
        let from = if switch.is_off() { ONES.to_vec() } else { self.off() };
        if let Some(id) = dice.pick(&from) {
            self.begin(switch, id);
        }
    }

    /// Switches the group.
    pub(crate) fn group(&mut self, switch: Switch) {
        let (h, ledger) = (Arc::clone(&self.h), Arc::clone(&self.ledger));
        self.under_way.spawn(async move {
            let change = ledger.rest().begin(&OF_GROUP);
            let app = h.app();
            let done = match switch {
                Switch::Pause => app.pause_group(GROUP).await,
                Switch::Stop => app.stop_group(GROUP).await,
                Switch::Resume => app.resume_group(GROUP).await,
                Switch::Start => app.start_group(GROUP).await,
            };
            ledger.rest().end(change, switch.is_off() && done.is_ok());
        });
    }

    /// Starts all that are off, once what is under way has ended. Whether all are on.
    pub(crate) fn all_on(&mut self) -> bool {
        while let Some(done) = self.under_way.try_join_next() {
            done.unwrap();
        }
        if !self.under_way.is_empty() {
            return false;
        }
        let off = self.off();
        for id in &off {
            self.begin(Switch::Start, id);
        }
        off.is_empty()
    }

    fn begin(&mut self, switch: Switch, id: &'static str) {
        let (h, ledger) = (Arc::clone(&self.h), Arc::clone(&self.ledger));
        self.under_way.spawn(async move {
            let change = ledger.rest().begin(&[id]);
            let done = switched(&h, switch, id).await;
            ledger.rest().end(change, switch.is_off() && done.is_ok());
        });
    }

    fn off(&self) -> Vec<&'static str> {
        let status = |id: &str| self.h.app().listener(id).unwrap().status();
        let is_off =
            |id: &&str| matches!(status(id), ListenerStatus::Paused | ListenerStatus::Stopped);
        ONES.into_iter().filter(is_off).collect()
    }
}

async fn switched(h: &Harness, switch: Switch, id: &str) -> Result<()> {
    let listener = h.app().listener(id)?;
    match switch {
        Switch::Pause => listener.pause().await,
        Switch::Stop => listener.stop().await,
        Switch::Resume => listener.resume().await,
        Switch::Start => listener.start().await,
    }
}
