//! The broker that the clients connect to: `springhare serve`, on a free port.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::install::installed;
use crate::run::{Result, cargo, lines_of, succeed, target_directory};

/// How long the broker may take to be ready, and how long to end.
const LIMIT: Duration = Duration::from_secs(20);

/// A running broker; dropping it without [`stop`](Self::stop) kills it.
#[derive(Debug)]
pub(super) struct Broker {
    child: Child,
    /// What it prints on its standard output; closed when it ends.
    lines: Receiver<String>,
    log: PathBuf,
    address: String,
}

impl Broker {
    /// Builds the broker and starts it.
    ///
    /// # Errors
    ///
    /// When it can't be built, or does not say within [`LIMIT`] where it listens.
    pub(super) fn start() -> Result<Self> {
        succeed(cargo(&["build", "-p", "springhare-cli"]))?;
        let mut command = Command::new(target_directory().join("debug/springhare"));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self::start_as(command, installed("broker.log"))
    }

    fn start_as(mut command: Command, log: PathBuf) -> Result<Self> {
        if let Some(directory) = log.parent() {
            fs::create_dir_all(directory)?;
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let lines = lines_of(child.stdout.take());
        let mut broker = Self { child, lines, log, address: String::new() };
        let said = broker.lines.recv_timeout(LIMIT);
        match said.as_ref().ok().and_then(|line| address_in(line)) {
            Some(address) => broker.address = address,
            None => return Err(broker.complaint(&format!("said {said:?} instead of being ready"))),
        }
        Ok(broker)
    }

    /// Where it listens, as clients want to be told.
    pub(super) fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }

    /// Ends the broker as a service is ended.
    ///
    /// # Errors
    ///
    /// When it has ended before, does not end within [`LIMIT`], or ends with an error.
    pub(super) fn stop(mut self) -> Result {
        let pid = self.child.id().to_string();
        if self.child.try_wait()?.is_some() {
            return Err(self.complaint("ended by itself"));
        }
        succeed({
            let mut kill = Command::new("kill");
            kill.args(["-TERM", &pid]);
            kill
        })?;
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.complaint(&format!("did not end within {LIMIT:?}")));
                }
            }
        }
        // Its output is closed: it is at its end.
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(self.complaint(&format!("ended with {status}"))) }
    }

    fn complaint(&self, what: &str) -> Box<dyn std::error::Error> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        format!("the broker {what}; its log is {}:\n{}", self.log.display(), last_lines(&log))
            .into()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing is left to kill or to wait for after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in `springhare 0.1.0 ready: amqp 127.0.0.1:5672 (in memory: nothing is kept)`.
fn address_in(line: &str) -> Option<String> {
    let (_, listening) = line.split_once(" ready: ")?;
    let mut words = listening.split_whitespace();
    words.find(|word| *word == "amqp")?;
    words.next().map(|address| address.trim_end_matches(',').to_owned())
}

fn last_lines(text: &str) -> String {
    const SHOWN: usize = 40;
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(SHOWN);
    lines.get(first..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Command, tempfile::TempDir) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (command, tempfile::tempdir().unwrap())
    }

    #[test]
    fn a_broker_that_is_ready_has_an_address_and_ends_when_it_is_told() {
        let (command, directory) = shell(
            "echo 'springhare 0.1.0 ready: amqp 127.0.0.1:4711 (in memory: nothing is kept)'
             exec cat /dev/zero >/dev/null",
        );
        let broker = Broker::start_as(command, directory.path().join("log")).unwrap();
        assert_eq!(broker.url(), "amqp://guest:guest@127.0.0.1:4711/%2f");
        // A signal that nothing handles is no clean end.
        let error = broker.stop().unwrap_err().to_string();
        assert!(error.contains("signal"), "{error}");
    }

    #[test]
    fn a_broker_that_is_not_ready_is_an_error_with_its_log() {
        let (command, directory) = shell("echo 'no such option' >&2; exit 2");
        let error = Broker::start_as(command, directory.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("no such option"), "{error}");
        let (command, directory) = shell("echo hello");
        let error = Broker::start_as(command, directory.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("hello"), "{error}");
    }
}
