use std::mem;

use serde_json::{Map, Value};
use springhare_amqp::{FieldValue, ShortString};

use super::arguments::read_any;
use super::entry::{Entry, found, key_path};
use super::json::parse;
use super::policy::{POLICY_KEYS, policy};
use crate::model::access::{HashingAlgorithm, Permissions, User};
use crate::model::arguments::QueueType;
use crate::model::binding::{Binding, Destination};
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};
use crate::model::definitions::{At, Definitions, FaultKind, GivenOptions, In, Report, TopicEntry};
use crate::model::exchange::ExchangeKind;
use crate::model::limits::{UserLimits, VirtualHostLimits};
use crate::model::policy::PolicyKind;

/// What RabbitMQ writes beside the parts: who wrote it.
const ABOUT: [&str; 8] = [
    "rabbit_version",
    "rabbitmq_version",
    "rabbitmq_definition_format",
    "product_name",
    "product_version",
    "original_cluster_name",
    "original_vhost_name",
    "explanation",
];

/// Reads one entry of a part.
type ReadEntry = fn(&mut Reader, String, &Value) -> Option<()>;

/// The parts of a file.
const PARTS: [(&str, ReadEntry); 10] = [
    ("vhosts", Reader::virtual_host),
    ("users", Reader::user),
    ("permissions", Reader::permissions),
    ("topic_permissions", Reader::topic_permissions),
    ("parameters", Reader::parameter),
    ("global_parameters", Reader::global_parameter),
    ("policies", Reader::policy),
    ("exchanges", Reader::exchange),
    ("queues", Reader::queue),
    ("bindings", Reader::binding),
];

/// What a file says, and what was wrong with it by itself.
pub(crate) fn read(json: &str) -> (Definitions, Report) {
    let mut reader = Reader::default();
    // A mark of the byte order, which some editors write, is no JSON.
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    match parse(json, &mut reader.report) {
        Ok(Value::Object(parts)) => reader.parts(&parts),
        Ok(other) => {
            let kind = FaultKind::WrongType { expected: "an object", found: found(&other) };
            reader.report.fault("$", kind);
        }
        Err(error) => {
            reader.report.fault("$", FaultKind::Syntax { reason: error.to_string() });
        }
    }
    (reader.definitions, reader.report)
}

#[derive(Debug, Default)]
struct Reader {
    definitions: Definitions,
    /// Those that stand at their virtual hosts: parameters go before them.
    host_limits: Vec<In<VirtualHostLimits>>,
    report: Report,
}

impl Reader {
    fn parts(&mut self, parts: &Map<String, Value>) {
        for (key, value) in parts {
            let path = key_path("$", key);
            let part = PARTS.iter().find(|(name, _)| name == key);
            match (part, value) {
                (Some((_, read)), Value::Array(entries)) => {
                    for (index, entry) in entries.iter().enumerate() {
                        // What is wrong is reported, and the others are looked at all the same.
                        let _ = read(self, format!("{path}[{index}]"), entry);
                    }
                }
                (Some(_), other) => {
                    let kind = FaultKind::WrongType { expected: "a list", found: found(other) };
                    self.report.fault(path, kind);
                }
                (None, _) if ABOUT.contains(&key.as_str()) => {}
                (None, _) => self.report.warn(path, "this part is not known, and is left out"),
            }
        }
        // What is last counts.
        self.host_limits.append(&mut self.definitions.limits);
        self.definitions.limits = mem::take(&mut self.host_limits);
    }

    fn virtual_host(&mut self, path: String, value: &Value) -> Option<()> {
        let known = [
            "name",
            "limits",
            "metadata",
            "description",
            "tags",
            "default_queue_type",
            "tracing",
            "protected_from_deletion",
        ];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let metadata_keys =
            ["description", "tags", "default_queue_type", "tracing", "protected_from_deletion"];
        let metadata = entry.object("metadata", &metadata_keys, report);
        // RabbitMQ has them in the metadata, and people may write them beside it.
        let at = |key: &str| match &metadata {
            Some(metadata) if entry.get(key).is_none() => metadata,
            _ => &entry,
        };
        let description = at("description").optional_text("description", report);
        let has_tags = at("tags").get("tags").is_some();
        let tags = at("tags").words("tags", report);
        let default_queue_type = queue_type(at("default_queue_type"), report);
        let limits = entry.object("limits", &LIMIT_KEYS, report);
        let limits = limits.map(|limits| virtual_host_limits(&limits, report));
        let name = entry.name("name", report)?;
        if let Some(item) = limits.filter(|limits| *limits != VirtualHostLimits::default()) {
            let (path, virtual_host) = (entry.path_of("limits"), name.clone());
            self.host_limits.push(In { path, virtual_host, item });
        }
        let options = GivenOptions {
            description: description.map(str::to_owned),
            tags: has_tags.then_some(tags),
            default_queue_type,
        };
        self.definitions.virtual_hosts.push(At { path: entry.path, item: (name, options) });
        Some(())
    }

    fn user(&mut self, path: String, value: &Value) -> Option<()> {
        let known = ["name", "password", "password_hash", "hashing_algorithm", "tags", "limits"];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let name = entry.text("name", report);
        self.definitions.user_names.extend(name.map(str::to_owned));
        let tags = entry.words("tags", report);
        let limits = entry.object("limits", &["max-connections", "max-channels"], report);
        let limit = |key: &str, report: &mut Report| {
            limits.as_ref().and_then(|limits| limits.optional_integer(key, report))
        };
        let limits = UserLimits {
            max_connections: limit("max-connections", report),
            max_channels: limit("max-channels", report),
        };
        let algorithm = hashing_algorithm(&entry, report);
        let password = entry.optional_text("password", report);
        let hash = entry.optional_text("password_hash", report);
        let user = match (password, hash) {
            (Some(_), Some(_)) => {
                report.fault(&entry.path, FaultKind::TwoPasswords);
                return None;
            }
            (Some(password), None) => User::new(name?, password),
            (None, hash) => {
                let user = User::with_password_hash_of(name?, algorithm?, hash.unwrap_or_default());
                user.map_err(|error| report.fault(entry.path_of("password_hash"), error)).ok()?
            }
        };
        let user = tags.into_iter().fold(user.limits(limits), User::tag);
        self.definitions.users.push(At { path: entry.path, item: user });
        Some(())
    }

    fn permissions(&mut self, path: String, value: &Value) -> Option<()> {
        let known = ["user", "vhost", "configure", "write", "read"];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let user = entry.text("user", report);
        let virtual_host = entry.name("vhost", report);
        let patterns = ["configure", "write", "read"].map(|key| entry.text(key, report));
        let [Some(configure), Some(write), Some(read)] = patterns else { return None };
        let permissions = match Permissions::new(configure, write, read) {
            Ok(permissions) => permissions,
            Err(error) => {
                report.fault(entry.path_of(&error.permission().to_string()), error);
                return None;
            }
        };
        let item = (user?.to_owned(), permissions);
        let virtual_host = virtual_host?;
        self.definitions.permissions.push(In { path: entry.path, virtual_host, item });
        Some(())
    }

    fn topic_permissions(&mut self, path: String, value: &Value) -> Option<()> {
        let known = ["user", "vhost", "exchange", "write", "read"];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let virtual_host = entry.name("vhost", report);
        let texts = ["user", "exchange", "write", "read"].map(|key| entry.text(key, report));
        let [Some(user), Some(exchange), Some(write), Some(read)] = texts else { return None };
        let [user, exchange, write, read] = [user, exchange, write, read].map(str::to_owned);
        let item = TopicEntry { user, exchange, write, read };
        let virtual_host = virtual_host?;
        self.definitions.topic_permissions.push(In { path: entry.path, virtual_host, item });
        Some(())
    }

    fn parameter(&mut self, path: String, value: &Value) -> Option<()> {
        let known = ["vhost", "component", "name", "value"];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let component = entry.text("component", report)?;
        match component {
            "operator_policy" => {
                let name = entry.text("name", report);
                let virtual_host = entry.name("vhost", report);
                let value = entry.required_object("value", &POLICY_KEYS, report);
                let policy = policy(name?, &value?, PolicyKind::Operator, report)?;
                let (virtual_host, item) = (virtual_host?, (PolicyKind::Operator, policy));
                self.definitions.policies.push(In { path: entry.path, virtual_host, item });
            }
            "vhost-limits" => {
                let virtual_host = entry.name("vhost", report);
                let limits = entry.required_object("value", &LIMIT_KEYS, report);
                let item = virtual_host_limits(&limits?, report);
                let virtual_host = virtual_host?;
                self.definitions.limits.push(In { path: entry.path, virtual_host, item });
            }
            other => report.warn(
                entry.path,
                format!("there is no component '{other}' here: its parameters are left out"),
            ),
        }
        Some(())
    }

    fn global_parameter(&mut self, path: String, value: &Value) -> Option<()> {
        let report = &mut self.report;
        let entry = Entry::new(path, value, &["name", "value"], report)?;
        let name = entry.text("name", report)?.to_owned();
        let value = entry.get("value").unwrap_or(&Value::Null);
        let value = read_any(&entry.path_of("value"), value, report)?;
        self.definitions.global_parameters.push((name, value));
        Some(())
    }

    fn policy(&mut self, path: String, value: &Value) -> Option<()> {
        let report = &mut self.report;
        let entry = Entry::new(path, value, &POLICY_KEYS, report)?;
        let virtual_host = entry.name("vhost", report);
        let name = entry.text("name", report)?;
        let policy = policy(name, &entry, PolicyKind::User, report)?;
        let (virtual_host, item) = (virtual_host?, (PolicyKind::User, policy));
        self.definitions.policies.push(In { path: entry.path, virtual_host, item });
        Some(())
    }

    fn exchange(&mut self, path: String, value: &Value) -> Option<()> {
        let known =
            ["name", "vhost", "type", "durable", "auto_delete", "internal", "arguments", "policy"];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let virtual_host = entry.name("vhost", report);
        let name = entry.declared_name("name", report);
        let durable = entry.flag("durable", report);
        let auto_delete = entry.flag("auto_delete", report);
        let internal = entry.optional_flag("internal", report);
        let arguments = entry.arguments("arguments", report);
        let kind: ExchangeKind = match entry.text("type", report)?.parse() {
            Ok(kind) => kind,
            Err(unknown) => {
                let text = unknown.to_string();
                report.fault(entry.path_of("type"), FaultKind::Refused { text });
                return None;
            }
        };
        let item = ExchangeDefinition {
            name: name?,
            kind,
            durable: durable?,
            auto_delete: auto_delete?,
            internal: internal?,
            arguments,
        };
        let virtual_host = virtual_host?;
        self.definitions.exchanges.push(In { path: entry.path, virtual_host, item });
        Some(())
    }

    fn queue(&mut self, path: String, value: &Value) -> Option<()> {
        let known = ["name", "vhost", "type", "durable", "auto_delete", "arguments", "policy"];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let virtual_host = entry.name("vhost", report);
        let name = entry.declared_name("name", report);
        let durable = entry.flag("durable", report);
        let auto_delete = entry.flag("auto_delete", report);
        let mut arguments = entry.arguments("arguments", report);
        let argument = arguments.get("x-queue-type").map(FieldValue::as_str);
        match (entry.optional_text("type", report), argument) {
            (Some(given), Some(Some(argument))) if given != argument => {
                let (given, argument) = (given.to_owned(), argument.to_owned());
                report.fault(entry.path_of("type"), FaultKind::QueueTypes { given, argument });
            }
            (Some(given), None) if given != QueueType::Classic.as_str() => {
                arguments.set(ShortString::from_static("x-queue-type"), given);
            }
            _ => {}
        }
        let item = QueueDeclaration {
            name: name?,
            durable: durable?,
            exclusive: false,
            auto_delete: auto_delete?,
            arguments,
        };
        let virtual_host = virtual_host?;
        self.definitions.queues.push(In { path: entry.path, virtual_host, item });
        Some(())
    }

    fn binding(&mut self, path: String, value: &Value) -> Option<()> {
        let known = [
            "source",
            "vhost",
            "destination",
            "destination_type",
            "routing_key",
            "arguments",
            "properties_key",
        ];
        let report = &mut self.report;
        let entry = Entry::new(path, value, &known, report)?;
        let virtual_host = entry.name("vhost", report);
        let ends = ["source", "destination"].map(|key| entry.declared_name(key, report));
        let routing_key = entry.name("routing_key", report);
        let arguments = entry.arguments("arguments", report);
        let to_exchange = match entry.text("destination_type", report)? {
            "queue" => false,
            "exchange" => true,
            _ => {
                let (expected, found) = ("'queue' or 'exchange'", "something else");
                let kind = FaultKind::WrongType { expected, found };
                report.fault(entry.path_of("destination_type"), kind);
                return None;
            }
        };
        let [Some(source), Some(destination)] = ends else { return None };
        let destination = if to_exchange {
            Destination::Exchange(destination)
        } else {
            Destination::Queue(destination)
        };
        let item = Binding::new(source, destination, routing_key?, arguments);
        let virtual_host = virtual_host?;
        self.definitions.bindings.push(In { path: entry.path, virtual_host, item });
        Some(())
    }
}

/// The limits of a virtual host.
const LIMIT_KEYS: [&str; 2] = ["max-connections", "max-queues"];

fn virtual_host_limits(limits: &Entry<'_>, report: &mut Report) -> VirtualHostLimits {
    VirtualHostLimits {
        max_connections: limits.optional_integer("max-connections", report),
        max_queues: limits.optional_integer("max-queues", report),
    }
}

fn queue_type(entry: &Entry<'_>, report: &mut Report) -> Option<QueueType> {
    const KEY: &str = "default_queue_type";
    // RabbitMQ's word for nothing.
    let name =
        entry.optional_text(KEY, report).filter(|name| !matches!(*name, "" | "undefined"))?;
    name.parse()
        .map_err(|unknown: crate::UnknownQueueType| {
            report.fault(entry.path_of(KEY), unknown);
        })
        .ok()
}

fn hashing_algorithm(entry: &Entry<'_>, report: &mut Report) -> Option<HashingAlgorithm> {
    const KEY: &str = "hashing_algorithm";
    let Some(name) = entry.optional_text(KEY, report) else {
        return Some(HashingAlgorithm::default());
    };
    let known = [HashingAlgorithm::Sha256, HashingAlgorithm::Sha512];
    let algorithm = known.into_iter().find(|algorithm| algorithm.as_str() == name);
    if algorithm.is_none() {
        let kind = FaultKind::HashingAlgorithm { name: name.to_owned() };
        report.fault(entry.path_of(KEY), kind);
    }
    algorithm
}
