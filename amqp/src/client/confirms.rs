use std::collections::VecDeque;

/// The publishes of a channel that are not confirmed yet, by their sequence number (RabbitMQ's
/// publisher confirms), each with what its publisher left: `T`.
///
/// ```
/// use springhare_amqp::client::Confirms;
///
/// let mut confirms = Confirms::default();
/// for name in ["a", "b", "c"] {
///     confirms.published(name);
/// }
/// assert_eq!(confirms.confirmed_up_to(2).collect::<Vec<_>>(), ["a", "b"]);
/// assert_eq!(confirms.confirmed(3), Some("c"));
/// assert!(confirms.is_empty());
/// ```
#[derive(Debug)]
pub struct Confirms<T> {
    /// The sequence number of the first in `open`.
    first: u64,
    /// In order; none where a later one was confirmed before an earlier.
    open: VecDeque<Option<T>>,
    count: usize,
}

impl<T> Default for Confirms<T> {
    fn default() -> Self {
        Self { first: 1, open: VecDeque::new(), count: 0 }
    }
}

impl<T> Confirms<T> {
    /// Adds a publish, and says its sequence number: the first is 1.
    pub fn published(&mut self, publish: T) -> u64 {
        let sequence = self.next_sequence();
        self.open.push_back(Some(publish));
        self.count += 1;
        sequence
    }

    /// The sequence number that the next publish gets.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.open.len()).unwrap_or(u64::MAX))
    }

    /// Takes out one publish; none if it is not open.
    pub fn confirmed(&mut self, sequence: u64) -> Option<T> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        let publish = self.open.get_mut(index)?.take()?;
        self.count -= 1;
        while let Some(None) = self.open.front() {
            self.open.pop_front();
            self.first += 1;
        }
        Some(publish)
    }

    /// Takes out all up to this one; 0 is all that there are.
    pub fn confirmed_up_to(&mut self, sequence: u64) -> impl Iterator<Item = T> {
        let count = match sequence {
            0 => self.open.len(),
            _ => usize::try_from(sequence.saturating_add(1).saturating_sub(self.first))
                .unwrap_or(usize::MAX),
        };
        let count = count.min(self.open.len());
        self.first += u64::try_from(count).unwrap_or(u64::MAX);
        let open = self.open.iter().take(count).flatten().count();
        self.count -= open;
        self.open.drain(..count).flatten()
    }

    /// Those that are open, in order.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.open.iter_mut().flatten()
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(count: u64) -> Confirms<u64> {
        let mut confirms = Confirms::default();
        for number in 1..=count {
            assert_eq!(confirms.published(number), number);
        }
        confirms
    }

    #[test]
    fn confirms_come_in_any_order() {
        let mut confirms = published(5);
        assert_eq!(confirms.confirmed(3), Some(3));
        assert_eq!(confirms.confirmed(3), None, "once");
        assert_eq!(confirms.confirmed(1), Some(1));
        assert_eq!(confirms.len(), 3);
        assert_eq!(confirms.confirmed_up_to(4).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(confirms.confirmed_up_to(4).count(), 0);
        assert_eq!(confirms.published(6), 6);
        assert_eq!(confirms.confirmed(6), Some(6));
        assert_eq!(confirms.iter_mut().collect::<Vec<_>>(), [&5]);
        assert_eq!(confirms.next_sequence(), 7);
    }

    #[test]
    fn an_unknown_number_confirms_nothing() {
        let mut confirms = published(2);
        assert_eq!((confirms.confirmed(0), confirms.confirmed(3)), (None, None));
        assert_eq!(confirms.confirmed(u64::MAX), None);
        assert_eq!(confirms.len(), 2);
        assert_eq!(confirms.confirmed_up_to(99).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(confirms.published(3), 3, "the numbers go on where they were");
    }

    #[test]
    fn zero_confirms_all() {
        let mut confirms = published(3);
        assert_eq!(confirms.confirmed(2), Some(2));
        assert_eq!(confirms.confirmed_up_to(0).collect::<Vec<_>>(), [1, 3]);
        assert!(confirms.is_empty());
    }
}
