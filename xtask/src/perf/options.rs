use std::path::PathBuf;
use std::str::FromStr;

use super::command::{self, Kind};
use crate::run::Result;

/// The options, for the usage text.
pub(crate) const USAGE: &str =
    "  perf [--brokers springhare,rabbitmq,garagemq] [--with NAME=COMMAND]..
       [--scenarios a,b] [--repeats 3] [--seconds 3] [--json FILE]
            measure brokers side by side, see perf/README.md
";

/// All scenarios, in the order in which they run.
const SCENARIOS: [&str; 14] = [
    "transient-16",
    "transient-1024",
    "transient-65536",
    "single-writes-16",
    "acked-16",
    "acked-1024",
    "fanout-10",
    "topic-10000",
    "rpc",
    "paced-5000",
    "confirm-1",
    "confirm-100",
    "confirm-1000",
    "idle",
];

/// What is asked for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) brokers: Vec<NamedBroker>,
    pub(super) scenarios: Vec<String>,
    pub(super) repeats: u32,
    /// How long producers send in each run.
    pub(super) seconds: f64,
    /// Where the figures of every run are appended, a line of JSON each.
    pub(super) json: Option<PathBuf>,
}

/// A broker and its name in the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedBroker {
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// When an option, a scenario or a broker is unknown, or a value is missing or wrong.
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut brokers = None;
        let mut others = Vec::new();
        let mut options = Self {
            brokers: Vec::new(),
            scenarios: SCENARIOS.map(str::to_owned).to_vec(),
            repeats: 3,
            seconds: 3.0,
            json: None,
        };
        let mut words = arguments.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} wants a value\n{USAGE}"))?;
            match option.as_str() {
                "--brokers" => brokers = Some(list(value).map(named).collect::<Result<_>>()?),
                "--with" => others.push(other(value)?),
                "--scenarios" => options.scenarios = scenarios(value)?,
                "--repeats" => options.repeats = number(option, value, 1, 1000)?,
                "--seconds" => options.seconds = number(option, value, 0.1, 3600.0)?,
                "--json" => options.json = Some(value.into()),
                _ => return Err(format!("there is no {option}\n{USAGE}").into()),
            }
        }
        options.brokers = brokers.unwrap_or_else(installed);
        options.brokers.extend(others);
        Ok(options)
    }
}

/// The words of a list with commas.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// The broker of this name.
pub(super) fn named(name: &str) -> Result<NamedBroker> {
    let kind = match name {
        "springhare" => Kind::Springhare,
        "rabbitmq" => Kind::RabbitMq,
        "garagemq" => Kind::GarageMq,
        _ => return Err(format!("no broker {name}; --with gives one a name").into()),
    };
    Ok(NamedBroker { name: name.to_owned(), kind })
}

/// Ours and RabbitMQ, and GarageMQ where it is.
fn installed() -> Vec<NamedBroker> {
    let mut brokers = vec![
        NamedBroker { name: "springhare".to_owned(), kind: Kind::Springhare },
        NamedBroker { name: "rabbitmq".to_owned(), kind: Kind::RabbitMq },
    ];
    if command::find("garagemq").is_some() {
        brokers.push(NamedBroker { name: "garagemq".to_owned(), kind: Kind::GarageMq });
    }
    brokers
}

fn other(text: &str) -> Result<NamedBroker> {
    let (name, command) = text.split_once('=').ok_or("--with wants NAME=COMMAND")?;
    let command: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
    if name.is_empty() || !command.iter().any(|word| word.contains("{port}")) {
        return Err(format!("--with wants NAME=COMMAND, {{port}} in it: {text}").into());
    }
    Ok(NamedBroker { name: name.to_owned(), kind: Kind::Other(command) })
}

fn scenarios(text: &str) -> Result<Vec<String>> {
    for name in list(text) {
        if !SCENARIOS.contains(&name) {
            return Err(format!("no scenario {name}; there are {}", SCENARIOS.join(", ")).into());
        }
    }
    Ok(list(text).map(str::to_owned).collect())
}

/// The option's value, which is a number from `min` to `max`.
pub(super) fn number<T: FromStr + PartialOrd>(
    option: &str,
    value: &str,
    min: T,
    max: T,
) -> Result<T> {
    let number = value.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("{option} can't be {value}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn everything_is_run_on_ours_and_on_rabbitmq() {
        let options = parse("").unwrap();
        assert_eq!(options.scenarios, SCENARIOS);
        let names: Vec<_> = options.brokers.iter().map(|broker| broker.name.as_str()).collect();
        assert_eq!(names[..2], ["springhare", "rabbitmq"]);
        assert_eq!(options.repeats, 3);
    }

    #[test]
    fn a_choice_is_taken() {
        let options = parse("--brokers rabbitmq --scenarios rpc,idle --repeats 5 --seconds 0.5");
        let options = options.unwrap();
        assert_eq!(options.scenarios, ["rpc", "idle"]);
        assert_eq!(options.brokers, [named("rabbitmq").unwrap()]);
        assert_eq!((options.repeats, options.seconds), (5, 0.5));
    }

    #[test]
    fn another_broker_has_a_name_and_a_command() {
        let words = ["--brokers", "", "--with", "old=./old serve --listen 127.0.0.1:{port}"];
        let options = Options::parse(&words.map(str::to_owned)).unwrap();
        let command = ["./old", "serve", "--listen", "127.0.0.1:{port}"].map(str::to_owned);
        let kind = Kind::Other(command.to_vec());
        assert_eq!(options.brokers, [NamedBroker { name: "old".to_owned(), kind }]);
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in [
            "--scenarios transient",
            "--brokers kafka",
            "--with old",
            "--with old=serve",
            "--repeats 0",
            "--seconds NaN",
            "--fast yes",
            "--repeats",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
