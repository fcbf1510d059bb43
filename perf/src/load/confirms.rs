use std::collections::VecDeque;

use crate::histogram::Histogram;

/// The publishes of a channel that wait for their confirm.
#[derive(Debug)]
pub(super) struct ConfirmWindow {
    size: u64,
    /// When each publish from the oldest unconfirmed one on was sent; none once it is confirmed.
    sent_at: VecDeque<Option<u64>>,
    /// How many were confirmed with all before them: the oldest in `sent_at` is the next.
    settled: u64,
    confirmed: u64,
    /// Confirms of what was never sent or is confirmed already, and refusals.
    faults: u64,
    latency: Histogram,
}

impl ConfirmWindow {
    /// Of so many publishes at most.
    pub(super) fn new(size: u16) -> Self {
        Self {
            size: size.into(),
            sent_at: VecDeque::with_capacity(size.into()),
            settled: 0,
            confirmed: 0,
            faults: 0,
            latency: Histogram::default(),
        }
    }

    /// How many more may be sent. What is unconfirmed holds back all that follows it.
    pub(super) fn room(&self) -> u64 {
        self.size.saturating_sub(self.sent_at.len() as u64)
    }

    /// Whether all that was sent is confirmed.
    pub(super) fn is_settled(&self) -> bool {
        self.sent_at.is_empty()
    }

    /// Takes note of the next publish.
    pub(super) fn sent(&mut self, at: u64) {
        self.sent_at.push_back(Some(at));
    }

    /// Takes a `basic.ack` for one publish, or for all up to it.
    pub(super) fn acknowledged(&mut self, tag: u64, multiple: bool, now: u64) {
        let position = tag.checked_sub(self.settled + 1);
        let position = position.and_then(|position| usize::try_from(position).ok());
        let Some(position) = position.filter(|position| *position < self.sent_at.len()) else {
            self.faults += 1;
            return;
        };
        let first = if multiple { 0 } else { position };
        for publish in self.sent_at.range_mut(first..=position) {
            match publish.take() {
                Some(at) => {
                    self.latency.record(now.saturating_sub(at));
                    self.confirmed += 1;
                }
                None if multiple => {}
                None => self.faults += 1,
            }
        }
        while let Some(None) = self.sent_at.front() {
            self.sent_at.pop_front();
            self.settled += 1;
        }
    }

    /// Takes a `basic.nack`: the broker has refused messages, which none of the scenarios expects.
    pub(super) fn refused(&mut self) {
        self.faults += 1;
    }

    /// Confirms, faults and the time from publish to confirm.
    pub(super) fn into_results(self) -> (u64, u64, Histogram) {
        (self.confirmed, self.faults, self.latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(size: u16, sent: u64) -> ConfirmWindow {
        let mut window = ConfirmWindow::new(size);
        (0..sent).for_each(|at| window.sent(at));
        window
    }

    #[test]
    fn single_confirms_in_any_order() {
        let mut window = window(4, 4);
        assert_eq!(window.room(), 0);
        window.acknowledged(3, false, 10);
        assert_eq!(window.room(), 0);
        window.acknowledged(1, false, 10);
        assert_eq!(window.room(), 1);
        window.acknowledged(2, false, 10);
        assert_eq!(window.room(), 3);
        assert!(!window.is_settled());
        window.acknowledged(4, false, 10);
        assert!(window.is_settled());
        let (confirmed, faults, latency) = window.into_results();
        assert_eq!((confirmed, faults, latency.max()), (4, 0, 10));
    }

    #[test]
    fn multiple_confirms_skip_what_is_confirmed() {
        let mut window = window(100, 10);
        window.acknowledged(2, false, 10);
        window.acknowledged(7, true, 10);
        assert_eq!(window.room(), 97);
        window.sent(10);
        window.acknowledged(11, true, 10);
        assert!(window.is_settled());
        let (confirmed, faults, _) = window.into_results();
        assert_eq!((confirmed, faults), (11, 0));
    }

    #[test]
    fn confirms_that_may_not_be_are_faults() {
        let mut window = window(10, 3);
        window.acknowledged(4, false, 10);
        window.acknowledged(0, true, 10);
        window.acknowledged(2, false, 10);
        window.acknowledged(2, false, 10);
        window.acknowledged(1, true, 10);
        window.acknowledged(1, true, 10);
        window.refused();
        let (confirmed, faults, _) = window.into_results();
        assert_eq!((confirmed, faults), (2, 5));
    }
}
