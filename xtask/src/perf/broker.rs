use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use super::command::free_port;
use super::load::Generator;
use super::options::NamedBroker;
use crate::run::Result;

/// Starts the broker, tells its process id, ends it when its own standard input ends, and then
/// removes the directory. `$broker` is the only process that it ever ends (and `$watcher`, its
/// own). An interrupt is for those who started it: it outlives them and clears up.
const KEEPER: &str = r#"
trap '' INT
directory=$1
shift
ulimit -S -n 20000 2>/dev/null
exec 3<&0
"$@" </dev/null >"$directory/output" 2>&1 &
broker=$!
echo "$broker"
{ cat <&3 >/dev/null; kill -KILL "$broker"; } 2>/dev/null &
watcher=$!
wait "$broker"
kill "$watcher" 2>/dev/null
cat <&3 >/dev/null
cd / && rm -rf "$directory"
"#;

/// A broker in a process of its own. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Broker {
    keeper: Child,
    /// The keeper removes it.
    directory: PathBuf,
    /// Where it listens on the loopback address.
    pub(super) port: u16,
    /// Its process.
    pub(super) pid: u32,
    /// From its start until it declared a queue.
    pub(super) ready_ms: f64,
}

impl Broker {
    /// Starts a broker and waits until it declares a queue.
    ///
    /// # Errors
    ///
    /// When it is not there or does not get ready, with what it printed.
    pub(super) fn start(
        named: &NamedBroker,
        generator: &Generator,
        programs: &Path,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("springhare-perf-").tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(directory.path());
        named.kind.append_to(&mut command, programs, directory.path(), port)?;
        let since = unix_nanoseconds()?;
        // On its standard error the shell would only tell that the broker was killed.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn()?;
        let mut pid = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut pid)?;
        }
        let directory = directory.keep();
        let pid = pid.trim().parse()?;
        let mut broker = Self { keeper, directory, port, pid, ready_ms: 0.0 };
        broker.ready_ms = generator
            .ready(&broker, since)
            .map_err(|error| broker.failure(&named.name, error.as_ref()))?;
        Ok(broker)
    }

    fn failure(&self, name: &str, error: &dyn std::error::Error) -> String {
        let output = fs::read_to_string(self.directory.join("output")).unwrap_or_default();
        format!("{name} did not start: {error}; it printed:\n{output}")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The keeper reads this pipe: closing it ends the broker.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a start takes is real time")]
fn unix_nanoseconds() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos().try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keeper_ends_what_it_started_and_clears_up() {
        let directory = tempfile::tempdir().unwrap().keep();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&directory).args(["tail", "-f", "/dev/null"]);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut pid = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        let process = Path::new("/proc").join(pid.trim());
        assert!(process.exists());
        drop(keeper.stdin.take());
        keeper.wait().unwrap();
        assert!(!process.exists());
        assert!(!directory.exists());
    }
}
