//! The brokers that have a name, beside the one of `[rabbitmq]`.

use std::collections::{BTreeMap, BTreeSet};

use super::layers::{NamedVariable, Taken, set};
use super::names::suggestion;
use super::rabbitmq::RabbitmqSettings;
use super::section::{Section, known_key};
use super::source::Source;
use super::template::TemplateSettings;
use super::value::Value;
use crate::error::StartFault;

/// The name of the broker that `[rabbitmq]` is about, and the builder's own words.
pub(crate) const MAIN_BROKER: &str = "rabbitmq";

/// The key of the application's stop.
const SHUTDOWN_TIMEOUT: &str = "shutdown-timeout";

/// What is said of one broker.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrokerSettings {
    pub(crate) rabbitmq: RabbitmqSettings,
    pub(crate) template: TemplateSettings,
}

/// What each source says of the brokers that have a name.
#[derive(Debug, Default)]
pub(crate) struct NamedBrokers {
    pub(super) of_file: BTreeMap<String, BrokerSettings>,
    pub(super) of_environment: Vec<NamedVariable>,
    pub(super) of_builder: BTreeMap<String, BrokerSettings>,
}

impl BrokerSettings {
    /// Sets the key of these names.
    pub(super) fn set(&mut self, names: &[&str], value: &Value, source: &Source) -> Taken {
        match names {
            ["template", key @ ..] => set(&mut self.template, key, value, source),
            [key] if known_key::<RabbitmqSettings>(key) == Some(SHUTDOWN_TIMEOUT) => {
                Taken::Wrong(format!(
                    "one stop ends all brokers' listeners: `{SHUTDOWN_TIMEOUT}` stands in `[rabbitmq]`"
                ))
            }
            key => set(&mut self.rabbitmq, key, value, source),
        }
    }

    fn beneath(self, stronger: Self) -> Self {
        Self {
            rabbitmq: self.rabbitmq.beneath(stronger.rabbitmq),
            template: self.template.under(stronger.template),
        }
    }

    /// Where a broker is, and how it is spoken to, is its own, and so is the route of what has none.
    /// How the application behaves is the main one's, unless this says otherwise.
    fn beside(mut self, main: &Self) -> Self {
        let (own, mains) = (&mut self.rabbitmq, &main.rabbitmq);
        own.connection_name = own.connection_name.take().or_else(|| mains.connection_name.clone());
        own.startup = own.startup.or(mains.startup);
        let own_returns = own.publisher_returns;
        let (own, mains) = (&mut self.template, &main.template);
        own.reply_timeout = own.reply_timeout.or(mains.reply_timeout);
        own.receive_timeout = own.receive_timeout.or(mains.receive_timeout);
        own.retry_timeout = own.retry_timeout.or(mains.retry_timeout);
        let of_main = mains.mandatory.or(main.rabbitmq.publisher_returns);
        own.mandatory = own.mandatory.or(own_returns).or(of_main);
        self
    }
}

impl NamedBrokers {
    /// The names that file and builder have.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.of_file.keys().chain(self.of_builder.keys()).cloned().collect()
    }

    /// Whether somebody says something of this broker. The environment alone may.
    pub(crate) fn has(&self, name: &str) -> bool {
        name == MAIN_BROKER
            || self.of_file.contains_key(name)
            || self.of_builder.contains_key(name)
            || self.of_environment.iter().any(|variable| key_of(variable, name).is_some())
    }

    /// What to say of a broker that there is not.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let names = self.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = suggestion(name, &names);
        format!(
            "there is no broker `{name}`{known}; say where it is in `[brokers.{name}]`, or with \
             `.named_broker(\"{name}\", ..)`"
        )
    }

    /// All that is said of this broker.
    pub(crate) fn settings(
        &self,
        name: &str,
        main: &BrokerSettings,
        faults: &mut Vec<StartFault>,
    ) -> BrokerSettings {
        let of =
            |all: &BTreeMap<String, BrokerSettings>| all.get(name).cloned().unwrap_or_default();
        let mut of_environment = BrokerSettings::default();
        for variable in &self.of_environment {
            let Some(key) = key_of(variable, name) else { continue };
            let NamedVariable { value, source, .. } = variable;
            if let Taken::Wrong(text) = of_environment.set(&key, value, source) {
                faults.push(source.fault(text));
            }
        }
        of(&self.of_file).beneath(of_environment).beneath(of(&self.of_builder)).beside(main)
    }

    /// Variables that are about none of these brokers.
    pub(crate) fn unknown_variables(&self, names: &BTreeSet<String>) -> Vec<StartFault> {
        let is_of_one =
            |variable: &&NamedVariable| names.iter().any(|name| key_of(variable, name).is_some());
        let text = format!(
            "no broker's name, followed by a key, has this name; the brokers are {}, and the keys {}",
            names.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
            RabbitmqSettings::KEYS.join(", ")
        );
        let unknown = self.of_environment.iter().filter(|variable| !is_of_one(variable));
        unknown.map(|variable| variable.source.fault(&text)).collect()
    }

    /// Variables that may be about several of these brokers.
    pub(crate) fn ambiguous_variables(&self, names: &BTreeSet<String>) -> Vec<StartFault> {
        let key = |variable: &NamedVariable, name: &str| Some(key_of(variable, name)?.join("."));
        let names = || names.iter().map(String::as_str);
        let variables = self.of_environment.iter();
        variables.filter_map(|variable| variable.ambiguity("broker", names(), key)).collect()
    }
}

/// The names of the key that the variable sets for this broker; none if it is about another.
fn key_of(variable: &NamedVariable, name: &str) -> Option<Vec<&'static str>> {
    let of_broker = variable.key_for(name, RabbitmqSettings::KEYS).map(|key| vec![key]);
    of_broker.or_else(|| {
        let key = variable.key_for(&format!("{name}.template"), TemplateSettings::KEYS)?;
        Some(vec!["template", key])
    })
}
