//! Holds the public API of the crates that are published against that of an earlier commit, which
//! `.ci/semver-baseline` names.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::root;
use crate::run::{Result, cargo, heading, succeed};

const BASELINE: &str = ".ci/semver-baseline";
/// What the macros expand to is not looked at: the tool knows libraries alone.
const PACKAGES: [&str; 4] =
    ["springhare", "springhare-amqp", "springhare-broker", "springhare-log"];
/// The tool's version, which is what its verdict depends on.
const VERSION: &str = "0.51.0";

/// Compares, and installs what that takes.
///
/// # Errors
///
/// When the API has changed in a way that a program would notice, when the history does not go back to
/// the baseline, or when the tool can't be installed.
pub(crate) fn check() -> Result {
    heading("the public API, beside that of the baseline");
    let file = root().join(BASELINE);
    let text = fs::read_to_string(&file).map_err(|error| format!("{BASELINE}: {error}"))?;
    let baseline = commit_of(&text)?;
    has_history(&root(), baseline)?;
    install()?;
    let mut command = cargo(&["semver-checks", "--baseline-rev", baseline]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    succeed(command)
}

/// The commit that the file names: its only line that is no comment.
fn commit_of(text: &str) -> Result<&str> {
    let mut lines = text.lines().map(str::trim);
    let commit = lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit {
        return Ok(commit);
    }
    Err(format!("{BASELINE}: '{commit}' is no commit, which has 40 digits (git rev-parse HEAD)")
        .into())
}

/// Looks whether the repository has the commit, whose sources are compared with.
fn has_history(repository: &Path, commit: &str) -> Result {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(repository).args(arguments).output();
        output.map_err(|error| format!("git, which knows the baseline's sources: {error}"))
    };
    if git(&["cat-file", "-e", &format!("{commit}^{{commit}}")])?.status.success() {
        return Ok(());
    }
    let is_shallow = git(&["rev-parse", "--is-shallow-repository"])?;
    let remedy = match is_shallow.stdout.trim_ascii() {
        b"true" => "the clone is shallow: git fetch --unshallow",
        b"false" => "fetch the branch that it is on, or name another commit",
        _ => "this is no clone of the repository, which has the history: work in one",
    };
    Err(format!("{BASELINE} names the commit {commit}, which is not here; {remedy}").into())
}

/// Makes sure that the tool is there in its version.
fn install() -> Result {
    let output = cargo(&["semver-checks", "--version"]).output()?;
    let version = String::from_utf8_lossy(&output.stdout);
    if version.split_whitespace().last() == Some(VERSION) {
        return Ok(());
    }
    eprintln!("installing cargo-semver-checks {VERSION}, which takes minutes, once");
    // Without optimization, which would take longer than it saves.
    let install = ["install", "--locked", "--debug", "cargo-semver-checks", "--version", VERSION];
    succeed(cargo(&install))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_a_commit_and_anything_else_is_told() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(commit_of(&format!("# why\n\n{commit}\n")).unwrap(), commit);
        for text in ["", "# nothing", "main", &commit[1..]] {
            let error = commit_of(text).unwrap_err().to_string();
            assert!(error.contains("is no commit, which has 40 digits"), "{error}");
        }
    }

    #[test]
    fn a_copy_without_history_says_what_lacks() {
        let nothing = tempfile::tempdir().unwrap();
        let commit = "0".repeat(40);
        let error = has_history(nothing.path(), &commit).unwrap_err().to_string();
        assert!(error.contains("no clone of the repository"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        let init = Command::new("git").arg("init").arg("-q").arg(empty.path()).status().unwrap();
        assert!(init.success());
        let error = has_history(empty.path(), &commit).unwrap_err().to_string();
        assert!(error.contains("fetch the branch"), "{error}");
    }
}
