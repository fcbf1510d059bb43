//! How one node is started.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Process;
use crate::wait::eventually;
use crate::{installation, ports};

/// How long an answer to the protocol header is waited for.
const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// A port at which no epmd listens, since only the superuser may. With it, nodes do not register
/// with one that happens to run on the machine.
const NO_EPMD_PORT: &str = "1";

/// A node to be, or one that runs: its name, its ports and its directory.
///
/// Nodes find one another without epmd: all of a cluster use the same port for what they say among
/// themselves, each on a loopback address of its own, which is a part of its name.
#[derive(Debug, Clone)]
pub struct Node {
    /// Counted from 1, and the last number of the address at which its peers find it.
    number: u8,
    port: u16,
    peer_port: u16,
    directory: PathBuf,
}

impl Node {
    /// A node without peers, which will listen on `port` and keep everything in `directory`.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn alone(directory: &Path, port: u16) -> io::Result<Self> {
        let peer_port = ports::free_port(&[Ipv4Addr::LOCALHOST])?;
        Ok(Self::new(1, port, peer_port, directory.to_path_buf()))
    }

    pub(crate) fn new(number: u8, port: u16, peer_port: u16, directory: PathBuf) -> Self {
        Self { number, port, peer_port, directory }
    }

    /// Its name in Erlang.
    #[must_use]
    pub fn name(&self) -> String {
        format!("springhare-{}@{}", self.port, self.peer_address())
    }

    /// Where it listens for AMQP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Where everything of it is: configuration, data, logs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it prints is here.
    #[must_use]
    pub fn output_file(&self) -> PathBuf {
        self.directory.join("output")
    }

    pub(crate) fn peer_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, self.number)
    }

    pub(crate) fn peer_port(&self) -> u16 {
        self.peer_port
    }

    /// Makes its directory and writes its configuration: `settings` in the form of
    /// `rabbitmq.conf`, beside the address at which it listens.
    ///
    /// # Errors
    ///
    /// When it can't be written, or a node was configured there already.
    pub fn configure(&self, settings: &str) -> io::Result<()> {
        self.configure_for(&random_cookie()?, settings)
    }

    /// Writes down which plugins it starts with: those of RabbitMQ's own, by name.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn enable_plugins(&self, names: &[&str]) -> io::Result<()> {
        fs::write(self.plugins_file(), format!("[{}].\n", names.join(",")))
    }

    /// As [`configure`](Self::configure); who knows the cookie is let in as a peer.
    pub(crate) fn configure_for(&self, cookie: &str, settings: &str) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let listener = format!("listeners.tcp.1 = {}\nlog.console = false\n", self.address());
        fs::write(self.configuration_file(), listener + settings)?;
        let cookie_file = self.directory.join(".erlang.cookie");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o400);
        let opened = options.open(&cookie_file).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", cookie_file.display()))
        });
        opened?.write_all(cookie.as_bytes())
    }

    /// Appends the server and its arguments to `command`, and sets its environment and directory.
    /// The process that this becomes is the node itself.
    ///
    /// # Errors
    ///
    /// When RabbitMQ is not installed.
    pub fn append_to(&self, command: &mut Command) -> io::Result<()> {
        let (name, peer_port) = (self.name(), self.peer_port.to_string());
        let interface = format!("{{127,0,0,{}}}", self.number);
        command.arg(installation::server()?);
        // Without epmd: the port of the peers is told instead of looked up.
        command.args(["-noinput", "-name", &name, "-start_epmd", "false"]);
        command.args(["-erl_epmd_port", &peer_port]);
        command.args(["-kernel", "inet_dist_use_interface", &interface]);
        command.args(["-kernel", "inet_dist_listen_min", &peer_port]);
        command.args(["-kernel", "inet_dist_listen_max", &peer_port]);
        let directory = &self.directory;
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", directory)
            .env("ERL_EPMD_PORT", NO_EPMD_PORT)
            .env("RABBITMQ_NODENAME", &name)
            .env("RABBITMQ_USE_LONGNAME", "true")
            // The start script then becomes the node instead of waiting for it.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", self.configuration_file())
            .env("RABBITMQ_MNESIA_BASE", directory.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", directory.join("log"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", directory.join("generated"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.plugins_file())
            .env("RABBITMQ_PID_FILE", directory.join("pid"));
        Ok(())
    }

    /// Starts it so that it outlives this process, without waiting until it is ready. Whoever
    /// calls this has to remember its process id.
    ///
    /// # Errors
    ///
    /// When RabbitMQ is not installed, or no process can be started.
    pub fn spawn(&self) -> io::Result<Process> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"exec "$@""#, "node"]);
        self.append_to(&mut command)?;
        let output = File::create(self.output_file())?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // An interrupt at the terminal is not meant for it.
        let child = command.process_group(0).spawn()?;
        Process::open(child.id())?.ok_or_else(|| self.failure("ended at once"))
    }

    /// The process with this id, if that is this node: its command line names the node.
    ///
    /// # Errors
    ///
    /// When the system can't tell which process it is.
    pub fn find(&self, id: u32) -> io::Result<Option<Process>> {
        // Held before it is looked at: what is seen is of this process, or of none that is held.
        let Some(process) = Process::open(id)? else { return Ok(None) };
        let command_line = match fs::read(format!("/proc/{id}/cmdline")) {
            Ok(command_line) => command_line,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let name = self.name();
        let words: Vec<_> = command_line.split(|byte| *byte == 0).collect();
        let is_this = words.windows(2).any(|pair| pair == [b"-name", name.as_bytes()]);
        Ok(is_this.then_some(process))
    }

    /// Waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When its process ends instead, or is not ready in time; with what it printed.
    pub fn wait_until_ready(&self, process: &Process) -> io::Result<()> {
        let ready = eventually(|| {
            if self.greets() {
                return Ok(Some(()));
            }
            if process.has_ended()? { Err(self.failure("ended at once")) } else { Ok(None) }
        });
        ready?.ok_or_else(|| self.failure("is not ready after minutes"))
    }

    /// Whether an AMQP broker answers to the protocol header.
    #[must_use]
    pub fn greets(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        let mut answer = [0_u8; 1];
        stream.set_read_timeout(Some(GREETING_LIMIT)).is_ok()
            && stream.write_all(b"AMQP\x00\x00\x09\x01").is_ok()
            && stream.read_exact(&mut answer).is_ok()
    }

    pub(crate) fn failure(&self, what: &str) -> io::Error {
        let output = fs::read_to_string(self.output_file()).unwrap_or_default();
        io::Error::other(format!("rabbitmq-server {what}; it printed:\n{output}"))
    }

    fn plugins_file(&self) -> PathBuf {
        self.directory.join("enabled_plugins")
    }

    fn configuration_file(&self) -> PathBuf {
        self.directory.join("rabbitmq.conf")
    }
}

/// A secret that nobody can foretell, for the nodes that are to trust one another.
///
/// # Errors
///
/// When the system gives no random bytes.
pub(crate) fn random_cookie() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02X}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_process_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let node = Node::new(2, 20_001, 20_002, directory.path().to_path_buf());
        assert_eq!(node.name(), "springhare-20001@127.0.0.2");
        assert!(node.find(std::process::id()).unwrap().is_none());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read -r line", "node", "-name", &node.name()]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // A process that has only just begun has no command line yet.
        let found = eventually(|| node.find(child.id())).unwrap().unwrap();
        assert_eq!(found.id(), child.id());
        let other = Node::new(2, 20_000, 20_002, directory.path().to_path_buf());
        assert!(other.find(child.id()).unwrap().is_none());
        found.kill().unwrap();
        child.wait().unwrap();
        assert!(node.find(child.id()).unwrap().is_none());
    }
}
