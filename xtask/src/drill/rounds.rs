//! How often something is tried, and what its choices follow from: what the drills with a seed ask for.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::run::Result;

/// The most rounds that can be asked for.
const ROUNDS_MAX: u64 = 100_000_000;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rounds {
    pub(super) rounds: u64,
    pub(super) seed: u64,
}

impl Rounds {
    /// Reads `--rounds` and `--seed`. Without a seed it is another one each time.
    ///
    /// # Errors
    ///
    /// When an option is unknown, or a value is missing or wrong.
    pub(super) fn parse(arguments: &[String], rounds: u64, usage: &str) -> Result<Self> {
        let (mut rounds, mut seed) = (rounds, None);
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
                    // There may be a seed a round, counted up.
                    let number = number.filter(|number| *number <= u64::MAX - ROUNDS_MAX);
                    seed =
                        Some(number.ok_or_else(|| format!("--seed wants a number, not {value}"))?);
                }
                _ => return Err(format!("no option {option}\n\n{usage}").into()),
            }
        }
        let any = || RandomState::new().hash_one(0_u8) >> 16;
        Ok(Self { rounds, seed: seed.unwrap_or_else(any) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Rounds> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        Rounds::parse(&words, 200, "the usage")
    }

    #[test]
    fn options_are_read_and_mistakes_are_told() {
        assert_eq!(parse("").unwrap().rounds, 200);
        assert_eq!(parse("--rounds 1 --seed 2468").unwrap(), Rounds { rounds: 1, seed: 2468 });
        for wrong in ["--rounds", "--rounds 0", "--rounds x", "--seed -1", "--cuts 3", "10"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse("--cuts 3").unwrap_err().to_string().contains("the usage"));
    }
}
