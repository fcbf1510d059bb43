//! One node, which ends with the process that started it.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::keeper::Keeper;
use crate::node::Node;
use crate::ports::free_port;

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

/// The exchange types that our broker has and RabbitMQ keeps in plugins.
const PLUGINS: &[&str] =
    &["rabbitmq_consistent_hash_exchange", "rabbitmq_random_exchange", "rabbitmq_sharding"];

/// How often a start is tried: between finding a free port and using it, another may take it.
pub(crate) const ATTEMPTS: u32 = 3;

/// Whether this run does without RabbitMQ, since `SPRINGHARE_WITHOUT_RABBITMQ=1` asks for it. It
/// is said loudly, once.
///
/// # Panics
///
/// When a CI run (`CI` is set) asks to do without.
pub fn is_left_out() -> bool {
    static LEFT_OUT: OnceLock<bool> = OnceLock::new();
    *LEFT_OUT.get_or_init(|| {
        if std::env::var_os("SPRINGHARE_WITHOUT_RABBITMQ").is_none_or(|value| value != "1") {
            return false;
        }
        assert!(
            std::env::var_os("CI").is_none(),
            "SPRINGHARE_WITHOUT_RABBITMQ is set, but CI never does without RabbitMQ"
        );
        // Straight to the stream: the test harness holds back what is printed.
        let _ = writeln!(
            io::stderr(),
            "\nSKIPPED: every test against RabbitMQ (SPRINGHARE_WITHOUT_RABBITMQ=1)\n"
        );
        true
    })
}

/// A RabbitMQ node. Dropping it ends it and removes its directory.
#[derive(Debug)]
pub struct RabbitMq {
    node: Node,
    /// None while it is down.
    keeper: Option<Keeper>,
    directory: TempDir,
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
            (!is_left_out()).then(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
        })
        .as_ref()
    }

    /// Starts a node and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When `rabbitmq-server` is not there, or does not come up within five minutes.
    pub fn start() -> io::Result<Self> {
        let mut last = io::Error::other("not tried");
        for _ in 0..ATTEMPTS {
            match Self::start_once() {
                Ok(node) => return Ok(node),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn start_once() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("springhare-rabbitmq-").tempdir()?;
        let node = Node::alone(directory.path(), free_port(&[Ipv4Addr::LOCALHOST])?)?;
        node.configure(&settings(directory.path())?)?;
        node.enable_plugins(PLUGINS)?;
        let mut started = Self { node, keeper: None, directory };
        started.start_again()?;
        Ok(started)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// The node itself, to ask it something or to close its connections.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Ends the node in the middle of what it does, with a signal that it can't handle. What was
    /// durable is still in its directory. Nothing happens if it is down already.
    ///
    /// # Errors
    ///
    /// When what holds the node is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        self.keeper.take().map_or(Ok(()), Keeper::kill)
    }

    /// Starts the node that was killed, on the same port and with what was durable, and waits until
    /// it takes connections. Nothing happens if it is up.
    ///
    /// # Errors
    ///
    /// When it does not come up within five minutes; it is down then.
    pub fn start_again(&mut self) -> io::Result<()> {
        if self.keeper.is_some() {
            return Ok(());
        }
        let keeper = Keeper::start(&self.node, self.directory.path())?;
        if let Err(error) = self.node.wait_until_ready(keeper.process()) {
            keeper.kill()?;
            return Err(error);
        }
        self.keeper = Some(keeper);
        Ok(())
    }

    /// Kills the node and starts it again.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill) and [`start_again`](Self::start_again).
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.start_again()
    }
}

fn settings(directory: &Path) -> io::Result<String> {
    let definitions = directory.join("definitions.json");
    fs::write(&definitions, DEFINITIONS)?;
    Ok(format!(
        "max_message_size = {MAX_MESSAGE_SIZE}\n\
         disk_free_limit.absolute = 1MB\n\
         load_definitions = {}\n",
        definitions.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::net::TcpStream;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::process::Process;
    use crate::wait::eventually;

    /// Asks the test below to start a node and to tell of it.
    const OWNER: &str = "SPRINGHARE_TEST_OWNER";

    #[test]
    fn a_node_comes_back_with_what_was_durable_and_is_gone_when_dropped() {
        if is_left_out() {
            return;
        }
        let mut rabbitmq = RabbitMq::start().unwrap();
        let directory = rabbitmq.directory.path().to_path_buf();
        let id = rabbitmq.keeper.as_ref().unwrap().process().id();
        rabbitmq.node().evaluate(r#"rabbit_vhost:add(<<"kept">>, <<"test">>)"#).unwrap();
        rabbitmq.kill().unwrap();
        assert!(!rabbitmq.node().greets());
        assert!(rabbitmq.node().find(id).unwrap().is_none());
        rabbitmq.start_again().unwrap();
        assert!(rabbitmq.node().greets());
        let exists = rabbitmq.node().evaluate(r#"rabbit_vhost:exists(<<"kept">>)"#);
        assert_eq!(exists.unwrap(), "true");
        let node = rabbitmq.node().clone();
        drop(rabbitmq);
        assert!(!node.greets());
        assert!(!directory.exists());
    }

    #[test]
    fn the_operator_closes_connections() {
        let Some(rabbitmq) = RabbitMq::shared() else { return };
        let failed = rabbitmq.node().evaluate("lists:nth(2, [1])").unwrap_err();
        assert!(failed.to_string().contains("lists:nth(2, [1])"), "{failed}");
        let mut stream = TcpStream::connect(rabbitmq.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
        stream.read_exact(&mut [0_u8; 7]).unwrap();
        let closed = || match rabbitmq.node().close_all_connections("go \"away\"")? {
            0 => Ok(None),
            closed => Ok(Some(closed)),
        };
        assert!(eventually(closed).unwrap().is_some());
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }

    #[test]
    fn many_ask_at_the_same_time() {
        let Some(rabbitmq) = RabbitMq::shared() else { return };
        let ask = |number: usize| rabbitmq.node().evaluate(&format!("{number} + 1"));
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..24).map(|number| scope.spawn(move || ask(number))).collect();
            for (number, asked) in asking.into_iter().enumerate() {
                assert_eq!(asked.join().unwrap().unwrap(), (number + 1).to_string());
            }
        });
    }

    #[test]
    fn a_node_ends_with_a_process_that_is_killed() {
        if is_left_out() {
            return;
        }
        if std::env::var_os(OWNER).is_some() {
            let rabbitmq = RabbitMq::start().unwrap();
            let id = rabbitmq.keeper.as_ref().unwrap().process().id();
            let directory = rabbitmq.directory.path().display();
            writeln!(io::stderr(), "node {id} {directory}").unwrap();
            // Until the test kills this process.
            let _ = io::stdin().read(&mut [0]);
            return;
        }
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "rabbitmq::tests::a_node_ends_with_a_process_that_is_killed"])
            .arg("--nocapture")
            .env(OWNER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(owner.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("node ")).unwrap();
        let [_, id, directory] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let node = Process::open(id.parse().unwrap()).unwrap().unwrap();
        owner.kill().unwrap();
        owner.wait().unwrap();
        let is_gone = || Ok((node.has_ended()? && !Path::new(directory).exists()).then_some(()));
        assert!(eventually(is_gone).unwrap().is_some(), "{line} outlives its owner");
    }
}
