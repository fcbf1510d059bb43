//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::log::{LogFilter, LogFormat};
use crate::values::{Address, KeptDurability, Seconds};

/// Spring AMQP's broker in one binary: RabbitMQ's protocol and manners, without Erlang.
#[derive(Debug, Parser)]
#[command(name = "springhare", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Takes connections of AMQP 0-9-1 clients until SIGTERM or SIGINT.
    Serve(Box<ServeArguments>),
    /// Looks into a data folder. Nothing in it is changed, and a broker may run on it.
    Store(StoreArguments),
}

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Reads every byte and says what is in it; exits with 1 if anything is damaged or missing.
    Check {
        /// What a server has for --data.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Writes one line for each record, without bodies of messages and hashes of passwords.
    Dump {
        /// What a server has for --data.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// What is not given is taken from the configuration file, or has a default.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArguments {
    /// Listens on this address, without TLS; may be repeated [default: 127.0.0.1:5672].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<Address>,

    /// Listens on this address, with TLS; may be repeated. Needs --tls-cert and --tls-key.
    #[arg(long, value_name = "ADDR")]
    pub(crate) tls_listen: Vec<Address>,

    /// The server's certificate in PEM, followed by those that lead to its authority.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Refuses TLS clients without a certificate of one of these authorities (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// Keeps in this folder what is to survive the server: users, policies, durable queues and
    /// exchanges, and persistent messages in them. Without it everything is in memory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// What a confirm promises: that a message survives a power cut, or the end of the server alone
    /// [default: disk].
    #[arg(long, value_name = "disk|os")]
    pub(crate) durability: Option<KeptDurability>,

    /// Imports users, virtual hosts, policies, queues, exchanges and bindings from this file before it
    /// listens: what 'rabbitmqctl export_definitions' writes.
    #[arg(long, value_name = "FILE")]
    pub(crate) definitions: Option<PathBuf>,

    /// Reads settings, users and limits from this TOML file. Flags go before it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Writes log lines for people, or as JSON in the Elastic Common Schema [default: human].
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log: Option<LogFormat>,

    /// What is logged: a level, or a filter such as info,springhare_broker=debug [default: info].
    #[arg(long, value_name = "FILTER", env = "SPRINGHARE_LOG", hide_env_values = true)]
    pub(crate) log_level: Option<LogFilter>,

    /// How long clients may take to say goodbye after SIGTERM [default: 5].
    #[arg(long, value_name = "SECONDS")]
    pub(crate) shutdown_timeout: Option<Seconds>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_definition_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn addresses_add_up() {
        let line = ["springhare", "serve", "--listen", "127.0.0.1:0", "--listen", "[::1]:5672"];
        let parsed = Arguments::try_parse_from(line).unwrap().command;
        let Command::Serve(arguments) = parsed else { panic!("serve, not {parsed:?}") };
        assert_eq!(
            arguments.listen,
            ["127.0.0.1:0".parse::<Address>().unwrap(), "[::1]:5672".parse().unwrap()]
        );
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (flag, value) in [
            ("--listen", "localhost"),
            ("--tls-listen", "5671"),
            ("--log", "xml"),
            ("--log-level", "lodu"),
            ("--log-level", "info,="),
            ("--durability", "memory"),
            ("--shutdown-timeout", "soon"),
            ("--shutdown-timeout", "-1"),
            ("--shutdown-timeout", "nan"),
        ] {
            let line = ["springhare", "serve", &format!("{flag}={value}")];
            let error = Arguments::try_parse_from(line).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue),
                "{flag}={value}: {error}"
            );
        }
    }
}
