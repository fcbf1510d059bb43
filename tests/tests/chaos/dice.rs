use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// What plays a run once more.
const VARIABLE: &str = "SPRINGHARE_CHAOS_SEED";

/// Chance that can be played once more (xorshift64*).
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// With the seed of the environment, or one that nobody knows.
    pub(crate) fn new() -> Self {
        let given = std::env::var(VARIABLE).ok();
        let given = given.map(|text| text.parse::<u64>().unwrap());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish()).max(1);
        Self { seed, state: seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        let mut state = self.state;
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.state = state;
        let random = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(random).unwrap() % sides
    }

    /// One of these, if there are any.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = if from.is_empty() { 0 } else { self.roll(from.len()) };
        from.get(at).copied()
    }

    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        longest * u32::try_from(self.roll(1_000)).unwrap() / 1_000
    }
}
