//! A real RabbitMQ, for the tests that hold the embedded broker against it.
//!
//! One node serves all tests of a test binary. It listens on the loopback address only, on ports
//! of its own, keeps everything in a temporary directory and needs no epmd. It ends with the
//! test process, however that ends: a small shell between the two reads from a pipe that only
//! the test process holds open, and then ends the node by the process id that it started.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// The largest body that the node accepts, in bytes.
pub const MAX_MESSAGE_SIZE: usize = 1024 * 1024;

/// Who may connect, beside `guest`: `limited` and `x.y` may touch what is called `mine..`, and use
/// their own names as routing keys of `mine-topic`; `outsider` has no permission at all, and nobody
/// has any in `closed`.
const DEFINITIONS: &str = r#"{
    "users": [
        {"name": "guest", "password": "guest", "tags": "administrator"},
        {"name": "limited", "password": "secret", "tags": ""},
        {"name": "outsider", "password": "secret", "tags": ""},
        {"name": "x.y", "password": "secret", "tags": ""}
    ],
    "vhosts": [{"name": "/"}, {"name": "closed"}],
    "permissions": [
        {"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
        {"user": "limited", "vhost": "/", "configure": "^mine", "write": "^mine", "read": "^mine"},
        {"user": "x.y", "vhost": "/", "configure": "^mine", "write": "^mine", "read": "^mine"}
    ],
    "topic_permissions": [
        {"user": "limited", "vhost": "/", "exchange": "mine-topic",
         "write": "^{username}\\.", "read": "^{username}\\."},
        {"user": "x.y", "vhost": "/", "exchange": "mine-topic",
         "write": "^{username}$", "read": "^{username}$"}
    ]
}"#;

/// How long the node may take to start, in steps of [`STEP`].
const START_LIMIT_STEPS: u32 = 1200;
const STEP: Duration = Duration::from_millis(50);

/// How often a start is tried: between finding a free port and using it, another may take it.
const ATTEMPTS: u32 = 3;

/// Starts the node, ends it when its own standard input ends, and then removes the directory.
/// `$node` is the only process that it ever ends (and `$watcher`, its own).
const KEEPER: &str = r#"
directory=$1
shift
exec 3<&0
"$@" </dev/null >node.out 2>&1 &
node=$!
{ cat <&3 >/dev/null; kill -KILL "$node"; } 2>/dev/null &
watcher=$!
wait "$node"
echo "$?" >node.exit
kill "$watcher" 2>/dev/null
cat <&3 >/dev/null
cd / && rm -rf "$directory"
"#;

/// A running RabbitMQ node. Dropping it ends it.
#[derive(Debug)]
pub struct RabbitMq {
    keeper: Child,
    port: u16,
    /// The keeper removes it.
    directory: PathBuf,
}

impl RabbitMq {
    /// The node that this test binary shares; started by the first who asks.
    ///
    /// None when `SPRINGHARE_WITHOUT_RABBITMQ=1` asks to do without, which is said loudly.
    ///
    /// # Panics
    ///
    /// When `rabbitmq-server` is not installed or does not start, and when a CI run
    /// (`CI` is set) asks to do without.
    pub fn shared() -> Option<&'static Self> {
        static NODE: OnceLock<Option<RabbitMq>> = OnceLock::new();
        NODE.get_or_init(|| {
            if std::env::var_os("SPRINGHARE_WITHOUT_RABBITMQ").is_some_and(|value| value == "1") {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "SPRINGHARE_WITHOUT_RABBITMQ is set, but CI never does without RabbitMQ"
                );
                // Straight to the stream: the test harness holds back what is printed.
                let _ = writeln!(
                    io::stderr(),
                    "\nSKIPPED: every test against RabbitMQ (SPRINGHARE_WITHOUT_RABBITMQ=1)\n"
                );
                return None;
            }
            Some(Self::start().unwrap_or_else(|error| panic!("{error}")))
        })
        .as_ref()
    }

    /// Starts a node and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When `rabbitmq-server` is not there, or does not come up within a minute.
    pub fn start() -> io::Result<Self> {
        let server = find_server()?;
        let mut last = io::Error::other("not tried");
        for _ in 0..ATTEMPTS {
            match Self::start_once(&server) {
                Ok(node) => return Ok(node),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn start_once(server: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("springhare-rabbitmq-").tempdir()?;
        let [port, distribution_port] = free_ports()?;
        let keeper = command(server, directory.path(), port, distribution_port)?.spawn()?;
        let node = Self { keeper, port, directory: directory.keep() };
        node.wait_until_ready()?;
        Ok(node)
    }

    fn wait_until_ready(&self) -> io::Result<()> {
        for _ in 0..START_LIMIT_STEPS {
            if greets(self.address()) {
                return Ok(());
            }
            if let Ok(status) = fs::read_to_string(self.directory.join("node.exit")) {
                return Err(self.failure(&format!("ended at once with status {}", status.trim())));
            }
            pause();
        }
        Err(self.failure("is not ready after a minute"))
    }

    fn failure(&self, what: &str) -> io::Error {
        let output = fs::read_to_string(self.directory.join("node.out")).unwrap_or_default();
        io::Error::other(format!("rabbitmq-server {what}; it printed:\n{output}"))
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        // The keeper reads this pipe: closing it ends the node.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn command(server: &Path, directory: &Path, port: u16, peer_port: u16) -> io::Result<Command> {
    let definitions = directory.join("definitions.json");
    fs::write(&definitions, DEFINITIONS)?;
    let configuration = directory.join("rabbitmq.conf");
    fs::write(
        &configuration,
        format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\n\
             max_message_size = {MAX_MESSAGE_SIZE}\n\
             disk_free_limit.absolute = 1MB\n\
             load_definitions = {}\n\
             log.console = false\n",
            definitions.display()
        ),
    )?;
    let name = format!("springhare-{}-{port}@localhost", std::process::id());
    let peer_port = peer_port.to_string();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", KEEPER, "keeper"]).arg(directory).arg(server);
    // Without epmd: the port of the distribution is told instead of looked up.
    command.args(["-noinput", "-sname", &name, "-start_epmd", "false"]);
    command.args(["-erl_epmd_port", &peer_port]);
    command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
    command.args(["-kernel", "inet_dist_listen_min", &peer_port]);
    command.args(["-kernel", "inet_dist_listen_max", &peer_port]);
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("HOME", directory)
        .env("RABBITMQ_NODENAME", &name)
        // The start script then becomes the node instead of waiting for it.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILE", &configuration)
        .env("RABBITMQ_MNESIA_BASE", directory.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", directory.join("log"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", directory.join("generated"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("enabled_plugins"))
        .env("RABBITMQ_PID_FILE", directory.join("pid"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command)
}

/// The server's own start script, rather than Debian's wrapper that changes the user.
fn find_server() -> io::Result<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::iter::once(PathBuf::from("/usr/lib/rabbitmq/bin"))
        .chain(std::env::split_paths(&on_path))
        .map(|directory| directory.join("rabbitmq-server"));
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "rabbitmq-server is not installed: 'cargo xtask test' installs it, and \
             SPRINGHARE_WITHOUT_RABBITMQ=1 skips the tests that need it",
        )
    })
}

fn free_ports() -> io::Result<[u16; 2]> {
    let listeners = [
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
    ];
    let [first, second] = listeners;
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}

/// Whether an AMQP broker answers to the protocol header.
fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = [0_u8; 1];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.write_all(b"AMQP\x00\x00\x09\x01").is_ok()
        && stream.read_exact(&mut answer).is_ok()
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a condition, not instead")]
fn pause() {
    std::thread::sleep(STEP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_node_is_gone() {
        if RabbitMq::shared().is_none() {
            return;
        }
        let node = RabbitMq::start().unwrap();
        let address = node.address();
        let directory = node.directory.clone();
        assert!(greets(address));
        drop(node);
        assert!(!greets(address));
        assert!(!directory.exists());
    }
}
