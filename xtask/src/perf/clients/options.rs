use std::fmt;

use crate::perf::options::{NamedBroker, list, named, number};
use crate::run::Result;

/// The options, for the usage text.
pub(crate) const USAGE: &str =
    "  perf --clients [--quick] [--brokers rabbitmq,springhare] [--tasks a,b] [--repeats 3]
       [--seconds 4]
            measure our client beside lapin and amqprs, see perf/README.md
";

/// Who handles the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// Ours.
    Springhare,
    /// Ours, with listeners that ack each message themselves.
    SpringhareManual,
    Lapin,
    Amqprs,
    /// The load generator, which is no client for users: what the sockets and the broker allow.
    Load,
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    AutoAck,
    AckEach,
    Confirm1000,
}

/// All tasks, in the order in which they run.
const TASKS: [Task; 3] = [Task::AutoAck, Task::AckEach, Task::Confirm1000];

/// What is asked for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) brokers: Vec<NamedBroker>,
    pub(super) tasks: Vec<Task>,
    pub(super) repeats: u32,
    /// How long a run takes, about.
    pub(super) seconds: f64,
}

impl Task {
    /// Those who can do it.
    pub(super) fn clients(self) -> &'static [Client] {
        use Client::{Amqprs, Lapin, Load, Springhare, SpringhareManual};
        match self {
            Self::AutoAck | Self::Confirm1000 => &[Springhare, Lapin, Amqprs, Load],
            Self::AckEach => &[Springhare, SpringhareManual, Lapin, Amqprs, Load],
        }
    }
}

impl Options {
    /// Reads the command line, without `--clients`.
    ///
    /// # Errors
    ///
    /// When an option, a task or a broker is unknown, or a value is missing or wrong.
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            brokers: ["rabbitmq", "springhare"].into_iter().map(named).collect::<Result<_>>()?,
            tasks: TASKS.to_vec(),
            repeats: 3,
            seconds: 4.0,
        };
        let mut words = arguments.iter();
        while let Some(option) = words.next() {
            if option == "--quick" {
                (options.repeats, options.seconds) = (1, 1.0);
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{option} wants a value\n{USAGE}"))?;
            match option.as_str() {
                "--brokers" => options.brokers = list(value).map(named).collect::<Result<_>>()?,
                "--tasks" => options.tasks = list(value).map(task).collect::<Result<_>>()?,
                "--repeats" => options.repeats = number(option, value, 1, 1000)?,
                "--seconds" => options.seconds = number(option, value, 0.1, 60.0)?,
                _ => return Err(format!("there is no {option}\n{USAGE}").into()),
            }
        }
        Ok(options)
    }

    /// The tasks and clients, each pair in turn.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (Task, Client)> {
        let tasks = self.tasks.iter().copied();
        tasks.flat_map(|task| task.clients().iter().map(move |client| (task, *client)))
    }
}

fn task(name: &str) -> Result<Task> {
    let found = TASKS.into_iter().find(|task| task.to_string() == name);
    found.ok_or_else(|| format!("no task {name}; there are {TASKS:?}").into())
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Springhare => "springhare",
            Self::SpringhareManual => "springhare-manual",
            Self::Lapin => "lapin",
            Self::Amqprs => "amqprs",
            Self::Load => "load",
        })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AutoAck => "auto-ack",
            Self::AckEach => "ack-each",
            Self::Confirm1000 => "confirm-1000",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn everything_is_run_on_rabbitmq_and_on_ours() {
        let options = parse("").unwrap();
        let names: Vec<_> = options.brokers.iter().map(|broker| broker.name.as_str()).collect();
        assert_eq!(names, ["rabbitmq", "springhare"]);
        assert_eq!(options.pairs().count(), 4 + 5 + 4);
    }

    #[test]
    fn a_choice_is_taken() {
        let options = parse("--quick --tasks ack-each --seconds 2 --brokers springhare").unwrap();
        assert_eq!((options.repeats, options.seconds), (1, 2.0));
        assert_eq!(options.tasks, [Task::AckEach]);
        assert_eq!(options.brokers, [named("springhare").unwrap()]);
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in ["--tasks rpc", "--brokers kafka", "--repeats 0", "--fast yes", "--seconds"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
