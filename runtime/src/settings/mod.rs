//! What can be set from outside of the code: a file, the environment, and the builder, each
//! stronger than the one before.
//!
//! `rabbitmq`, `template` and `listener` are the tables, one line for each key (`section`); `value`
//! is what a key can have, `of_all` what a source says of all listeners, `of_one` what a file says of
//! one. `file` and `environment` read, `layers` sorts what they say into the tables, `names` answers to
//! names that nobody knows, and `placeholder` replaces `${name}`. docs/configuration.md is this for users.

mod boot;
mod brokers;
mod environment;
mod file;
mod layers;
mod listener;
mod names;
mod of_all;
mod of_one;
pub(crate) mod placeholder;
mod rabbitmq;
mod section;
mod source;
mod startup;
mod template;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use brokers::{BrokerSettings, MAIN_BROKER, NamedBrokers};
pub(crate) use environment::Environment;
pub(crate) use layers::SPRING;
pub use listener::ListenerSettings;
pub(crate) use placeholder::Placeholders;
pub(crate) use rabbitmq::{AddressProblem, RabbitmqSettings, WrongAddress};
pub(crate) use source::Source;
pub use startup::{STARTUP_WAIT, Startup, UnknownStartup};
pub(crate) use template::TemplateSettings;
pub(crate) use value::{DataSize, LongerThanZero, Sourced, Texts};

use crate::error::{Place, StartFault};
use layers::{Layer, NamedVariable, Taken, set};
pub(crate) use names::suggestion;
use of_one::OfOne;
pub(crate) use section::Section;

/// Why a profile can't have a profile.
const PROFILE_IN_PROFILE: &str = "a profile has no profile of its own; write its settings here";

/// The file that is read if it is there.
const FILE: &str = "springhare.toml";
/// The variable that names another, which must be there.
const FILE_VARIABLE: &str = "SPRINGHARE_CONFIG";

/// Which file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConfigFile {
    /// The one that the environment names, or the one beside the program if there is one.
    Found,
    /// The one that the environment names.
    OfEnvironment,
    /// This one.
    Named(PathBuf),
}

/// What the builder was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct BuilderSettings {
    pub(crate) rabbitmq: RabbitmqSettings,
    pub(crate) template: TemplateSettings,
    pub(crate) brokers: BTreeMap<String, BrokerSettings>,
    pub(crate) defaults: ListenerSettings,
    pub(crate) profiles: BTreeMap<String, ListenerSettings>,
    pub(crate) listeners: BTreeMap<String, (ListenerSettings, Place)>,
    /// For placeholders.
    pub(crate) properties: BTreeMap<String, String>,
}

/// All settings of an application.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Of the broker that has no name, or `rabbitmq`.
    pub(crate) main: BrokerSettings,
    /// Of all others.
    pub(crate) brokers: NamedBrokers,
    /// The file's `[properties]`.
    pub(crate) properties: BTreeMap<String, String>,
    /// The builder's.
    pub(crate) own_properties: BTreeMap<String, String>,
    defaults: ListenerSettings,
    profiles: BTreeMap<String, ListenerSettings>,
    /// What the file says of single listeners.
    of_file: BTreeMap<String, OfOne>,
    of_environment: Vec<NamedVariable>,
    of_builder: BTreeMap<String, (ListenerSettings, Place)>,
}

impl Settings {
    /// Reads the file and the environment beneath what the builder was told; `config` is the file
    /// that the builder chose.
    pub(crate) fn read(
        config: &ConfigFile,
        environment: &Environment,
        builder: BuilderSettings,
        faults: &mut Vec<StartFault>,
    ) -> Self {
        let mut file = Layer::default();
        if let Some(path) = file_of(config, environment, faults) {
            let entries = file::read(&path, faults);
            let entries = file.take_properties(entries, faults);
            let properties = std::mem::take(&mut file.properties);
            let lookup = |name: &str| environment.get(name);
            let placeholders = Placeholders::new(&builder.properties, &lookup).over(&properties);
            file.take_file(entries, &placeholders, faults);
            file.properties = properties;
        }
        let mut boot = Layer::default();
        boot.take_boot(environment, faults);
        let mut own = Layer::default();
        let named = own.take_environment(environment, faults);
        let profiles = profiles(file.profiles, &named.profiles, builder.profiles, faults);
        let kind = own.all.kind().or(boot.all.kind()).or(file.all.kind());
        let defaults = file.all.of_kind(kind, |fault| faults.push(fault));
        let defaults = defaults.beneath(boot.all.of_kind(kind, |fault| {
            // It may be there for another program.
            tracing::warn!(%fault, "a variable that says what another one says");
        }));
        let defaults = defaults.beneath(own.all.of_kind(kind, |fault| faults.push(fault)));
        let template = file.template.under(boot.template).under(own.template);
        let rabbitmq = file.rabbitmq.beneath(boot.rabbitmq).beneath(own.rabbitmq);
        Self {
            main: BrokerSettings {
                rabbitmq: rabbitmq.beneath(builder.rabbitmq),
                template: template.under(builder.template),
            },
            brokers: NamedBrokers {
                of_file: file.brokers,
                of_environment: named.brokers,
                of_builder: builder.brokers,
            },
            properties: file.properties,
            own_properties: builder.properties,
            defaults: defaults.beneath(builder.defaults),
            profiles,
            of_file: file.listeners,
            of_environment: named.listeners,
            of_builder: builder.listeners,
        }
    }

    /// The settings of one listener, from the weakest to the strongest: the defaults, its profile,
    /// its attribute, and what is said of it alone.
    pub(crate) fn of_listener(
        &self,
        id: &str,
        attribute: ListenerSettings,
        faults: &mut Vec<(Source, String)>,
    ) -> ListenerSettings {
        let of_file = self.of_file.get(id).map(|of_file| of_file.settings.clone());
        let mut of_environment = ListenerSettings::default();
        for variable in &self.of_environment {
            let Some(key) = variable.key_for(id, ListenerSettings::KEYS) else { continue };
            let taken = set(&mut of_environment, &[key], &variable.value, &variable.source);
            if let Taken::Wrong(text) = taken {
                faults.push((variable.source.clone(), text));
            }
        }
        let of_builder = self.of_builder.get(id).map(|(settings, _)| settings.clone());
        let alone = of_file.unwrap_or_default().beneath(of_environment);
        let alone = alone.beneath(of_builder.unwrap_or_default());
        let by_name = |settings: &ListenerSettings| settings.profile.clone();
        let profile =
            by_name(&alone).or_else(|| by_name(&attribute)).or_else(|| by_name(&self.defaults));
        let profile = match profile.as_deref() {
            None | Some(SPRING) => ListenerSettings::default(),
            Some(name) => self.profiles.get(name).cloned().unwrap_or_else(|| {
                let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
                let known = suggestion(name, &names);
                let text = format!(
                    "there is no profile `{name}`{known}; define it as `[profiles.{name}]` or \
                     with `.profile(\"{name}\", ..)`"
                );
                faults.push((Source::Builder, text));
                ListenerSettings::default()
            }),
        };
        self.defaults.clone().beneath(profile).beneath(attribute).beneath(alone)
    }

    /// Whether the profile of this name says which broker a listener has.
    pub(crate) fn has_profile_a_broker(&self, name: &str) -> bool {
        self.profiles.get(name).is_some_and(|profile| profile.broker.is_some())
    }

    /// The keys that are set of this listener alone, each with the strongest place that does so.
    pub(crate) fn set_alone(&self, id: &str) -> BTreeMap<&'static str, Source> {
        let of_file = self.of_file.get(id).map(|of_file| of_file.keys.clone());
        let mut keys = of_file.unwrap_or_default();
        for variable in &self.of_environment {
            let key = variable.key_for(id, ListenerSettings::KEYS);
            keys.extend(key.map(|key| (key, variable.source.clone())));
        }
        if let Some((settings, place)) = self.of_builder.get(id) {
            keys.extend(settings.given().into_iter().map(|key| (key, Source::Call(*place))));
        }
        keys
    }

    /// What is said of listeners that there are not; `ids` are those that there are. Where the
    /// builder chose a part of the listeners, what file and environment say of others is logged: they
    /// may be there for another program.
    pub(crate) fn unknown_listeners(&self, ids: &[&str], is_a_part: bool) -> Vec<StartFault> {
        let text = |id: &str| format!("there is no listener `{id}`{}", suggestion(id, ids));
        let mut faults = Vec::new();
        for (id, OfOne { place, .. }) in &self.of_file {
            if !ids.contains(&id.as_str()) {
                faults.push(place.fault(text(id)));
            }
        }
        for variable in &self.of_environment {
            let is_of = |id: &&str| variable.key_for(id, ListenerSettings::KEYS).is_some();
            if !ids.iter().any(is_of) {
                faults.push(variable.source.fault(format_args!(
                    "no listener's id, followed by a key, has this name; the listeners are {}, \
                     and the keys {}",
                    ids.join(", "),
                    ListenerSettings::KEYS.join(", ")
                )));
            }
        }
        if is_a_part {
            for fault in faults.drain(..) {
                tracing::warn!(%fault, "a setting that nobody heeds");
            }
        }
        for (id, (_, place)) in &self.of_builder {
            if !ids.contains(&id.as_str()) {
                let text = format!("`.listener(\"{id}\", ..)`: {}", text(id));
                faults.push(StartFault::new(text).at(place.file, place.line));
            }
        }
        faults
    }

    /// Variables that may be about several of these listeners, which run or are about to: one of them
    /// would get what is meant for another.
    pub(crate) fn ambiguous_variables(&self, ids: &[&str]) -> Vec<StartFault> {
        let variables = self.of_environment.iter();
        variables.filter_map(|variable| variable.listeners_ambiguity("listener", ids)).collect()
    }
}

/// The profiles of the file, the variables and the builder. File and builder define them.
fn profiles(
    mut profiles: BTreeMap<String, ListenerSettings>,
    variables: &[NamedVariable],
    of_builder: BTreeMap<String, ListenerSettings>,
    faults: &mut Vec<StartFault>,
) -> BTreeMap<String, ListenerSettings> {
    for name in of_builder.keys() {
        profiles.entry(name.clone()).or_default();
    }
    let mut of_environment: BTreeMap<String, ListenerSettings> = BTreeMap::new();
    let names: Vec<String> = profiles.keys().cloned().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for variable in variables {
        let NamedVariable { value, source, .. } = variable;
        faults.extend(variable.listeners_ambiguity("profile", &names));
        let mut is_known = false;
        for name in profiles.keys() {
            let Some(key) = variable.key_for(name, ListenerSettings::KEYS) else { continue };
            is_known = true;
            let profile = of_environment.entry(name.clone()).or_default();
            match set(profile, &[key], value, source) {
                Taken::Wrong(text) => faults.push(source.fault(text)),
                _ if key == "profile" => faults.push(source.fault(PROFILE_IN_PROFILE)),
                _ => {}
            }
        }
        if !is_known {
            faults.push(source.fault(format_args!(
                "no profile's name, followed by a key, has this name; the profiles are {}, and the \
                 keys {}",
                names.join(", "),
                ListenerSettings::KEYS.join(", ")
            )));
        }
    }
    for (name, _) in of_builder.iter().filter(|(_, profile)| profile.profile.is_some()) {
        faults.push(StartFault::new(format!("`.profile(\"{name}\", ..)`: {PROFILE_IN_PROFILE}")));
    }
    for (name, stronger) in of_environment.into_iter().chain(of_builder) {
        let weaker = profiles.remove(&name).unwrap_or_default();
        profiles.insert(name, weaker.beneath(stronger));
    }
    profiles
}

/// The file to read: the builder's, the environment's, or the one beside the program if there is one.
fn file_of(
    config: &ConfigFile,
    environment: &Environment,
    faults: &mut Vec<StartFault>,
) -> Option<PathBuf> {
    if let ConfigFile::Named(file) = config {
        return Some(file.clone());
    }
    match environment.get(FILE_VARIABLE) {
        Some(file) if file.is_empty() => {
            let text = "it is empty; name a file, or don't set it";
            faults.push(Source::Variable(FILE_VARIABLE.to_owned()).fault(text));
            None
        }
        Some(file) => Some(PathBuf::from(file)),
        None if *config == ConfigFile::Found => {
            Some(PathBuf::from(FILE)).filter(|file| file.exists())
        }
        None => None,
    }
}

#[cfg(test)]
mod tests;
