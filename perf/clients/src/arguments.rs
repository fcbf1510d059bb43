use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

/// Puts one client of AMQP under load and prints its rate and CPU time as a line of JSON. It logs
/// in as guest.
#[derive(Debug, Clone, Parser)]
#[command(name = "perf-clients", arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The client.
    pub(crate) client: Client,

    /// What it does.
    pub(crate) task: Task,

    /// The durable queue.
    pub(crate) queue: String,

    /// Where the broker listens.
    #[arg(long, value_name = "ADDR")]
    pub(crate) address: SocketAddr,

    /// The broker's process, whose CPU time is read.
    #[arg(long, value_name = "PID")]
    pub(crate) broker_pid: u32,

    /// How many messages.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) messages: u64,
}

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// Ours: listeners that are acked when they return, and the template.
    Springhare,
    /// Ours, with listeners that ack by hand.
    SpringhareManual,
    Lapin,
    Amqprs,
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// Consumes without acks.
    AutoAck,
    /// Consumes with a prefetch of 250 and acks each message.
    AckEach,
    /// Publishes, 1,000 unconfirmed at most.
    #[value(name = "confirm-1000")]
    Confirm1000,
}

/// How many messages a consumer that acks may hold.
pub(crate) const PREFETCH: u16 = 250;

/// How many publishes may wait for their confirm.
pub(crate) const WINDOW: usize = 1000;

impl Arguments {
    /// Where the broker is, as an address of AMQP's.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
        let words = "perf-clients springhare-manual ack-each q --address 127.0.0.1:5672 \
                     --broker-pid 7 --messages 10";
        let arguments = Arguments::try_parse_from(words.split_whitespace()).unwrap();
        assert_eq!((arguments.client, arguments.task), (Client::SpringhareManual, Task::AckEach));
        assert_eq!(arguments.url(), "amqp://guest:guest@127.0.0.1:5672/%2f");
    }
}
