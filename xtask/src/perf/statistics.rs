/// The smallest, the middle and the largest of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of these figures; none when there are none.
    pub(super) fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<_> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self { min, median: f64::midpoint(lower, upper), max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([9.0, 1.0, 4.0].into_iter());
        assert_eq!(spread, Some(Spread { min: 1.0, median: 4.0, max: 9.0 }));
        let spread = Spread::of([9.0, 1.0, 4.0, 5.0].into_iter());
        assert_eq!(spread, Some(Spread { min: 1.0, median: 4.5, max: 9.0 }));
        let spread = Spread::of([2.0].into_iter());
        assert_eq!(spread, Some(Spread { min: 2.0, median: 2.0, max: 2.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
