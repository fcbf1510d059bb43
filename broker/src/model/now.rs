use std::cell::Cell;
use std::fmt;
use std::time::Duration;

/// The time of one change, counted from the clock's start: read when it first matters, and the
/// same from then on. Most changes have nothing to do with time, and spare the look at the clock.
pub(crate) struct Now<'c> {
    read: &'c dyn Fn() -> Duration,
    at: Cell<Option<Duration>>,
}

impl<'c> Now<'c> {
    /// The time that `read` tells.
    pub(crate) fn from_clock(read: &'c dyn Fn() -> Duration) -> Self {
        Self { read, at: Cell::new(None) }
    }

    /// This time.
    pub(crate) fn get(&self) -> Duration {
        self.at.get().unwrap_or_else(|| {
            let now = (self.read)();
            self.at.set(Some(now));
            now
        })
    }
}

#[cfg(test)]
impl Now<'static> {
    /// A time that is known.
    pub(crate) fn at(time: Duration) -> Self {
        Self { read: &|| Duration::ZERO, at: Cell::new(Some(time)) }
    }
}

impl fmt::Debug for Now<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Now").field(&self.at.get()).finish()
    }
}
