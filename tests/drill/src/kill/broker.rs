//! The broker: a process that is started on a folder, and killed.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::Result;

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A broker that is ready. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    port: u16,
    is_killed: Arc<AtomicBool>,
    /// Kept open: the broker may write to it.
    _output: BufReader<ChildStdout>,
}

impl Broker {
    /// Starts it and waits until it says that it is ready.
    pub(crate) async fn start(program: &Path, folder: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--log-level", "warn"]);
        command.arg("--data").arg(folder);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        let read = timeout(START_LIMIT, output.read_line(&mut line)).await;
        let read = read.map_err(|_| format!("the broker is not ready after {START_LIMIT:?}"))??;
        if read == 0 || !line.contains("ready") {
            let status = child.wait().await?;
            return Err(format!("the broker did not start: {status}, it said '{line}'").into());
        }
        Ok(Self { child, port, is_killed: Arc::default(), _output: output })
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Whether it was killed: from then on its clients may fail.
    pub(crate) fn is_killed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_killed)
    }

    /// Kills it in so many milliseconds.
    #[expect(clippy::disallowed_methods, reason = "how long it works is what is random")]
    pub(crate) async fn kill_after(mut self, milliseconds: u64) -> Result {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("the broker has ended by itself: {status}").into());
        }
        self.is_killed.store(true, Ordering::SeqCst);
        self.child.kill().await?;
        Ok(())
    }
}
