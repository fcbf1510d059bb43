//! `cargo xtask drill --kill-broker`: our broker on a folder, killed again and again while clients
//! publish and acknowledge. The clients and the ledger are a program of their own (tests/drill).

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::run::{Result, cargo, heading, succeed, target_directory};

/// The options, for the usage text.
pub(crate) const USAGE: &str = "  drill --kill-broker [--rounds 200] [--seed N]
            `springhare serve --data` is killed at random moments; what it promised has to be there
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    rounds: u32,
    seed: u64,
}

/// Runs the drill.
///
/// # Errors
///
/// The first promise that was not kept, with the seed.
pub(super) fn run(arguments: &[String]) -> Result {
    let options = Options::parse(arguments, unix_nanoseconds()?)?;
    heading("building");
    succeed(cargo(&["build", "-p", "springhare-cli", "-p", "springhare-drill"]))?;
    let Options { rounds, seed } = options;
    heading(&format!("{rounds} kills, seed {seed}"));
    let programs = target_directory().join("debug");
    let mut drill = Command::new(programs.join("drill-kill"));
    drill.arg(programs.join("springhare")).arg(rounds.to_string()).arg(seed.to_string());
    succeed(drill)
}

impl Options {
    fn parse(arguments: &[String], seed: u64) -> Result<Self> {
        let mut options = Self { rounds: 200, seed };
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} wants a value"))?;
            let wrong = || format!("{option} wants a whole number, not {value}");
            match option {
                "--rounds" => options.rounds = value.parse().map_err(|_| wrong())?,
                "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
                _ => return Err(format!("no option {option}\n\n{USAGE}").into()),
            }
        }
        if options.rounds == 0 {
            return Err("with no rounds nothing is shown".into());
        }
        Ok(options)
    }
}

#[expect(clippy::disallowed_methods, reason = "a drill makes other choices each time")]
fn unix_nanoseconds() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::from(now.subsec_nanos()) ^ now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_mistakes_are_told() {
        let parse = |words: &str| {
            let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words, 7).map(|options| (options.rounds, options.seed))
        };
        assert_eq!(parse("").unwrap(), (200, 7));
        assert_eq!(parse("--seed 3 --rounds 5").unwrap(), (5, 3));
        for wrong in ["--rounds", "--rounds 0", "--rounds x", "--seed -1", "--seconds 3", "5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
