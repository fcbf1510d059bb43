//! Runs the binary. Every wait has a bound, and what was started is ended by its process id.

use std::ffi::OsStr;
use std::future::Future;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

/// How long anything may take before a test is given up; far more than it needs.
const LIMIT: Duration = Duration::from_secs(20);

/// The protocol header of AMQP 0-9-1, with which a client begins.
pub(crate) const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// How the server's first frame begins, `connection.start` on channel 0: type, channel, and
/// after 4 bytes of size the class 10 and the method 10.
const START_PREFIX: [u8; 3] = [1, 0, 0];
const START_METHOD: [u8; 4] = [0, 10, 0, 10];

/// Waits for `future`, but no longer than [`LIMIT`].
pub(crate) async fn within_limit<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(LIMIT, future).await;
    waited.unwrap_or_else(|_| panic!("waited {LIMIT:?} in vain for {what}"))
}

/// A run of the command. Dropping it ends the process.
pub(crate) struct Springhare {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    /// All of the standard error until now; closed at its end.
    stderr: watch::Receiver<String>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; None after a signal.
    pub(crate) code: Option<i32>,
    /// What nobody had read of the standard output.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command, without the environment's wishes.
pub(crate) fn command(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_springhare"));
    command.args(arguments).env_remove("SPRINGHARE_LOG").kill_on_drop(true);
    command
}

impl Springhare {
    /// Starts `springhare` with these arguments.
    pub(crate) fn run(arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::spawn(command(arguments).stdout(Stdio::piped()))
    }

    /// Starts `springhare serve` on a free port, with these arguments besides.
    pub(crate) fn serve(arguments: &[&str]) -> Self {
        Self::run(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat())
    }

    /// Starts this command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (text, stderr) = watch::channel(String::new());
        tokio::spawn(async move {
            let mut line = String::new();
            while lines.read_line(&mut line).await.unwrap() > 0 {
                text.send_modify(|text| text.push_str(&line));
                line.clear();
            }
        });
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout, stderr }
    }

    /// Waits until the standard error has this text.
    pub(crate) async fn logged(&mut self, text: &str) {
        let found = self.stderr.wait_for(|stderr| stderr.contains(text));
        let found = within_limit(text, found).await;
        assert!(found.is_ok(), "the process ended without a line about {text}");
    }

    /// Waits for the ready line.
    pub(crate) async fn ready_line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().unwrap();
        within_limit("the ready line", stdout.read_line(&mut line)).await.unwrap();
        line
    }

    /// Waits for the ready line, and reads the addresses in it.
    pub(crate) async fn addresses(&mut self) -> Vec<SocketAddr> {
        let line = self.ready_line().await;
        let words =
            line.split([' ', ',', '\n']).filter(|word| word.contains("]:") || word.contains('.'));
        let addresses: Vec<_> = words.filter_map(|word| word.parse().ok()).collect();
        assert!(!addresses.is_empty(), "addresses in {line:?}");
        addresses
    }

    /// Waits for the ready line, and reads the first address in it.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        self.addresses().await[0]
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Whether the process runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> Ended {
        let mut stdout = String::new();
        within_limit("the end of the process", async {
            if let Some(mut rest) = self.stdout.take() {
                rest.read_to_string(&mut stdout).await.unwrap();
            }
            let status = self.child.wait().await.unwrap();
            while self.stderr.changed().await.is_ok() {}
            Ended { code: status.code(), stdout, stderr: self.stderr.borrow().clone() }
        })
        .await
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn terminated(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended().await
    }
}

/// Connects and says the protocol header; the server must answer with `connection.start`.
pub(crate) async fn greet(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    greet_over(&mut stream).await.unwrap();
    stream
}

/// The same over a connection that is there. An error is the connection's.
pub(crate) async fn greet_over<S>(stream: &mut S) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut answer = [0; 11];
    within_limit("connection.start", async {
        stream.write_all(PROTOCOL_HEADER).await?;
        stream.flush().await?;
        stream.read_exact(&mut answer).await
    })
    .await?;
    assert_eq!(answer[..3], START_PREFIX);
    assert_eq!(answer[7..], START_METHOD);
    Ok(())
}
