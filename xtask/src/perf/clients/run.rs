use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::options::{Client, Task};
use crate::perf::broker::Broker;
use crate::perf::load::call;

/// How long a program may take; each ends itself before that.
const LIMIT: Duration = Duration::from_secs(150);

/// The programs that a run starts.
#[derive(Debug)]
pub(super) struct Programs {
    load: PathBuf,
    clients: PathBuf,
}

/// What a client says of a run; the generator's `reading.rs` says what each means.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Figures {
    pub(super) rate: f64,
    pub(super) faults: u64,
    pub(super) client_cpu_us: f64,
    pub(super) broker_cpu_us: f64,
}

#[derive(Deserialize)]
struct Messages {
    ready: u64,
}

/// What came of a program; the error says what went wrong, in words.
pub(super) type Outcome<T> = Result<T, String>;

impl Programs {
    /// Those in this directory.
    pub(super) fn new(directory: &Path) -> Self {
        Self { load: directory.join("load"), clients: directory.join("perf-clients") }
    }

    /// Gives a client so many messages, in a queue of their own.
    ///
    /// # Errors
    ///
    /// What went wrong, in words.
    pub(super) fn run(
        &self,
        broker: &Broker,
        task: Task,
        client: Client,
        messages: u64,
    ) -> Outcome<Figures> {
        let queue = format!("perf-{task}-{client}");
        let queue = Queue { programs: self, broker, name: &queue, messages };
        // Two programs begin at once: what is sent before the queue is there would be lost.
        let before: Messages = read(queue.load("declare"))?;
        let figures = match task {
            Task::AutoAck | Task::AckEach => queue.consume(task, client),
            Task::Confirm1000 => queue.publish(client),
        };
        let after: Outcome<Messages> = read(queue.load("delete"));
        let figures = figures?;
        Ok(Figures { faults: figures.faults + before.ready + after?.ready, ..figures })
    }
}

/// The queue of one run.
#[derive(Debug, Clone, Copy)]
struct Queue<'a> {
    programs: &'a Programs,
    broker: &'a Broker,
    name: &'a str,
    messages: u64,
}

impl Queue<'_> {
    /// Has the client take what the generator feeds the queue with.
    fn consume(self, task: Task, client: Client) -> Outcome<Figures> {
        let mut feed = self.load("publish");
        self.count(&mut feed).arg("--feed");
        both(self.client(task, client), feed)
    }

    /// Has the client fill the queue, while the generator takes it all.
    fn publish(self, client: Client) -> Outcome<Figures> {
        let mut consume = self.load("consume");
        self.count(&mut consume);
        both(self.client(Task::Confirm1000, client), consume)
    }

    fn client(self, task: Task, client: Client) -> Command {
        let mut command = match (client, task) {
            (Client::Load, Task::Confirm1000) => self.load("publish"),
            (Client::Load, Task::AckEach) => self.load("consume"),
            (Client::Load, Task::AutoAck) => {
                let mut command = self.load("consume");
                command.arg("--auto-ack");
                command
            }
            _ => {
                let mut command = Command::new(&self.programs.clients);
                command.args([&client.to_string(), &task.to_string()]);
                self.address(&mut command);
                command
            }
        };
        self.count(&mut command);
        command
    }

    fn load(self, what: &str) -> Command {
        let mut command = Command::new(&self.programs.load);
        command.arg(what);
        self.address(&mut command);
        command
    }

    fn address(self, command: &mut Command) {
        command.arg(self.name).args(["--address", &format!("127.0.0.1:{}", self.broker.port)]);
        command.args(["--broker-pid", &self.broker.pid.to_string()]);
    }

    fn count(self, command: &mut Command) -> &mut Command {
        command.args(["--messages", &self.messages.to_string()])
    }
}

/// Runs the two ends at the same time; returns the client's figures.
fn both(client: Command, other_end: Command) -> Outcome<Figures> {
    thread::scope(|scope| {
        let other_end = scope.spawn(|| read::<Figures>(other_end));
        let figures: Outcome<Figures> = read(client);
        let other_end = other_end.join().map_err(|_| "the other end panicked".to_owned())?;
        let figures = figures?;
        Ok(Figures { faults: figures.faults + other_end?.faults, ..figures })
    })
}

fn read<T: DeserializeOwned>(command: Command) -> Outcome<T> {
    let line = call(command, LIMIT).map_err(|error| error.to_string())?;
    serde_json::from_value(line).map_err(|error| error.to_string())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, faults, client_cpu_us, .. } = self;
        write!(f, "{rate:.0}/s, {client_cpu_us:.2} us of the client's CPU each")?;
        if *faults == 0 { Ok(()) } else { write!(f, ", NOT VERIFIED: {faults} faults") }
    }
}
