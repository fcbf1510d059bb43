//! One schedule: the lives of a journal, one after the other, on disks that follow from each other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::actions::Engine;
use super::dice::Dice;
use super::hooked::HookedDisk;
use super::model::{Found, Model, Op, Thing, Unit};
use super::tell;
use crate::config::Durability;
use crate::model::pager::ReadBack;
use crate::model::stored::Reference;
use crate::store::disk::simulated::{DiskFault, SimulatedDisk};
use crate::store::folder::Folder;
use crate::store::journal::core::{Core, StepError};
use crate::store::journal::{Journal, JournalSettings, Opened};
use crate::store::recovered::RecoveryReport;

/// The lives of a schedule, and the steps of each.
const LIVES: u64 = 4;
const STEPS: u64 = 60;

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Stop,
    Kill,
    PowerCut,
}

pub(super) struct Schedule {
    engine: Arc<Mutex<Engine>>,
    dice: Dice,
    settings: JournalSettings,
    /// What is sure to be found, and what will be still if the power is cut before it is.
    least: u64,
    synced: u64,
    was_stopped: bool,
    /// What was there at an end that was not in order: it may have been delivered before.
    delivered: BTreeSet<u64>,
    /// Whether there was no room for a start since to say what it does.
    had_no_room: bool,
}

/// No step of the journal happens while it is locked.
fn lock(engine: &Mutex<Engine>) -> MutexGuard<'_, Engine> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let settings = JournalSettings {
            durability: dice.one_of(&[
                Durability::Disk,
                Durability::Disk,
                Durability::Disk,
                Durability::Os,
            ]),
            disk_free_limit: dice.one_of(&[0, 0, 40_000]),
            disk_free_hard_limit: dice.one_of(&[0, 0, 20_000]),
            backlog_max_bytes: dice.one_of(&[8 << 10, 64 << 10]),
            segment_bytes: 4096 + dice.one_of(&[1_000, 4_000, 12_000]),
            seed: Some(dice.roll()),
        };
        let engine = Engine {
            dice: Dice::new(dice.roll()),
            model: Model::default(),
            journal: None,
            told: 0,
            asked: 0,
            places: Default::default(),
            ends: Vec::new(),
            synced_at_failure: None,
            has_faults: false,
            patience: 0,
            after: None,
        };
        let engine = Arc::new(Mutex::new(engine));
        Self {
            engine,
            dice,
            settings,
            least: 0,
            synced: 0,
            was_stopped: true,
            delivered: BTreeSet::new(),
            had_no_room: false,
        }
    }

    pub(super) fn run(mut self) {
        let mut disk = SimulatedDisk::new(self.dice.roll());
        for _ in 0..self.dice.below(LIVES) + 2 {
            let (hooked, opened) = self.open(disk);
            disk = self.live(&hooked, opened);
        }
        let (hooked, _) = self.open(disk);
        hooked.set_hook(None);
        lock(&self.engine).journal = None;
    }

    /// Opens the journal on this disk, or on what is left when the power is cut meanwhile.
    fn open(&mut self, mut disk: SimulatedDisk) -> (HookedDisk, Arc<Journal>) {
        loop {
            let hooked = HookedDisk::new(disk);
            if self.dice.one_in(4) {
                self.set_hook(&hooked, 60);
            }
            self.settings.seed = Some(self.dice.roll());
            tell(|| format!("opening {:?}", hooked.disk.names()));
            match self.try_open(&hooked) {
                Ok(journal) => {
                    hooked.set_hook(None);
                    return (hooked, journal);
                }
                Err(error) => {
                    tell(|| error.clone());
                    let mut engine = lock(&self.engine);
                    engine.journal = None;
                    let after = engine.after.take();
                    disk = after.unwrap_or_else(|| panic!("it can't be opened: {error}"));
                    // The stop was in order, and may still be known; or it was begun anew.
                    self.was_stopped = false;
                    self.least = self.synced;
                }
            }
        }
    }

    fn try_open(&mut self, hooked: &HookedDisk) -> Result<Arc<Journal>, String> {
        let folder = Folder::open_on(Arc::new(hooked.clone())).map_err(|e| e.to_string())?;
        let opened = Journal::open_folder(folder, self.settings.clone());
        let opened = opened.map_err(|error| error.to_string())?;
        assert_eq!(opened.report.damages, [""; 0], "nothing was damaged");
        let early = opened.definitions.first().filter(|_| self.dice.one_in(5));
        let early = early.map(|definition| definition.reference);
        opened.journal.settle(early.as_slice());
        let (found, report) = self.found(&opened)?;
        let mut engine = lock(&self.engine);
        if engine.after.is_some() {
            return Err("the power was cut".to_owned());
        }
        tell(|| format!("recovered {found:?}, {report:?}; at least {}", self.least));
        engine.model.recover(self.least, &found).unwrap_or_else(|error| panic!("{error}"));
        assert!(report.was_clean || !self.was_stopped, "it was stopped in order");
        let early = early.map(Reference::number).into_iter().collect();
        let end = opened.journal.core.lock().end().0;
        engine.model.append(Unit { end, ops: vec![Op::Settle(early)] });
        engine.ends = vec![end];
        engine.told = 0;
        engine.synced_at_failure = None;
        engine.journal = Some(Arc::clone(&opened.journal));
        Ok(opened.journal)
    }

    /// All that the journal has.
    fn found(&mut self, opened: &Opened) -> Result<(Found, RecoveryReport), String> {
        let mut found = Found::default();
        for definition in &opened.definitions {
            let thing = Thing::Definition(definition.content.to_vec());
            found.things.insert(definition.reference.number(), thing);
        }
        for delayed in &opened.delayed {
            assert_eq!((delayed.virtual_host.as_str(), delayed.exchange.as_str()), ("/", "later"));
        }
        let mut messages = Vec::new();
        let report = opened
            .restore_all(|message| messages.push(message))
            .map_err(|error| error.to_string())?;
        let mut places = Vec::new();
        for delayed in &opened.delayed {
            let wanted = [(delayed.reference, delayed.place.offset)];
            let read = opened.journal.read(delayed.place.segment, &wanted).pop();
            let number = delayed.reference.number();
            let Some(ReadBack::Message(message)) = read else {
                return match lock(&self.engine).after.is_some() {
                    true => Err("the power was cut".to_owned()),
                    false => panic!("delayed message {number} can't be read"),
                };
            };
            let body = message.message.body.to_vec();
            assert_eq!(delayed.body_len, body.len() as u64);
            places.push((number, (delayed.place.segment, delayed.place.offset)));
            found.things.insert(number, Thing::Delayed { due: delayed.due, body });
        }
        let mut engine = lock(&self.engine);
        engine.places = places.into_iter().collect();
        let mut contents = Vec::new();
        for part in messages.chunk_by(|a, b| a.place.segment == b.place.segment) {
            let wanted: Vec<_> =
                part.iter().map(|message| (message.reference, message.place.offset)).collect();
            contents.extend(opened.journal.read(part[0].place.segment, &wanted));
        }
        for (message, content) in messages.into_iter().zip(contents) {
            let number = message.reference.number();
            let place = (message.place.segment, message.place.offset);
            let ReadBack::Message(content) = content else {
                return match engine.after.is_some() {
                    true => Err("the power was cut".to_owned()),
                    false => panic!("message {number} can't be read"),
                };
            };
            assert_eq!(content.message.body.len(), message.body_len as usize);
            engine.places.insert(number, place);
            let returned = (message.delivery_count, message.retry_at);
            if returned != (0, None) {
                found.returned.insert(number, returned);
            }
            if !report.was_clean {
                self.delivered.insert(number);
            }
            let is_marked = returned != (0, None) || self.delivered.contains(&number);
            assert!(message.redelivered == is_marked || message.redelivered && self.had_no_room);
            let thing = Thing::Message {
                queue: message.queue.0,
                published_at: message.published_at,
                body: content.message.body.to_vec(),
            };
            assert_eq!(found.things.insert(number, thing), None, "{number} came twice");
        }
        self.had_no_room |= opened.journal.blocked().is_some();
        Ok((found, report))
    }

    /// Between any two calls of the disk, others act.
    fn set_hook(&mut self, hooked: &HookedDisk, cut_once_in: u64) {
        let engine = Arc::clone(&self.engine);
        let mut dice = Dice::new(self.dice.roll());
        let disk = hooked.disk.clone();
        hooked.set_hook(Some(Box::new(move || {
            let Ok(mut engine) = engine.try_lock() else { return };
            if engine.after.is_some() {
                return;
            }
            if dice.one_in(cut_once_in) {
                engine.after = Some(disk.power_cut(dice.roll()));
                return;
            }
            if engine.patience > 0 && dice.one_in(3) {
                engine.patience -= 1;
                engine.act();
            }
            if let Some(journal) = engine.journal.clone()
                && dice.one_in(4)
            {
                take_steps_of_others(&journal.core);
            }
        })));
    }

    /// One life of the journal; the disk that it leaves.
    fn live(&mut self, hooked: &HookedDisk, journal: Arc<Journal>) -> SimulatedDisk {
        let disk = &hooked.disk;
        let cut_once_in = self.dice.one_of(&[200, 1_000_000, 1_000_000]);
        self.set_hook(hooked, cut_once_in);
        let has_faults = self.dice.one_in(3);
        lock(&self.engine).has_faults = has_faults;
        if has_faults {
            let call = disk.calls() + self.dice.below(150) + 1;
            disk.fail_call(call, self.dice.one_of(&[DiskFault::Broken, DiskFault::Full]));
        }
        for _ in 0..self.dice.below(STEPS) {
            self.step(disk, &journal.core);
            if lock(&self.engine).after.is_some() {
                break;
            }
        }
        self.check(hooked, &journal);
        self.end(hooked, journal)
    }

    fn step(&mut self, disk: &SimulatedDisk, core: &Core) {
        lock(&self.engine).patience = 10;
        let step = self.dice.below(16);
        tell(|| format!("step {step} after call {}", disk.calls()));
        let outcome = match step {
            0..=7 => {
                lock(&self.engine).act();
                Ok(())
            }
            8..=10 => core.write_pending().map(drop),
            11..=12 => core.sync_written().map(drop),
            13..=14 => core.maintain(),
            _ => {
                if self.dice.one_in(4) {
                    let free = self.dice.one_of(&[0, 5_000, 30_000, u64::MAX, u64::MAX]);
                    disk.set_free_space(free);
                }
                Ok(())
            }
        };
        if let Err(StepError::Failed(_)) = outcome {
            assert!(core.failure().is_some());
        }
    }

    /// What is alive is what should be, whatever was moved; and where there is room, all goes on.
    fn check(&mut self, hooked: &HookedDisk, journal: &Journal) {
        let is_off = journal.failure().is_some() || lock(&self.engine).after.is_some();
        if is_off || !self.dice.one_in(3) {
            return;
        }
        hooked.disk.set_free_space(u64::MAX);
        hooked.disk.forget_faults();
        hooked.set_hook(None);
        let is_drained = self.dice.one_in(2);
        if is_drained {
            let alive = lock(&self.engine).model.now.things.keys().copied().collect();
            lock(&self.engine).settle_these(journal, alive);
        }
        let core = &journal.core;
        for _ in 0..2 {
            core.maintain().unwrap();
            let end = core.lock().end();
            core.flush(end).unwrap();
        }
        core.maintain().unwrap();
        assert_eq!(journal.blocked(), None);
        let engine = lock(&self.engine);
        let alive: Vec<u64> =
            journal.alive().into_iter().map(|(_, reference)| reference.number()).collect();
        let mut alive = alive;
        alive.sort_unstable();
        let expected: Vec<u64> = engine.model.now.things.keys().copied().collect();
        assert_eq!(alive, expected);
        // What could not be read stays.
        if is_drained && !engine.has_faults {
            let left = core.lock().liveness.numbers().count();
            assert!(left <= 2, "{left} segments are left of nothing");
        }
        drop(engine);
        for _ in 0..5 {
            let mut engine = lock(&self.engine);
            engine.read(journal);
            engine.ask(journal);
        }
        self.set_hook(hooked, 1_000_000);
    }

    fn end(&mut self, hooked: &HookedDisk, journal: Arc<Journal>) -> SimulatedDisk {
        let ending = self.dice.one_of(&[
            Ending::Stop,
            Ending::Kill,
            Ending::Kill,
            Ending::PowerCut,
            Ending::PowerCut,
        ]);
        let core = &journal.core;
        if ending == Ending::Stop && lock(&self.engine).after.is_none() {
            hooked.disk.set_free_space(u64::MAX);
            journal.close();
        }
        hooked.set_hook(None);
        let mut engine = lock(&self.engine);
        engine.ask(&journal);
        engine.journal = None;
        let (written, synced) = (core.written(), core.synced());
        if self.settings.durability == Durability::Disk {
            assert!(engine.told <= synced);
        }
        assert!(synced <= written && engine.told <= written);
        let after_cut = engine.after.take();
        let is_closed = journal.failure() == Some(crate::store::error::Failure::Closed);
        self.was_stopped =
            is_closed && after_cut.is_none() && engine.synced_at_failure.is_none() && {
                let end = core.lock().end().0;
                synced >= end
            };
        drop(engine);
        drop(journal);
        tell(|| {
            format!("{ending:?}, written {written}, synced {synced}, cut {}", after_cut.is_some())
        });
        self.synced = synced;
        match (after_cut, ending) {
            (Some(after), _) => {
                self.least = synced;
                after
            }
            (None, Ending::Kill | Ending::Stop) => {
                self.least = written;
                hooked.disk.kill()
            }
            (None, Ending::PowerCut) => {
                self.least = synced;
                hooked.disk.power_cut(self.dice.roll())
            }
        }
    }
}

/// What the other threads do meanwhile, as far as they need not wait for who is at it now.
fn take_steps_of_others(core: &Core) {
    let is_free = || {
        core.spare.try_lock().is_ok()
            && core.writer.try_lock().is_ok()
            && core.syncing.try_lock().is_ok()
    };
    // What they find is told by the next step.
    if is_free() {
        let _ = core.write_pending();
    }
    if is_free() {
        let _ = core.sync_written();
    }
}
