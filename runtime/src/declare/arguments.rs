//! What the builders share: names and arguments, the place of the call, and what is wrong.

use std::panic::Location;
use std::time::Duration;

use springhare_amqp::{FieldTable, FieldValue, ShortString};

use crate::error::{Place, StartFault};

/// The longest time that RabbitMQ takes as an argument.
const TEN_YEARS: Duration = Duration::from_secs(315_360_000);

/// A definition on its way: its arguments, where it was written, and what is wrong with it.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) arguments: FieldTable,
    /// That the broker refuses it is logged, and no more.
    pub(super) lenient: bool,
    place: Place,
    faults: Vec<String>,
}

/// Where it was written is no part of what it says.
impl PartialEq for Draft {
    fn eq(&self, other: &Self) -> bool {
        self.arguments == other.arguments
            && self.lenient == other.lenient
            && self.faults == other.faults
    }
}

impl Draft {
    #[track_caller]
    pub(super) fn new() -> Self {
        let caller = Location::caller();
        let place = Place { file: caller.file(), line: caller.line() };
        Self { arguments: FieldTable::new(), lenient: false, place, faults: Vec::new() }
    }

    /// `text` as a short string; one that is too long is a fault.
    pub(super) fn short(&mut self, what: &str, text: impl AsRef<str>) -> ShortString {
        let text = text.as_ref();
        ShortString::new(text).unwrap_or_else(|error| {
            self.faults.push(format!("{what}: {error}; choose a shorter one"));
            ShortString::truncated(text)
        })
    }

    pub(super) fn argument(&mut self, name: &str, value: impl Into<FieldValue>) {
        let name = self.short("the name of an argument", name);
        self.arguments.set(name, value);
    }

    /// An argument in whole milliseconds.
    pub(super) fn milliseconds(&mut self, name: &str, duration: Duration) {
        if self.within_ten_years(name, duration)
            && let Ok(milliseconds) = i64::try_from(duration.as_millis())
        {
            self.argument(name, milliseconds);
        }
    }

    /// Whether the time is one that a broker takes; a longer one is a fault.
    pub(super) fn within_ten_years(&mut self, name: &str, duration: Duration) -> bool {
        let fits = duration <= TEN_YEARS;
        if !fits {
            self.faults.push(format!(
                "`{name}` of {} seconds is more than a broker takes; the longest is ten years",
                duration.as_secs()
            ));
        }
        fits
    }

    /// The same, of at least one millisecond: `what` says what nothing would mean.
    pub(super) fn some_milliseconds(&mut self, name: &str, duration: Duration, what: &str) {
        if duration.as_millis() == 0 {
            self.faults.push(format!("`{name}` of no time {what}: give it a millisecond or more"));
        } else {
            self.milliseconds(name, duration);
        }
    }

    /// An argument that counts something.
    pub(super) fn count(&mut self, name: &str, count: u64) {
        match i64::try_from(count) {
            Ok(count) => self.argument(name, count),
            Err(_) => self.faults.push(format!("`{name}` of {count} is more than AMQP can say")),
        }
    }

    /// Something else that is wrong with it.
    pub(super) fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// What is wrong, with the place.
    pub(super) fn faults(&self) -> impl Iterator<Item = StartFault> {
        let Place { file, line } = self.place;
        self.faults.iter().map(move |text| StartFault::new(text.as_str()).at(file, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_kept_with_its_place() {
        let mut draft = Draft::new();
        assert_eq!(draft.short("a queue's name", "q"), "q");
        assert_eq!(draft.short("a queue's name", "q".repeat(300)).len(), 255);
        draft.milliseconds("x-message-ttl", TEN_YEARS + Duration::from_secs(1));
        draft.count("x-max-length", u64::MAX);
        draft.some_milliseconds("x-expires", Duration::from_micros(999), "is over at once");
        let faults: Vec<_> = draft.faults().collect();
        assert_eq!(faults.len(), 4);
        for fault in faults {
            assert!(fault.to_string().contains("arguments.rs:"), "{fault}");
        }
        assert!(draft.arguments.is_empty());
        draft.milliseconds("x-message-ttl", TEN_YEARS);
        assert_eq!(draft.arguments.get("x-message-ttl"), Some(&315_360_000_000_i64.into()));
    }
}
