//! `cargo xtask drill --kill-broker`: our broker on a folder, killed again and again while clients
//! publish and acknowledge. The clients and the ledger are a program of their own (tests/drill).

use std::process::Command;

use super::rounds::Rounds;
use crate::run::{Result, cargo, heading, succeed, target_directory};

/// The options, for the usage text.
pub(crate) const USAGE: &str = "  drill --kill-broker [--rounds 200] [--seed N]
            `springhare serve --data` is killed at random moments; what it promised has to be there
";

/// How many kills there are unless something else is asked for.
const ROUNDS: u64 = 200;

/// Runs the drill.
///
/// # Errors
///
/// The first promise that was not kept, with the seed.
pub(super) fn run(arguments: &[String]) -> Result {
    let Rounds { rounds, seed } = Rounds::parse(arguments, ROUNDS, USAGE)?;
    heading("building");
    succeed(cargo(&["build", "-p", "springhare-cli", "-p", "springhare-drill"]))?;
    heading(&format!("{rounds} kills, seed {seed}"));
    let programs = target_directory().join("debug");
    let mut drill = Command::new(programs.join("drill-kill"));
    drill.arg(programs.join("springhare")).arg(rounds.to_string()).arg(seed.to_string());
    succeed(drill)
}
