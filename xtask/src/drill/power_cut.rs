//! `cargo xtask drill --power-cut`: schedules of appends, steps, failing calls, kills and power cuts on
//! a disk in memory, from seeds. They are a test of the broker's store, which has the journal's inner
//! parts; here it is built with optimizations and told how many, and which.

use super::rounds::Rounds;
use crate::run::{Result, cargo, heading, succeed};

/// The options, for the usage text.
pub(super) const USAGE: &str = "  drill --power-cut [--rounds 10000] [--seed N]
            so many schedules of what may happen to the store and its disk; a seed that fails is told
";

/// The test that runs them.
const TEST: &str = "store::journal::tests::power_cut::drill";

/// How many schedules there are unless something else is asked for.
const ROUNDS: u64 = 10_000;

/// Runs the schedules.
///
/// # Errors
///
/// When an option is wrong, or what is found after one of them is not what was promised.
pub(super) fn run(arguments: &[String]) -> Result {
    let Rounds { rounds, seed } = Rounds::parse(arguments, ROUNDS, USAGE)?;
    heading(&format!("{rounds} schedules from seed {seed} on"));
    let package = ["test", "--quiet", "--release", "-p", "springhare-broker", "--lib"];
    let test = ["--", "--exact", TEST, "--ignored", "--nocapture"];
    let mut command = cargo(&[&package[..], &test[..]].concat());
    command.env("SPRINGHARE_DRILL_ROUNDS", rounds.to_string());
    command.env("SPRINGHARE_DRILL_SEED", seed.to_string());
    succeed(command)
}
