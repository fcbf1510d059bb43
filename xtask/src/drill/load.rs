//! The application under load: tests/drill, in a process of its own.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde::Deserialize;

use crate::run::{Result, lines_of};

/// How long the application may take to start, and to say how far it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to end: it waits a minute for publishes and another for messages.
const FINISH_LIMIT: Duration = Duration::from_secs(180);

/// What became of the messages; tests/drill/src/ledger.rs says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Figures {
    pub(super) sent: u64,
    pub(super) confirmed: u64,
    pub(super) failed: u64,
    pub(super) handled: u64,
    pub(super) duplicates: u64,
    pub(super) lost: u64,
    pub(super) foreign: u64,
}

impl Figures {
    /// Messages whose publish has not ended.
    pub(super) fn open(&self) -> u64 {
        self.sent.saturating_sub(self.confirmed).saturating_sub(self.failed)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, confirmed, failed, handled, duplicates, lost, .. } = self;
        write!(
            f,
            "sent {sent}, confirmed {confirmed}, failed {failed}, handled {handled}, \
             duplicates {duplicates}, lost {lost}"
        )
    }
}

/// The running application. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Load {
    child: Child,
    /// What it prints; closed when it ends.
    lines: Receiver<String>,
}

impl Load {
    /// Starts the program and waits until it sends.
    ///
    /// # Errors
    ///
    /// When it can't be started or ends instead; it says why on the standard error.
    pub(super) fn start(program: &Path, url: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let lines = lines_of(child.stdout.take());
        let load = Self { child, lines };
        load.read(ANSWER_LIMIT)?;
        Ok(load)
    }

    /// Leaves it alone for a while.
    ///
    /// # Errors
    ///
    /// When it ends meanwhile.
    pub(super) fn run_for(&mut self, time: Duration) -> Result {
        match self.lines.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err("the application has ended".into()),
            Ok(line) => Err(format!("the application prints without being asked: {line}").into()),
        }
    }

    /// How far it is. What is lost now may only be under way.
    ///
    /// # Errors
    ///
    /// When it has ended or does not answer.
    pub(super) fn figures(&mut self) -> Result<Figures> {
        if let Some(stdin) = self.child.stdin.as_mut() {
            stdin.write_all(b"\n")?;
        }
        self.read(ANSWER_LIMIT)
    }

    /// Has it stop sending, and waits for what is confirmed to arrive.
    ///
    /// # Errors
    ///
    /// When it ends with an error, or not at all.
    pub(super) fn finish(mut self) -> Result<Figures> {
        drop(self.child.stdin.take());
        let figures = self.read(FINISH_LIMIT)?;
        match self.lines.recv_timeout(ANSWER_LIMIT) {
            Err(RecvTimeoutError::Disconnected) => {}
            _ => return Err("the application does not end".into()),
        }
        // Its output is closed: it is at its end.
        let status = self.child.wait()?;
        if status.success() {
            Ok(figures)
        } else {
            Err(format!("the application ended with {status}; {figures}").into())
        }
    }

    fn read(&self, limit: Duration) -> Result<Figures> {
        let line = self.lines.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Disconnected => "the application has ended".to_owned(),
            RecvTimeoutError::Timeout => format!("the application says nothing for {limit:?}"),
        })?;
        serde_json::from_str(&line).map_err(|error| format!("{line}: {error}").into())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Nothing is left to kill or to wait for after `finish`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const LINE: &str =
        r#"{"sent":3,"confirmed":2,"failed":0,"handled":2,"duplicates":1,"lost":0,"foreign":0}"#;

    fn script(directory: &Path, text: &str) -> std::path::PathBuf {
        let file = directory.join("load");
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[test]
    fn it_says_how_far_it_is_until_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let say = format!("echo '{LINE}'");
        let program =
            script(directory.path(), &format!("{say}; while read -r line; do {say}; done; {say}"));
        let mut load = Load::start(&program, "amqp://nowhere").unwrap();
        load.run_for(Duration::from_millis(1)).unwrap();
        let figures = load.figures().unwrap();
        assert_eq!((figures.sent, figures.open()), (3, 1));
        let text = "sent 3, confirmed 2, failed 0, handled 2, duplicates 1, lost 0";
        assert_eq!(load.finish().unwrap().to_string(), text);
    }

    #[test]
    fn one_that_ends_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let program = script(directory.path(), "exit 1");
        let error = Load::start(&program, "amqp://nowhere").unwrap_err().to_string();
        assert!(error.contains("has ended"), "{error}");
        let program = script(directory.path(), &format!("echo '{LINE}'; read -r line; exit 1"));
        let mut load = Load::start(&program, "amqp://nowhere").unwrap();
        assert!(load.figures().is_err());
        assert!(load.run_for(Duration::from_secs(20)).is_err());
        let program =
            script(directory.path(), &format!("echo '{LINE}'; cat; echo '{LINE}'; exit 3"));
        let load = Load::start(&program, "amqp://nowhere").unwrap();
        let error = load.finish().unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
    }
}
