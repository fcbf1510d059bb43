//! What ties a node to the process that started it.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::node::Node;
use crate::process::Process;

/// Starts the node, tells its process id, and ends it when its own standard input does, which only
/// the test process holds open. `$node` is the only process that it ever ends, and its own child,
/// so that nothing else can have that id. Unless it was told to keep the directory, it removes it.
/// Signals to a whole process group are for those who started it: it outlives them and clears up.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
output=$1
directory=$2
shift 2
exec 3<&0
"$@" </dev/null >"$output" 2>&1 3<&- &
node=$!
echo "$node"
exec >/dev/null
read -r word <&3
kill -KILL "$node"
wait "$node"
[ "$word" = keep ] || { cd / && rm -rf "$directory"; }
"#;

/// A node that runs and ends with its owner. Dropping this ends it and removes its directory.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    node: Process,
}

impl Keeper {
    /// Starts the node, without waiting until it is ready. `directory` is what is removed in the
    /// end, the node's own or one around that.
    ///
    /// # Errors
    ///
    /// When RabbitMQ is not installed, or no process can be started.
    pub(crate) fn start(node: &Node, directory: &Path) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "keeper"]).arg(node.output_file()).arg(directory);
        node.append_to(&mut command)?;
        // On its standard error the shell would only tell that the node was killed.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = command.spawn()?;
        let mut id = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut id)?;
        }
        let process = match id.trim().parse() {
            Ok(id) => Process::open(id)?,
            Err(_) => None,
        };
        match process {
            Some(node) => Ok(Self { shell, node }),
            None => Err(io::Error::other(format!("the keeper told no process id, but {id:?}"))),
        }
    }

    /// The node's process.
    pub(crate) fn process(&self) -> &Process {
        &self.node
    }

    /// Kills the node and keeps its directory.
    ///
    /// # Errors
    ///
    /// When the keeper is gone.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        match self.shell.stdin.as_mut() {
            Some(stdin) => stdin.write_all(b"keep\n"),
            None => Ok(()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
