//! Starting programs: what they print goes through or is captured, and none runs without end.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What a step comes to; the error says what went wrong.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Says which step begins.
pub(crate) fn heading(text: &str) {
    eprintln!("\n== {text}");
}

/// `cargo` with these arguments, in the workspace, with nothing in the environment that would
/// make the tests do less or something else.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    // Cargo names itself to the programs that it runs.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(crate::root());
    command.env_remove("SPRINGHARE_WITHOUT_RABBITMQ").env_remove("SPRINGHARE_URL");
    // What cargo tells this program of itself would make build scripts run again.
    let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(own) {
            command.env_remove(&name);
        }
    }
    command
}

/// Where `cargo` builds.
pub(crate) fn target_directory() -> PathBuf {
    let directory = std::env::var_os("CARGO_TARGET_DIR");
    crate::root().join(directory.unwrap_or_else(|| "target".into()))
}

/// Runs the command, with its output going through.
///
/// # Errors
///
/// When it can't be started, or ends with an error.
pub(crate) fn succeed(mut command: Command) -> Result {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}").into()) }
}

/// What a captured program did.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whether it ended with exit code 0.
    pub(crate) success: bool,
    /// What it printed, the standard output first.
    pub(crate) output: String,
}

/// Runs the command with `input` as its standard input, and captures what it prints.
///
/// # Errors
///
/// When it can't be started, or is not done within `limit`; it is ended then.
pub(crate) fn capture(mut command: Command, input: Vec<u8>, limit: Duration) -> Result<Finished> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let stdin = child.stdin.take();
    thread::spawn(move || {
        // A program that does not read its input may end before it is written.
        stdin.map(|mut stdin| stdin.write_all(&input))
    });
    let outputs = (read_all(child.stdout.take()), read_all(child.stderr.take()));
    let output = outputs.0.recv_timeout(limit).and_then(|stdout| {
        let stderr = outputs.1.recv_timeout(limit)?;
        Ok([stdout, stderr].concat())
    });
    let Ok(output) = output else {
        end(&mut child)?;
        return Err(format!("{command:?} was not done after {limit:?}").into());
    };
    // Both streams are closed: the program is at its end.
    let success = child.wait()?.success();
    Ok(Finished { success, output: String::from_utf8_lossy(&output).into_owned() })
}

fn read_all(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

/// The lines of a program's output, as they come; a thread of its own reads them.
pub(crate) fn lines_of(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in stream.into_iter().flat_map(|stream| BufReader::new(stream).lines()) {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_is_captured() {
        let finished = capture(Command::new("cat"), b"tea".to_vec(), Duration::from_secs(20));
        let finished = finished.unwrap();
        assert!(finished.success);
        assert_eq!(finished.output, "tea");
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo out; echo err >&2; exit 3"]);
        let finished = capture(failing, Vec::new(), Duration::from_secs(20)).unwrap();
        assert!(!finished.success);
        assert_eq!(finished.output, "out\nerr\n");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut endless = Command::new("tail");
        endless.args(["-f", "/dev/null"]);
        let error = capture(endless, Vec::new(), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("was not done after 50ms"), "{error}");
    }
}
