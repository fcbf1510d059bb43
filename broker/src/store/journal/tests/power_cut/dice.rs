use crate::store::disk::simulated;

/// The disk's dice, and what schedules ask of them beside that.
#[derive(Debug, Clone)]
pub(super) struct Dice(simulated::Dice);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(simulated::Dice::new(seed))
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0.roll()
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub(super) fn bytes(&mut self, length: u64) -> Vec<u8> {
        let fill = self.roll().to_le_bytes();
        (0..length).map(|at| fill[at as usize % 8].wrapping_add(at as u8)).collect()
    }
}
