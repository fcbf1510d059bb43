/// How many steps lie between a power of two and the next: a value is known within 1/64 of it.
const STEPS: u64 = 64;
/// The power of two that the steps make.
const STEP_BITS: u32 = STEPS.ilog2();

/// Counts durations in nanoseconds, in steps that grow with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        let step = step_of(nanoseconds);
        if step >= self.counts.len() {
            self.counts.resize(step + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(step) {
            *count = count.saturating_add(1);
        }
        self.total += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// Adds what another one has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The duration that `per_mille` of 1,000 are below, in nanoseconds; 0 when there is none.
    pub(crate) fn quantile(&self, per_mille: u64) -> u64 {
        let rank = (self.total * per_mille / 1000).min(self.total.saturating_sub(1));
        let mut passed = 0;
        for (step, count) in self.counts.iter().enumerate() {
            passed += u64::from(*count);
            if passed > rank {
                return middle_of(step).min(self.max);
            }
        }
        self.max
    }

    /// The longest, in nanoseconds.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }
}

/// Below 64 every value has its step; above, the 64 steps of a power of two are told apart by the
/// six bits after the first.
fn step_of(value: u64) -> usize {
    let step = match value.checked_ilog2() {
        Some(power) if power >= STEP_BITS => {
            let shift = power - STEP_BITS;
            u64::from(shift) * STEPS + (value >> shift)
        }
        _ => value,
    };
    usize::try_from(step).unwrap_or(usize::MAX)
}

fn middle_of(step: usize) -> u64 {
    let step = step as u64;
    if step < STEPS {
        return step;
    }
    let shift = step / STEPS - 1;
    let first = (step % STEPS + STEPS) << shift;
    first + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_one_another() {
        let values = [0, 1, 63, 64, 65, 127, 128, 130, 1000, 1_000_000, u64::MAX >> 1, u64::MAX];
        let steps: Vec<_> = values.iter().map(|value| step_of(*value)).collect();
        assert!(steps.is_sorted(), "{steps:?}");
        assert_eq!(steps[..4], [0, 1, 63, 64]);
        assert!((0..100_000).all(|value| step_of(value + 1) - step_of(value) <= 1));
    }

    #[test]
    fn a_value_is_known_within_a_sixty_fourth() {
        for value in (0..1_000_000).step_by(37).chain([u64::MAX / 3, u64::MAX]) {
            let known = middle_of(step_of(value));
            assert!(known.abs_diff(value) <= value / 64, "{value} became {known}");
        }
    }

    #[test]
    fn quantiles_of_known_durations() {
        let mut histogram = Histogram::default();
        (1..=50).for_each(|value| histogram.record(value));
        assert_eq!((histogram.quantile(500), histogram.quantile(990)), (26, 50));
        assert_eq!((histogram.quantile(0), histogram.quantile(1000), histogram.max()), (1, 50, 50));
        assert_eq!(Histogram::default().quantile(500), 0);
    }

    #[test]
    fn merged_is_as_if_recorded_in_one() {
        let (mut all, mut odd, mut even) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for value in (1..100_000_u64).step_by(7) {
            all.record(value);
            if value % 2 == 1 { odd.record(value) } else { even.record(value) }
        }
        odd.merge(&even);
        for per_mille in [0, 10, 500, 990, 1000] {
            assert_eq!(odd.quantile(per_mille), all.quantile(per_mille));
        }
    }
}
