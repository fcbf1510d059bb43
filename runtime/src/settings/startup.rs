//! What a start does when the broker is not there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::source::Source;
use super::value::{Setting, Value, Wrong, duration};

/// How long a start waits for a broker that is not there, where nobody says otherwise.
pub const STARTUP_WAIT: Duration = Duration::from_secs(30);

/// What a start does when the broker is not there: the value of `SPRINGHARE_STARTUP` and of
/// [`SpringhareBuilder::startup`](crate::SpringhareBuilder::startup).
///
/// Whatever it does, a login that is refused fails at once where `start` waits at all, and so do
/// faults of the application.
///
/// ```
/// use std::time::Duration;
/// use springhare::Startup;
///
/// assert_eq!("wait(90s)".parse(), Ok(Startup::Wait(Duration::from_secs(90))));
/// assert_eq!("background".parse(), Ok(Startup::Background));
/// assert_eq!("fail".parse(), Ok(Startup::Fail));
/// assert_eq!(Startup::default().to_string(), "wait(30s)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Startup {
    /// `wait(30s)`: tries again, with pauses, until this time is over; then the start fails with
    /// the last attempt's error. Units are `ms`, `s`, `m`, `h` and `d`.
    Wait(Duration),
    /// `background`: the start succeeds once the application itself is checked. The listeners
    /// start by themselves when the broker is there, and what the broker then refuses is logged
    /// and tried again. [`Springhare::health`](crate::Springhare::health) tells.
    Background,
    /// `fail`: one attempt.
    Fail,
}

/// A text that is no [`Startup`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is none of wait(30s), background and fail")]
pub struct UnknownStartup {
    text: String,
}

impl Default for Startup {
    fn default() -> Self {
        Self::Wait(STARTUP_WAIT)
    }
}

impl FromStr for Startup {
    type Err = UnknownStartup;

    fn from_str(text: &str) -> Result<Self, UnknownStartup> {
        let wait = |text: &str| duration(text.strip_prefix("wait(")?.strip_suffix(')')?);
        match text.trim() {
            "background" => Ok(Self::Background),
            "fail" => Ok(Self::Fail),
            other => match wait(other) {
                Some(limit) => Ok(Self::Wait(limit)),
                None => Err(UnknownStartup { text: text.to_owned() }),
            },
        }
    }
}

impl fmt::Display for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait(limit) => write!(f, "wait({limit:?})"),
            Self::Background => f.write_str("background"),
            Self::Fail => f.write_str("fail"),
        }
    }
}

impl Setting for Startup {
    fn read(value: &Value, _: &Source) -> Result<Self, Wrong> {
        let startup = match value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        startup.ok_or(Wrong::is("one of wait(30s), background and fail"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_whole_number_and_a_unit() {
        for (text, millis) in [("wait(0s)", 0), ("wait(250ms)", 250), (" wait(2m) ", 120_000)] {
            let expected = Startup::Wait(Duration::from_millis(millis));
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_shown() {
        let too_long = format!("wait({}m)", u64::MAX);
        for text in
            ["", "wait", "wait()", "wait(30)", "wait(s)", "wait(1w)", "wait(-1s)", &too_long]
        {
            let error = text.parse::<Startup>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
