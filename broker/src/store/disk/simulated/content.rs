use std::collections::BTreeMap;

use super::dice::Dice;

/// What a disk writes in one go, or tears.
const SECTOR: usize = 512;

/// How often a sector that was not synced is torn in itself by a power cut.
const TORN_ONCE_IN: usize = 8;

type Bytes = Box<[u8; SECTOR]>;

/// What a file has: as it is read, and as it may be after a power cut.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// All lengths since the last sync, the synced one first; never empty once created.
    lengths: Vec<u64>,
    sectors: BTreeMap<u64, Sector>,
}

#[derive(Debug)]
struct Sector {
    /// All that it was since the last sync, the synced one first.
    versions: Vec<Bytes>,
    /// What is read though a failed sync has dropped it.
    cached: Option<Bytes>,
}

impl Sector {
    fn zeros() -> Self {
        Self { versions: vec![Box::new([0; SECTOR])], cached: None }
    }

    fn read(&self) -> &[u8; SECTOR] {
        const ZEROS: &[u8; SECTOR] = &[0; SECTOR];
        self.cached.as_ref().or(self.versions.last()).map_or(ZEROS, |bytes| bytes)
    }

    /// What is on the disk if the power goes now: any version, or parts of two.
    fn settle(&mut self, dice: &mut Dice) {
        if self.versions.len() < 2 {
            return;
        }
        let first = dice.below(self.versions.len());
        let mut settled = self.versions.swap_remove(first);
        if dice.one_in(TORN_ONCE_IN) {
            let other = dice.below(self.versions.len());
            let from = dice.below(SECTOR);
            if let Some(other) = self.versions.get(other) {
                let torn = settled.iter_mut().zip(other.iter()).skip(from);
                torn.for_each(|(byte, other)| *byte = *other);
            }
        }
        self.versions = vec![settled];
    }
}

impl Content {
    /// So many zeros, of which nothing is synced.
    pub(super) fn new(bytes: u64) -> Self {
        Self { lengths: vec![0, bytes], sectors: BTreeMap::new() }
    }

    pub(super) fn length(&self) -> u64 {
        self.lengths.last().copied().unwrap_or_default()
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let rest = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buffer.len().min(rest);
        for (number, within, range) in parts(offset, count) {
            let Some(target) = buffer.get_mut(range) else { continue };
            match self.sectors.get(&number).and_then(|sector| sector.read().get(within)) {
                Some(bytes) => target.copy_from_slice(bytes),
                None => target.fill(0),
            }
        }
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        for (number, within, range) in parts(offset, bytes.len()) {
            let sector = self.sectors.entry(number).or_insert_with(Sector::zeros);
            let mut version: Bytes = Box::new(*sector.read());
            if let (Some(target), Some(bytes)) = (version.get_mut(within), bytes.get(range)) {
                target.copy_from_slice(bytes);
            }
            sector.cached = None;
            sector.versions.push(version);
        }
        let end = offset + bytes.len() as u64;
        if end > self.length() {
            self.lengths.push(end);
        }
    }

    pub(super) fn set_length(&mut self, bytes: u64) {
        if bytes < self.length() {
            // What is cut off is zeros when the file grows again.
            let cut = self.sectors.range(bytes / SECTOR as u64..).map(|(number, _)| *number);
            for number in cut.collect::<Vec<_>>() {
                let start = number * SECTOR as u64;
                let end = start + SECTOR as u64;
                let kept = start.max(bytes);
                let zeros = vec![0; usize::try_from(end - kept).unwrap_or_default()];
                let length = self.length();
                self.write(&zeros, kept);
                self.lengths.push(length);
            }
        }
        self.lengths.push(bytes);
    }

    /// All of it is safe.
    pub(super) fn sync(&mut self) {
        self.lengths = vec![self.length()];
        for sector in self.sectors.values_mut() {
            if let Some(last) = sector.versions.pop() {
                sector.versions = vec![last];
            }
        }
    }

    /// A sync has failed: some of it is on the disk, and the rest never will be, though it is still
    /// read. That is what Linux does.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        for sector in self.sectors.values_mut().filter(|sector| sector.versions.len() > 1) {
            let cached = Box::new(*sector.read());
            sector.settle(dice);
            sector.cached = Some(cached);
        }
    }

    /// What is there after a power cut.
    pub(super) fn after_power_cut(&self, dice: &mut Dice) -> Self {
        let length = self.lengths.get(dice.below(self.lengths.len())).copied();
        let mut sectors = BTreeMap::new();
        for (number, sector) in &self.sectors {
            let mut sector = Sector { versions: sector.versions.clone(), cached: None };
            sector.settle(dice);
            sectors.insert(*number, sector);
        }
        Self { lengths: vec![length.unwrap_or_default()], sectors }
    }
}

/// A range of a file by its sectors: each one's number, the range in it, and that in the buffer.
fn parts(
    offset: u64,
    count: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let sector = SECTOR as u64;
    let end = offset + count as u64;
    let last = end.div_ceil(sector);
    (offset / sector..last).map(move |number| {
        let start = number * sector;
        let (from, to) = (start.max(offset), (start + sector).min(end));
        let small = |bytes: u64| usize::try_from(bytes).unwrap_or_default();
        (number, small(from - start)..small(to - start), small(from - offset)..small(to - offset))
    })
}
