//! The command line of the drill.

use std::time::Duration;

use crate::run::Result;

/// The options, for the usage text.
pub(crate) const USAGE: &str = "  drill [--kill-every 5s] [--seconds 60]
            an application on a cluster of three nodes that are killed in turn; nothing may be lost
";

/// The longest time that can be asked for, in seconds: a day.
const SECONDS_MAX: u64 = 86_400;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// From one kill to the next.
    pub(super) kill_every: Duration,
    /// How long messages are sent.
    pub(super) duration: Duration,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// When an option is unknown, a value is missing or wrong, or the drill would be over before
    /// its first kill.
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options =
            Self { kill_every: Duration::from_secs(5), duration: Duration::from_secs(60) };
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} wants a value"))?;
            match option {
                "--kill-every" => options.kill_every = seconds(option, value)?,
                "--seconds" => options.duration = seconds(option, value)?,
                _ => return Err(format!("no option {option}\n\n{USAGE}").into()),
            }
        }
        if options.kill_every >= options.duration {
            return Err("the drill would be over before anything is killed".into());
        }
        Ok(options)
    }
}

/// `5s` or `5`.
fn seconds(option: &str, value: &str) -> Result<Duration> {
    let number = value.strip_suffix('s').unwrap_or(value).parse().ok();
    let number = number.filter(|number| (1..=SECONDS_MAX).contains(number));
    let number = number.ok_or_else(|| format!("{option} wants whole seconds, not {value}"))?;
    Ok(Duration::from_secs(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<(u64, u64)> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        let options = Options::parse(&words)?;
        Ok((options.kill_every.as_secs(), options.duration.as_secs()))
    }

    #[test]
    fn options_are_read_and_mistakes_are_told() {
        assert_eq!(parse("").unwrap(), (5, 60));
        assert_eq!(parse("--seconds 20 --kill-every 3s").unwrap(), (3, 20));
        for wrong in
            ["--seconds", "--seconds 0", "--seconds x", "--kill-every 60s", "--nodes 3", "60 5"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
