//! The brokers under test, and how to come in.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use springhare_tests::RabbitMq;
use springhare_tests::raw::open_files_max;
use tempfile::NamedTempFile;

/// Which broker stands behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Springhare,
    RabbitMq,
}

/// A broker that listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    pub(crate) target: Target,
    pub(crate) address: SocketAddr,
    /// The process whose memory may be looked at.
    process: Option<u32>,
}

impl Door {
    /// What is expected where the two differ on purpose.
    pub(crate) fn either<T>(&self, springhare: T, rabbitmq: T) -> T {
        match self.target {
            Target::Springhare => springhare,
            Target::RabbitMq => rabbitmq,
        }
    }

    /// Bytes of memory that our broker's process has; None for RabbitMQ, of whose memory these
    /// tests assert nothing.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process?)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        Some(kilobytes * 1024)
    }
}

/// None when this run does without RabbitMQ.
pub(crate) fn rabbitmq() -> Option<Door> {
    let node = RabbitMq::shared()?;
    Some(Door { target: Target::RabbitMq, address: node.address(), process: None })
}

/// Our broker, one for all cases that need not be alone.
pub(crate) fn springhare() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

/// Our broker in a process of its own, so that its memory is its own, and so that it has as many
/// files as its clients have. It ends when its standard input does, however that happens.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    input: Option<ChildStdin>,
    address: SocketAddr,
    /// What it complained about.
    errors: NamedTempFile,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with("warn", &[])
    }

    /// With a log of this level, and arguments of `wire-server`.
    pub(crate) fn start_with(level: &str, arguments: &[&str]) -> Self {
        // The process has as many files as this one may have.
        let _ = open_files_max();
        let errors = NamedTempFile::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_wire-server"))
            .args(arguments)
            .env("RUST_LOG", level)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.reopen().unwrap())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap_or_else(|_| {
            let complaint = fs::read_to_string(errors.path()).unwrap_or_default();
            panic!("the server did not start: {complaint}")
        });
        Self { child, input, address, errors }
    }

    pub(crate) fn door(&self) -> Door {
        let process = Some(self.child.id());
        Door { target: Target::Springhare, address: self.address, process }
    }

    /// Asks it to shut down as a broker should: it says goodbye to its clients.
    pub(crate) fn shut_down(&mut self) {
        self.input.as_mut().unwrap().write_all(b"shutdown\n").unwrap();
    }

    /// Waits until the process has ended, which must be without complaint.
    pub(crate) fn has_ended(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
        self.assert_sound();
    }

    /// What it wrote to its standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.errors.path()).unwrap()
    }

    /// No task of it panicked, which a client might not even have noticed.
    pub(crate) fn assert_sound(&self) {
        let errors = self.log();
        assert!(!errors.contains("panicked at"), "the broker panicked:\n{errors}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
