//! What the file and the environment say, sorted into the tables that it is about.

use std::collections::BTreeMap;

use super::boot::{is_endless_in_boot, says_what_is_so};
use super::brokers::{BrokerSettings, MAIN_BROKER};
use super::environment::Environment;
use super::file::FileEntry;
use super::listener::ListenerSettings;
use super::names::{CONSUMERS_PER_QUEUE, known_paths, lesson_of, suggestion, unknown};
use super::of_all::OfAll;
use super::of_one::OfOne;
use super::placeholder::{PlaceholderError, Placeholders};
use super::rabbitmq::RabbitmqSettings;
use super::section::{Section, bare, known_key, uniform};
use super::source::Source;
use super::template::TemplateSettings;
use super::value::{KindOfContainer, Value};
use crate::error::StartFault;

/// What our own variables begin with.
const PREFIX: &str = "SPRINGHARE_";
/// What Spring Boot's begin with.
const BOOT_PREFIX: &str = "SPRING_";
/// Variables whose names are shorter than their keys.
const SHORT: [(&str, &str); 2] = [("SPRINGHARE_URL", "url"), ("SPRINGHARE_STARTUP", "startup")];
/// What the rest of a variable's name begins with that is about the main broker, a listener, a profile,
/// and another broker.
const ABOUT_RABBITMQ: &str = "RABBITMQ_";
const ABOUT_LISTENER: &str = "LISTENER_";
const ABOUT_PROFILE: &str = "PROFILES_";
const ABOUT_BROKER: &str = "BROKERS_";
/// The words that the rest of a variable's name begins with.
const FIRST_WORDS: [&str; 7] =
    ["URL", "STARTUP", "CONFIG", "RABBITMQ", "LISTENER", "PROFILES", "BROKERS"];
/// Variables of ours that are read elsewhere.
const READ_ELSEWHERE: [&str; 2] = ["CONFIG", "TEST_URL"];

/// What one source says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) rabbitmq: RabbitmqSettings,
    pub(super) template: TemplateSettings,
    pub(super) brokers: BTreeMap<String, BrokerSettings>,
    pub(super) all: OfAll,
    pub(super) profiles: BTreeMap<String, ListenerSettings>,
    /// By the listener's id.
    pub(super) listeners: BTreeMap<String, OfOne>,
    /// `[properties]`, for placeholders.
    pub(super) properties: BTreeMap<String, String>,
}

/// A variable about something with a name of the user's, which is known later: a listener, a
/// profile, a broker.
#[derive(Debug, Clone)]
pub(super) struct NamedVariable {
    /// Name and key, with nothing between them.
    pub(super) rest: String,
    pub(super) value: Value,
    pub(super) source: Source,
}

/// The variables about what has a name, by what it is.
#[derive(Debug, Clone, Default)]
pub(super) struct NamedVariables {
    pub(super) listeners: Vec<NamedVariable>,
    pub(super) profiles: Vec<NamedVariable>,
    pub(super) brokers: Vec<NamedVariable>,
}

impl NamedVariable {
    /// What is wrong with it if it may be about several of these, which are listeners, profiles or
    /// brokers: names lose what stands between their words. `key_of` is the key that it sets for a name.
    pub(super) fn ambiguity<'n>(
        &self,
        what: &str,
        names: impl IntoIterator<Item = &'n str>,
        key_of: impl Fn(&Self, &str) -> Option<String>,
    ) -> Option<StartFault> {
        let meant = names.into_iter().filter_map(|name| Some((key_of(self, name)?, name)));
        let meant: Vec<String> =
            meant.map(|(key, name)| format!("`{key}` of the {what} `{name}`")).collect();
        (meant.len() > 1).then(|| {
            self.source.fault(format_args!(
                "it may be {}; say it in the file or by the builder, which know them apart, and don't \
                 set the variable",
                meant.join(" or ")
            ))
        })
    }

    /// The same of settings of listeners, and of profiles.
    pub(super) fn listeners_ambiguity(&self, what: &str, names: &[&str]) -> Option<StartFault> {
        let key_of = |variable: &Self, name: &str| {
            variable.key_for(name, ListenerSettings::KEYS).map(str::to_owned)
        };
        self.ambiguity(what, names.iter().copied(), key_of)
    }

    /// Which of these keys it sets for what has this name; none if it is about another.
    pub(super) fn key_for(&self, name: &str, keys: &[&'static str]) -> Option<&'static str> {
        // A name without a letter that a variable can have is meant by none.
        let name = Some(bare(name)).filter(|name| !name.is_empty())?;
        let key = self.rest.strip_prefix(&name)?;
        keys.iter().copied().find(|known| bare(known) == key)
    }
}

/// The variable that has Boot's default, which is not ours.
const UNCONFIRMED: &str = "rabbitmqpublisherconfirmtype";

/// Whether Kubernetes has set it, which tells every program of its services: of one that is called
/// `spring-rabbitmq`, by `SPRING_RABBITMQ_SERVICE_HOST` and `SPRING_RABBITMQ_PORT=tcp://10.0.0.7:5672`.
fn is_of_a_service(rest: &str, value: Option<&str>) -> bool {
    let words: Vec<&str> = rest.split('_').collect();
    let is_url = value.is_some_and(|value| value.contains("://"));
    let is_address = |pair: &[&str]| match pair {
        ["SERVICE", "HOST" | "PORT"] => true,
        ["PORT", number] => number.parse::<u16>().is_ok(),
        _ => false,
    };
    words.windows(2).any(is_address) || (words.last() == Some(&"PORT") && is_url)
}

/// The name of the profile that can't be defined, since it is there.
pub(crate) const SPRING: &str = "spring";

impl Layer {
    /// Takes the file's `[properties]` and says what else there is.
    pub(super) fn take_properties(
        &mut self,
        entries: Vec<FileEntry>,
        faults: &mut Vec<StartFault>,
    ) -> Vec<FileEntry> {
        let (properties, others) = entries
            .into_iter()
            .partition(|entry| entry.path.first().is_some_and(|(name, _)| name == "properties"));
        for FileEntry { path, value } in properties {
            let names: Vec<&str> = path.iter().skip(1).map(|(name, _)| name.as_str()).collect();
            let text = match value {
                Value::Text(text) => text,
                Value::Integer(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                Value::EmptyTable => continue,
                Value::Decimal(_) | Value::List(_) | Value::Other => {
                    let text = "a property is a text, a whole number, true or false";
                    faults.extend(path.last().map(|(_, place)| place.fault(text)));
                    continue;
                }
            };
            self.properties.insert(names.join("."), text);
        }
        others
    }

    /// Takes what the file says apart from properties.
    pub(super) fn take_file(
        &mut self,
        entries: Vec<FileEntry>,
        placeholders: &Placeholders<'_>,
        faults: &mut Vec<StartFault>,
    ) {
        for FileEntry { path, value } in entries {
            let Some((_, source)) = path.last() else { continue };
            let is_reference = is_reference(&value);
            let value = match resolved(value, placeholders) {
                Ok(value) => value,
                Err(error) => {
                    let key = path.last().map(|(name, _)| name.as_str()).unwrap_or_default();
                    faults.push(source.fault(unresolved(key, is_reference, &error)));
                    continue;
                }
            };
            let names: Vec<&str> = path.iter().map(|(name, _)| name.as_str()).collect();
            if let [(table, _), (id, place), ..] = path.as_slice()
                && table == "listener"
            {
                self.listeners.entry(id.clone()).or_insert_with(|| OfOne::new(place.clone()));
            }
            let fault = match self.take(&names, &value, source) {
                Taken::Yes => continue,
                Taken::Unknown if says_what_is_so(&bare(&names.concat()), &value, source) => {
                    continue;
                }
                Taken::Wrong(text) | Taken::OtherThanBoot(text) => source.fault(text),
                Taken::Unknown => {
                    let (index, text) = unknown(&names);
                    path.get(index).map_or(source, |(_, place)| place).fault(text)
                }
            };
            // A table with a wrong name has many keys.
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }

    fn take(&mut self, names: &[&str], value: &Value, source: &Source) -> Taken {
        match names {
            ["rabbitmq", "listener", "type"] => self.all.set_kind(value, source),
            ["rabbitmq", "listener", "direct", key] if is_consumers_per_queue(key) => {
                self.all.set(KindOfContainer::Direct, &["concurrency"], value, source)
            }
            ["rabbitmq", "listener", "direct", key @ ..] => {
                self.all.set(KindOfContainer::Direct, key, value, source)
            }
            ["rabbitmq", "listener", "simple", key @ ..] => {
                self.all.set(KindOfContainer::Simple, key, value, source)
            }
            ["rabbitmq", "template", key @ ..] => set(&mut self.template, key, value, source),
            ["rabbitmq", key @ ..] => set(&mut self.rabbitmq, key, value, source),
            ["brokers", MAIN_BROKER, ..] => Taken::Wrong(
                "the broker `rabbitmq` is the one of `[rabbitmq]`; write its settings there"
                    .to_owned(),
            ),
            ["brokers", "", ..] => Taken::Wrong("a broker's name is not empty".to_owned()),
            ["brokers", name, key @ ..] => {
                self.brokers.entry((*name).to_owned()).or_default().set(key, value, source)
            }
            ["profiles", SPRING, ..] => Taken::Wrong(
                "the profile `spring` is there already, it does what Spring does; choose another \
                 name"
                    .to_owned(),
            ),
            ["profiles", _, "profile"] => Taken::Wrong(super::PROFILE_IN_PROFILE.to_owned()),
            ["profiles", name, key @ ..] => {
                set(self.profiles.entry((*name).to_owned()).or_default(), key, value, source)
            }
            ["listener", id, key @ ..] => {
                let new = || OfOne::new(source.clone());
                self.listeners.entry((*id).to_owned()).or_insert_with(new).set(key, value, source)
            }
            _ => Taken::Unknown,
        }
    }

    /// Takes what the variables of Spring Boot say: one that we don't know may be another
    /// program's, and is told and no more.
    pub(super) fn take_boot(&mut self, environment: &Environment, faults: &mut Vec<StartFault>) {
        for (rest, name, value) in environment.beginning(BOOT_PREFIX) {
            if !rest.starts_with(ABOUT_RABBITMQ) || is_of_a_service(rest, value) {
                continue;
            }
            if bare(rest) == UNCONFIRMED && value == Some("none") {
                tracing::warn!(variable = name, "messages are confirmed here whatever it says");
                continue;
            }
            let (value, source) = variable(name, value);
            match self.take_variable(rest, &value, &source) {
                Taken::Yes => {}
                Taken::Wrong(why) if !is_endless_in_boot(&bare(rest), &value, &source) => {
                    faults.push(source.fault(why));
                }
                Taken::Wrong(why) | Taken::OtherThanBoot(why) => {
                    tracing::warn!(variable = name, why, "a variable that sets nothing here");
                }
                Taken::Unknown => {
                    let why = lesson_of(&bare(rest));
                    tracing::warn!(variable = name, why, "a variable that sets nothing here");
                }
            }
        }
        // As Boot has it.
        if self.rabbitmq.addresses.is_some() {
            (self.rabbitmq.host, self.rabbitmq.port) = (None, None);
        }
    }

    /// Takes what our own variables say, and leaves those about what has a name.
    pub(super) fn take_environment(
        &mut self,
        environment: &Environment,
        faults: &mut Vec<StartFault>,
    ) -> NamedVariables {
        let mut named = NamedVariables::default();
        for (rest, name, value) in environment.beginning(PREFIX) {
            let about = |rest: &str| {
                let (value, source) = variable(name, value);
                NamedVariable { rest: bare(rest), value, source }
            };
            if let Some(rest) = rest.strip_prefix(ABOUT_LISTENER) {
                named.listeners.push(about(rest));
            } else if let Some(rest) = rest.strip_prefix(ABOUT_PROFILE) {
                named.profiles.push(about(rest));
            } else if let Some(rest) = rest.strip_prefix(ABOUT_BROKER) {
                named.brokers.push(about(rest));
            } else if is_of_a_service(rest, value) || is_read_elsewhere(rest) {
                // It sets nothing here.
            } else if rest.starts_with(ABOUT_RABBITMQ) {
                let (value, source) = variable(name, value);
                match self.take_variable(rest, &value, &source) {
                    Taken::Yes => {}
                    Taken::Wrong(text) | Taken::OtherThanBoot(text) => {
                        faults.push(source.fault(text));
                    }
                    Taken::Unknown => faults.push(unknown_variable(name)),
                }
            } else {
                match slip(rest) {
                    Some(text) => faults.push(Source::Variable(name.to_owned()).fault(text)),
                    None => tracing::warn!(variable = name, "a variable that sets nothing here"),
                }
            }
        }
        for (name, key) in SHORT {
            if let Some((_, name, value)) =
                environment.beginning(name).find(|found| found.0.is_empty())
            {
                let (value, source) = variable(name, value);
                if let Taken::Wrong(text) = set(&mut self.rabbitmq, &[key], &value, &source) {
                    faults.push(source.fault(text));
                }
            }
        }
        named
    }

    fn take_variable(&mut self, rest: &str, value: &Value, source: &Source) -> Taken {
        let rest = bare(rest);
        match known_paths().into_iter().find(|path| bare(&path.concat()) == rest) {
            Some(path) => self.take(&path, value, source),
            None if says_what_is_so(&rest, value, source) => Taken::Yes,
            None => Taken::Unknown,
        }
    }
}

/// Boot's name in its table for listeners of the other kind.
fn is_consumers_per_queue(key: &str) -> bool {
    uniform(key) == uniform(CONSUMERS_PER_QUEUE)
}

/// What became of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// The key can't have it.
    Wrong(String),
    /// The key can have it in Spring Boot, whose variables may be there for another program.
    OtherThanBoot(String),
    /// Nobody knows the key.
    Unknown,
}

/// Sets the key of these names in a table.
pub(super) fn set<S: Section>(
    section: &mut S,
    key: &[&str],
    value: &Value,
    source: &Source,
) -> Taken {
    if key.is_empty() && *value == Value::EmptyTable {
        return Taken::Yes;
    }
    let Some(key) = known_key::<S>(&key.join(".")) else { return Taken::Unknown };
    match section.set(key, value, source) {
        Ok(()) => Taken::Yes,
        Err(wrong) => Taken::Wrong(format!("`{key}` is {wrong}")),
    }
}

fn variable(name: &str, value: Option<&str>) -> (Value, Source) {
    // What is not Unicode is shown by nobody: it may hold a password.
    let value = value.map_or(Value::Other, |value| Value::Text(value.to_owned()));
    (value, Source::Variable(name.to_owned()))
}

/// Whether the main broker's settings have nothing to do with a variable of ours.
fn is_read_elsewhere(rest: &str) -> bool {
    READ_ELSEWHERE.contains(&rest)
        || SHORT.iter().any(|(name, _)| name.strip_prefix(PREFIX) == Some(rest))
}

/// What is wrong with a variable of ours that is about nothing that there is, unless it is about something
/// else altogether.
fn slip(rest: &str) -> Option<String> {
    let (first, others) = rest.split_once('_').unwrap_or((rest, ""));
    if first == "PROPERTIES" {
        return Some(format!("a property's variable is its name alone, `{others}`"));
    }
    let slips = |word: &&str| strsim::osa_distance(first, word);
    let nearest = FIRST_WORDS.into_iter().min_by_key(slips)?;
    let is_near = (1..=nearest.len() / 3).contains(&slips(&nearest));
    is_near.then(|| {
        let meant = rest.replacen(first, nearest, 1);
        format!("no setting has this name; did you mean `{PREFIX}{meant}`?")
    })
}

fn unknown_variable(name: &str) -> StartFault {
    let names: Vec<String> = known_paths()
        .into_iter()
        .filter(|path| path.first() == Some(&"rabbitmq"))
        .map(|path| format!("{PREFIX}{}", path.join("_").replace('-', "").replace('.', "_")))
        .map(|name| name.to_ascii_uppercase())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lesson = lesson_of(&bare(name.strip_prefix(PREFIX).unwrap_or(name)));
    let remedy = lesson.map_or_else(|| suggestion(name, &names), |lesson| format!(": {lesson}"));
    Source::Variable(name.to_owned()).fault(format!("no setting has this name{remedy}"))
}

/// Keys whose values hold a password: what stands in them is not shown.
const SECRET: [&str; 3] = ["password", "url", "addresses"];

/// What to say of a placeholder without a value. Its name may be a part of a password, if the value
/// has more than the placeholder.
fn unresolved(key: &str, is_reference: bool, error: &PlaceholderError) -> String {
    match error {
        PlaceholderError::NoValue { .. } if SECRET.contains(&key) && !is_reference => format!(
            "a placeholder in `{key}` has no value; give it one, or write `$${{` for a `${{` that is \
             no placeholder"
        ),
        _ => error.to_string(),
    }
}

/// Whether the value is one placeholder and nothing else.
fn is_reference(value: &Value) -> bool {
    let Value::Text(text) = value else { return false };
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    })
}

/// The value with the placeholders in its texts replaced.
fn resolved(value: Value, placeholders: &Placeholders<'_>) -> Result<Value, PlaceholderError> {
    Ok(match value {
        Value::Text(text) => Value::Text(placeholders.resolve(&text)?.into_owned()),
        Value::List(items) => {
            let items = items.into_iter().map(|item| resolved(item, placeholders));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        other => other,
    })
}
