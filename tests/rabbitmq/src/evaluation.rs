//! What a node can be asked while it runs: Erlang expressions, as `rabbitmqctl eval` does.
//!
//! `rabbitmqctl` itself would want an epmd, and takes seconds to start; `erl_call` takes neither.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::installation;
use crate::node::Node;

/// How long an expression may take, in seconds.
const LIMIT_SECONDS: &str = "20";

/// What who asks is called in Erlang. The random name of `erl_call` comes from the time in seconds,
/// and a node refuses one that it takes for connected still.
fn asker_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("asker{}x{number}", std::process::id())
}

impl Node {
    /// What an Erlang expression evaluates to on this node, as Erlang prints it. The full stop at
    /// its end is not part of `expression`.
    ///
    /// # Errors
    ///
    /// When the node can't be reached, does not answer within 20 seconds, or the expression fails.
    pub fn evaluate(&self, expression: &str) -> io::Result<String> {
        let mut command = Command::new(installation::erl_call()?);
        let address = format!("{}:{}", self.peer_address(), self.peer_port());
        command.args(["-e", "-h", &asker_name(), "-timeout", LIMIT_SECONDS, "-address", &address]);
        // The cookie is read from there.
        command.env("HOME", self.directory());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading says why on its standard error.
            let _ = writeln!(stdin, "{expression}.");
        }
        let finished = child.wait_with_output()?;
        let output = String::from_utf8_lossy(&finished.stdout);
        match value_in(output.trim()) {
            Some(value) if finished.status.success() => Ok(value.to_owned()),
            _ => {
                let complaint = String::from_utf8_lossy(&finished.stderr);
                let name = self.name();
                let text = format!("{name} does not evaluate '{expression}': {output}{complaint}");
                Err(io::Error::other(text))
            }
        }
    }

    /// Closes all client connections of this node, as its operator does, and tells how many there
    /// were. Clients read the reply code 320 and `reason`.
    ///
    /// # Errors
    ///
    /// As for [`evaluate`](Self::evaluate).
    pub fn close_all_connections(&self, reason: &str) -> io::Result<usize> {
        let reason = string_literal(reason);
        let closed = self.evaluate(&format!(
            "Closed = rabbit_networking:connections_local(), \
             [rabbit_networking:close_connection(Pid, {reason}) || Pid <- Closed], \
             length(Closed)"
        ))?;
        closed.parse().map_err(|_| io::Error::other(format!("{closed} is no number")))
    }

    /// The names of the nodes that run in its cluster, with its own.
    ///
    /// # Errors
    ///
    /// As for [`evaluate`](Self::evaluate).
    pub fn running_nodes(&self) -> io::Result<Vec<String>> {
        let list = self.evaluate("rabbit_mnesia:cluster_nodes(running)")?;
        Ok(atoms(&list))
    }
}

/// The value in `{ok, value}`.
fn value_in(output: &str) -> Option<&str> {
    output.strip_prefix("{ok, ")?.strip_suffix('}')
}

/// The quoted atoms in a list of them.
fn atoms(list: &str) -> Vec<String> {
    list.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A text as Erlang writes it.
pub(crate) fn string_literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erlang_is_read_and_written() {
        assert_eq!(value_in("{ok, {a, 1}}"), Some("{a, 1}"));
        assert_eq!(value_in("{error, {1, nope}}"), None);
        assert_eq!(atoms("['a@127.0.0.1', 'b@127.0.0.2']"), ["a@127.0.0.1", "b@127.0.0.2"]);
        assert!(atoms("[]").is_empty());
        assert_eq!(string_literal(r#"say "no\yes""#), r#""say \"no\\yes\"""#);
    }
}
