use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

use crate::scenario::NamedScenario;

/// Puts load on an AMQP 0-9-1 broker, checks that every message arrives once and in order, and
/// prints rate, CPU time and latency as a line of JSON. It logs in as guest.
#[derive(Debug, Parser)]
#[command(name = "load", arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Waits until the broker declares a queue.
    Ready(ReadyArguments),
    /// Runs a scenario.
    Run(RunArguments),
    /// Publishes 1 KiB messages to a durable queue, 1,000 unconfirmed at most: the one end of
    /// `confirm-1000`.
    Publish(PublishArguments),
    /// Consumes them: the other end.
    Consume(ConsumeArguments),
    /// Declares the queue, for two ends of which neither waits for the other.
    Declare(EndArguments),
    /// Deletes the queue and prints how many messages were left in it.
    Delete(EndArguments),
}

/// Which queue, where.
#[derive(Debug, Args)]
pub(crate) struct EndArguments {
    /// The durable queue; it is declared if it is not there.
    pub(crate) queue: String,

    /// Where the broker listens.
    #[arg(long, value_name = "ADDR")]
    pub(crate) address: SocketAddr,

    /// The broker's process, whose CPU time is read.
    #[arg(long, value_name = "PID")]
    pub(crate) broker_pid: u32,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArguments {
    #[command(flatten)]
    pub(crate) end: EndArguments,

    /// How many messages.
    #[arg(long, value_name = "N")]
    pub(crate) messages: u64,

    /// Feeds a consumer: with transient messages and without confirms, as fast as no more than
    /// 20,000 wait in the queue.
    #[arg(long)]
    pub(crate) feed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConsumeArguments {
    #[command(flatten)]
    pub(crate) end: EndArguments,

    /// How many messages.
    #[arg(long, value_name = "N")]
    pub(crate) messages: u64,

    /// Without acks; otherwise one for each message, with a prefetch of 250.
    #[arg(long)]
    pub(crate) auto_ack: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReadyArguments {
    /// Where the broker will listen.
    #[arg(long, value_name = "ADDR")]
    pub(crate) address: SocketAddr,

    /// When the broker was started, in nanoseconds since 1970-01-01 UTC.
    #[arg(long, value_name = "NS")]
    pub(crate) since: u64,

    /// The broker's process; when it has ended, nothing is waited for.
    #[arg(long, value_name = "PID")]
    pub(crate) broker_pid: u32,

    /// The longest wait in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The scenario.
    #[arg(value_parser = crate::scenario::parser())]
    pub(crate) scenario: NamedScenario,

    /// Where the broker listens.
    #[arg(long, value_name = "ADDR")]
    pub(crate) address: SocketAddr,

    /// The broker's process, whose CPU time and memory are read.
    #[arg(long, value_name = "PID")]
    pub(crate) broker_pid: u32,

    /// How long producers send, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds)]
    pub(crate) seconds: f64,

    /// How many connections send, each in an order of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) producers: u16,
}

/// A length of time that a run can have, a day at most.
fn seconds(text: &str) -> Result<f64, InvalidSeconds> {
    let seconds: f64 = text.parse().map_err(|_| InvalidSeconds)?;
    if seconds > 0.0 && seconds <= 86_400.0 { Ok(seconds) } else { Err(InvalidSeconds) }
}

#[derive(Debug, thiserror::Error)]
#[error("a number of seconds above 0 and up to 86400")]
struct InvalidSeconds;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_run_names_its_scenario() {
        let words = ["load", "run", "acked-16", "--address", "127.0.0.1:5672", "--broker-pid", "7"];
        let Command::Run(run) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("a run");
        };
        assert_eq!((run.scenario.name, run.broker_pid, run.producers), ("acked-16", 7, 1));
        let words = ["load", "run", "acked", "--address", "127.0.0.1:5672", "--broker-pid", "7"];
        assert!(Arguments::try_parse_from(words).is_err());
    }

    #[test]
    fn a_run_has_an_end() {
        assert!(seconds("0.5").is_ok());
        for wrong in ["0", "-1", "NaN", "inf", "1e9", "soon"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
