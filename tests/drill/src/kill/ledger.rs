//! What was promised to one client, and whether it was kept.

use std::collections::VecDeque;
use std::fmt;

/// A message of a queue, as the drill knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Published, and not confirmed: it may be there or not.
    #[default]
    Sent,
    /// Confirmed, or found after a restart: it has to be there.
    Kept,
    /// Acknowledged, and perhaps not for good.
    Acked,
    /// The same of one that is not confirmed: it was delivered before it was safe, and may never
    /// have been.
    AckedEarly,
    /// It may never be seen again.
    Gone,
}

/// What is in a queue and its copy, by what was promised. Messages are numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    states: Vec<State>,
    /// Acknowledged messages, each with the number of the next one that was published after it: once
    /// that one is confirmed, the acknowledgement is in the journal before it.
    acks: VecDeque<(usize, usize)>,
    /// Up to here the copy was emptied for good.
    emptied: usize,
    figures: Figures,
}

/// What happened, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) sent: u64,
    pub(crate) confirmed: u64,
    pub(crate) acked: u64,
    /// Acknowledged, and there again after a kill that came before the acknowledgement was written.
    pub(crate) returned: u64,
    /// Not confirmed, and there.
    pub(crate) arrived: u64,
    /// Not confirmed, and not there.
    pub(crate) vanished: u64,
}

impl Figures {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            confirmed: self.confirmed + other.confirmed,
            acked: self.acked + other.acked,
            returned: self.returned + other.returned,
            arrived: self.arrived + other.arrived,
            vanished: self.vanished + other.vanished,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, confirmed, acked, returned, arrived, vanished } = self;
        write!(
            f,
            "sent {sent}, confirmed {confirmed}, acked {acked} of which {returned} came back; not \
             confirmed: {arrived} arrived, {vanished} did not"
        )
    }
}

/// A message that was found in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) number: usize,
    pub(crate) redelivered: bool,
}

impl Ledger {
    pub(crate) fn figures(&self) -> Figures {
        self.figures
    }

    /// The number of the message that is published now.
    pub(crate) fn send(&mut self) -> usize {
        self.states.push(State::Sent);
        self.figures.sent += 1;
        self.states.len() - 1
    }

    /// A message is confirmed, and with it the acknowledgements that were sent before it.
    pub(crate) fn confirm(&mut self, number: usize) {
        if let Some(state) = self.states.get_mut(number) {
            self.figures.confirmed += 1;
            *state = match *state {
                State::Sent => State::Kept,
                State::AckedEarly => State::Acked,
                other => other,
            };
        }
        while let Some((_, acked)) = self.acks.front().copied().filter(|(next, _)| *next <= number)
        {
            self.acks.pop_front();
            self.set(acked, State::Gone);
        }
    }

    /// A message is acknowledged.
    pub(crate) fn ack(&mut self, number: usize) {
        self.figures.acked += 1;
        self.acks.push_back((self.states.len(), number));
        let is_confirmed = self.states.get(number).is_some_and(|state| *state != State::Sent);
        self.set(number, if is_confirmed { State::Acked } else { State::AckedEarly });
    }

    /// The copy was emptied for good.
    pub(crate) fn set_emptied(&mut self) {
        self.emptied = self.states.len();
    }

    /// Holds what is in the queue and its copy after a restart against what was promised.
    ///
    /// # Errors
    ///
    /// The first promise that was not kept.
    pub(crate) fn verify(&mut self, queue: &[Found], copy: &[Found]) -> Result<(), String> {
        check_order("the queue", queue)?;
        check_order("the copy", copy)?;
        self.check_copy(copy)?;
        let mut found = queue.iter().peekable();
        for number in 0..self.states.len() {
            let there = found.next_if(|found| found.number == number);
            let in_copy = copy.binary_search_by_key(&number, |found| found.number).is_ok();
            let state = self.states.get_mut(number).ok_or("a number is missing")?;
            *state = match (*state, there) {
                (State::Sent, None) if in_copy && number >= self.emptied => {
                    return Err(format!("message {number} is in the copy alone"));
                }
                (State::Sent, Some(_)) if !in_copy && number >= self.emptied => {
                    return Err(format!("message {number} is in the queue, and not in the copy"));
                }
                (State::Sent, None) => {
                    self.figures.vanished += 1;
                    State::Gone
                }
                (State::Sent, Some(_)) => {
                    self.figures.arrived += 1;
                    State::Kept
                }
                (State::Kept, None) => {
                    return Err(format!("message {number} was confirmed and is lost"));
                }
                (State::Kept, Some(_)) => State::Kept,
                (State::Acked | State::AckedEarly, Some(Found { redelivered: false, .. })) => {
                    return Err(format!("message {number} came back and is not redelivered"));
                }
                (State::Acked | State::AckedEarly, Some(_)) => {
                    self.figures.returned += 1;
                    State::Kept
                }
                (State::Acked | State::AckedEarly | State::Gone, None) => State::Gone,
                (State::Gone, Some(_)) => {
                    return Err(format!("message {number} was done with for good and is back"));
                }
            };
        }
        self.acks.clear();
        match found.next() {
            None => Ok(()),
            Some(found) => Err(format!("message {} was never sent", found.number)),
        }
    }

    /// The copy has all that was confirmed since it was emptied, and nothing from before.
    fn check_copy(&self, copy: &[Found]) -> Result<(), String> {
        if let Some(back) = copy.iter().find(|found| found.number < self.emptied) {
            return Err(format!(
                "message {} was acknowledged in the copy and is back",
                back.number
            ));
        }
        let has = |number| copy.binary_search_by_key(&number, |found| found.number).is_ok();
        let promised = self.states.iter().enumerate().skip(self.emptied);
        let mut promised =
            promised.filter(|(_, state)| matches!(state, State::Kept | State::Acked));
        match promised.find(|(number, _)| !has(*number)) {
            None => Ok(()),
            Some((number, _)) => Err(format!("message {number} is lost from the copy")),
        }
    }

    fn set(&mut self, number: usize, to: State) {
        if let Some(state) = self.states.get_mut(number) {
            *state = to;
        }
    }
}

/// Each once, and in the order in which they were sent.
fn check_order(name: &str, all: &[Found]) -> Result<(), String> {
    let mut pairs = all.iter().zip(all.iter().skip(1));
    match pairs.find(|(one, next)| one.number >= next.number) {
        None => Ok(()),
        Some((one, next)) => {
            Err(format!("in {name}, message {} comes after {}", next.number, one.number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(number: usize) -> Found {
        Found { number, redelivered: true }
    }

    /// Four messages: 0 acknowledged for good, 1 acknowledged, 2 confirmed, 3 sent.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for number in 0..2 {
            assert_eq!(ledger.send(), number);
            ledger.confirm(number);
        }
        ledger.ack(0);
        ledger.send();
        ledger.confirm(2);
        ledger.ack(1);
        ledger.send();
        ledger
    }

    fn verified(queue: &[usize], copy: &[usize]) -> Result<Figures, String> {
        let mut ledger = ledger();
        let all = |numbers: &[usize]| numbers.iter().copied().map(found).collect::<Vec<_>>();
        ledger.verify(&all(queue), &all(copy))?;
        ledger.verify(&all(queue), &all(copy)).expect("the second time changes nothing");
        Ok(ledger.figures())
    }

    #[test]
    fn what_was_promised_is_there() {
        let figures = verified(&[2], &[0, 1, 2]).unwrap();
        assert_eq!((figures.vanished, figures.arrived, figures.returned), (1, 0, 0));
        let figures = verified(&[1, 2, 3], &[0, 1, 2, 3]).unwrap();
        assert_eq!((figures.vanished, figures.arrived, figures.returned), (0, 1, 1));
    }

    #[test]
    fn every_broken_promise_is_told() {
        for (queue, copy, fault) in [
            (&[1][..], &[0, 1, 2][..], "message 2 was confirmed and is lost"),
            (&[2], &[0, 1], "message 2 is lost from the copy"),
            (&[0, 2], &[0, 1, 2], "message 0 was done with for good and is back"),
            (&[2, 1], &[0, 1, 2], "in the queue, message 1 comes after 2"),
            (&[2, 2], &[0, 1, 2], "in the queue, message 2 comes after 2"),
            (&[2, 3], &[0, 1, 2], "message 3 is in the queue, and not in the copy"),
            (&[2], &[0, 1, 2, 3], "message 3 is in the copy alone"),
            (&[2, 9], &[0, 1, 2], "message 9 was never sent"),
        ] {
            assert_eq!(verified(queue, copy).unwrap_err(), fault);
        }
        let fresh = Found { number: 1, redelivered: false };
        let error = ledger().verify(&[fresh, found(2)], &[0, 1, 2].map(found)).unwrap_err();
        assert_eq!(error, "message 1 came back and is not redelivered");
        // Delivered and acknowledged before it was safe: it may be nowhere.
        let mut early = ledger();
        early.ack(3);
        early.verify(&[found(2)], &[0, 1, 2].map(found)).unwrap();
        let mut emptied = ledger();
        emptied.set_emptied();
        let error = emptied.verify(&[found(2)], &[found(1)]).unwrap_err();
        assert_eq!(error, "message 1 was acknowledged in the copy and is back");
    }
}
