//! `cargo xtask drill --power-cut`: schedules of appends, steps, failing calls, kills and power cuts on
//! a disk in memory, from seeds. They are a test of the broker's store, which has the journal's inner
//! parts; here it is built with optimizations and told how many, and which.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::run::{Result, cargo, heading, succeed};

/// The options, for the usage text.
pub(super) const USAGE: &str = "  drill --power-cut [--rounds 10000] [--seed N]
            so many schedules of what may happen to the store and its disk; a seed that fails is told
";

/// The test that runs them.
const TEST: &str = "store::journal::tests::power_cut::drill";

/// The most schedules that can be asked for.
const ROUNDS_MAX: u64 = 100_000_000;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    rounds: u64,
    /// That of the first schedule; the others follow.
    seed: u64,
}

/// Runs the schedules.
///
/// # Errors
///
/// When an option is wrong, or what is found after one of them is not what was promised.
pub(super) fn run(arguments: &[String]) -> Result {
    let Options { rounds, seed } = Options::parse(arguments, || {
        // Any will do, as long as it is another each time.
        RandomState::new().hash_one(0_u8) >> 16
    })?;
    heading(&format!("{rounds} schedules from seed {seed} on"));
    let package = ["test", "--quiet", "--release", "-p", "springhare-broker", "--lib"];
    let test = ["--", "--exact", TEST, "--ignored", "--nocapture"];
    let mut command = cargo(&[&package[..], &test[..]].concat());
    command.env("SPRINGHARE_DRILL_ROUNDS", rounds.to_string());
    command.env("SPRINGHARE_DRILL_SEED", seed.to_string());
    succeed(command)
}

impl Options {
    fn parse(arguments: &[String], any_seed: impl FnOnce() -> u64) -> Result<Self> {
        let (mut rounds, mut seed) = (10_000, None);
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} wants a value"))?;
            let number = value.parse().ok();
            match option {
                "--rounds" => {
                    let number = number.filter(|number| (1..=ROUNDS_MAX).contains(number));
                    let wrong = || format!("--rounds wants 1 to {ROUNDS_MAX}, not {value}");
                    rounds = number.ok_or_else(wrong)?;
                }
                "--seed" => {
                    let number = number.filter(|number| *number <= u64::MAX - ROUNDS_MAX);
                    seed =
                        Some(number.ok_or_else(|| format!("--seed wants a number, not {value}"))?);
                }
                _ => return Err(format!("no option {option}\n\n{USAGE}").into()),
            }
        }
        Ok(Self { rounds, seed: seed.unwrap_or_else(any_seed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<(u64, u64)> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        let options = Options::parse(&words, || 7)?;
        Ok((options.rounds, options.seed))
    }

    #[test]
    fn options_are_read_and_mistakes_are_told() {
        assert_eq!(parse("").unwrap(), (10_000, 7));
        assert_eq!(parse("--rounds 1 --seed 2468").unwrap(), (1, 2468));
        for wrong in ["--rounds", "--rounds 0", "--seed x", "--seed -1", "--cuts 3", "10"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
