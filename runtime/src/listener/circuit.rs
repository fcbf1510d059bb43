//! When a listener whose every message fails is left alone for a while. Pure: the time is handed in.

mod shared;

use std::time::Duration;

pub(crate) use shared::{Admission, SharedCircuit, Waits};

/// What opens a circuit, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CircuitPlan {
    /// So many failures one after the other open it.
    pub(crate) failures: u32,
    /// How long it is open.
    pub(crate) pause: Duration,
}

/// A listener's circuit: closed while all is well; open, and nothing is consumed, after many
/// failures one after the other; half open when it is tried with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circuit {
    plan: CircuitPlan,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Duration },
    HalfOpen,
}

/// What a circuit has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing new.
    None,
    /// It has opened, until this time.
    Opened { until: Duration },
    /// It has closed: all consumers may work again.
    Closed,
}

impl Circuit {
    pub(crate) fn new(plan: CircuitPlan) -> Self {
        Self { plan, state: State::Closed { failures: 0 } }
    }

    /// A message was handled by a consumer that was let do this.
    pub(crate) fn succeeded(&mut self, admitted: Admission) -> Turn {
        if self.began_before(admitted) {
            return Turn::None;
        }
        let was_half_open = self.state == State::HalfOpen;
        self.state = State::Closed { failures: 0 };
        if was_half_open { Turn::Closed } else { Turn::None }
    }

    /// A message has failed with a consumer that was let do this.
    pub(crate) fn failed(&mut self, now: Duration, admitted: Admission) -> Turn {
        if self.began_before(admitted) {
            return Turn::None;
        }
        let failures = match self.state {
            State::Closed { failures } => failures.saturating_add(1),
            State::Open { .. } | State::HalfOpen => self.plan.failures,
        };
        if failures < self.plan.failures {
            self.state = State::Closed { failures };
            return Turn::None;
        }
        let until = now.saturating_add(self.plan.pause);
        self.state = State::Open { until };
        Turn::Opened { until }
    }

    /// Whether what such a consumer handled was begun before the circuit opened, and says nothing new.
    fn began_before(&self, admitted: Admission) -> bool {
        match self.state {
            State::Closed { .. } => false,
            State::Open { .. } => true,
            State::HalfOpen => admitted != Admission::One,
        }
    }

    /// Its time is over: it is tried with one message.
    pub(crate) fn try_again(&mut self, now: Duration) {
        if let State::Open { until } = self.state
            && until <= now
        {
            self.state = State::HalfOpen;
        }
    }

    /// Until when it is open; none if it is not.
    pub(crate) fn open_until(&self) -> Option<Duration> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::HalfOpen => None,
        }
    }

    /// Whether it is tried with one message.
    pub(crate) fn is_half_open(&self) -> bool {
        self.state == State::HalfOpen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn circuit() -> Circuit {
        Circuit::new(CircuitPlan { failures: 3, pause: 30 * SECOND })
    }

    #[test]
    fn failures_one_after_the_other_open_it_and_a_success_between_does_not() {
        let mut circuit = circuit();
        for _ in 0..2 {
            assert_eq!(circuit.failed(SECOND, Admission::All), Turn::None);
        }
        assert_eq!(circuit.succeeded(Admission::All), Turn::None);
        for _ in 0..2 {
            assert_eq!(circuit.failed(SECOND, Admission::All), Turn::None);
        }
        assert_eq!(circuit.failed(SECOND, Admission::All), Turn::Opened { until: 31 * SECOND });
        assert_eq!(circuit.open_until(), Some(31 * SECOND));
    }

    #[test]
    fn what_was_begun_before_it_opened_changes_nothing() {
        let mut circuit = circuit();
        for _ in 0..3 {
            let _ = circuit.failed(SECOND, Admission::All);
        }
        assert_eq!(circuit.succeeded(Admission::All), Turn::None);
        assert_eq!(circuit.failed(2 * SECOND, Admission::All), Turn::None);
        assert_eq!(circuit.open_until(), Some(31 * SECOND));
        circuit.try_again(31 * SECOND);
        assert_eq!(circuit.succeeded(Admission::All), Turn::None);
        assert_eq!(circuit.failed(32 * SECOND, Admission::All), Turn::None);
        assert!(circuit.is_half_open(), "who tries decides");
    }

    #[test]
    fn one_message_after_its_time_closes_it_or_opens_it_again() {
        let mut circuit = circuit();
        for _ in 0..3 {
            let _ = circuit.failed(SECOND, Admission::All);
        }
        circuit.try_again(30 * SECOND);
        assert!(!circuit.is_half_open());
        circuit.try_again(31 * SECOND);
        assert!(circuit.is_half_open());
        assert_eq!(
            circuit.failed(32 * SECOND, Admission::One),
            Turn::Opened { until: 62 * SECOND }
        );
        circuit.try_again(62 * SECOND);
        assert_eq!(circuit.succeeded(Admission::One), Turn::Closed);
        assert_eq!(circuit, self::circuit());
    }
}
