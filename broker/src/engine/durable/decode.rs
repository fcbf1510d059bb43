//! Definitions out of their bytes.

use springhare_amqp::wire::decode_table;
use springhare_amqp::{FieldTable, FieldValue, ShortString};

use crate::model::access::{HashingAlgorithm, Permissions, TopicPermissions, User};
use crate::model::arguments::QueueType;
use crate::model::binding::{Binding, Destination};
use crate::model::definition::{ExchangeDefinition, QueueDeclaration};
use crate::model::ids::QueueId;
use crate::model::limits::{UserLimits, VirtualHostLimits};
use crate::model::policy::{Policy, PolicyKind};
use crate::model::virtual_host::VirtualHostOptions;

/// A definition that was in the journal.
#[derive(Debug)]
pub(super) enum Definition {
    VirtualHost {
        name: ShortString,
        options: VirtualHostOptions,
        limits: VirtualHostLimits,
    },
    User(User),
    GlobalParameter {
        name: String,
        value: FieldValue,
    },
    Policy {
        virtual_host: String,
        kind: PolicyKind,
        policy: Policy,
    },
    Exchange {
        virtual_host: String,
        definition: ExchangeDefinition,
    },
    Queue {
        virtual_host: String,
        id: QueueId,
        declaration: QueueDeclaration,
    },
    Binding {
        virtual_host: String,
        binding: Binding,
    },
    /// Where a stream begins, from which retention has dropped something.
    StreamStart {
        queue: QueueId,
        offset: u64,
    },
}

/// Why a definition can't be read: by a newer version, or it was damaged in a way that its checksum
/// does not show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is no table")]
    NoTable,
    #[error("its entry '{0}' is missing or wrong")]
    Entry(&'static str),
    #[error("its kind '{0}' is not known here: it is of a newer version")]
    Kind(String),
}

/// The entries of a definition.
struct Entries(FieldTable);

impl Entries {
    fn text(&self, name: &'static str) -> Result<&str, Unreadable> {
        self.0.get(name).and_then(FieldValue::as_str).ok_or(Unreadable::Entry(name))
    }

    fn name(&self, name: &'static str) -> Result<ShortString, Unreadable> {
        ShortString::new(self.text(name)?).map_err(|_| Unreadable::Entry(name))
    }

    fn flag(&self, name: &'static str) -> Result<bool, Unreadable> {
        self.0.get(name).and_then(FieldValue::as_bool).ok_or(Unreadable::Entry(name))
    }

    fn integer(&self, name: &'static str) -> Result<i64, Unreadable> {
        self.0.get(name).and_then(FieldValue::as_i64).ok_or(Unreadable::Entry(name))
    }

    fn number(&self, name: &'static str) -> Result<u64, Unreadable> {
        u64::try_from(self.integer(name)?).map_err(|_| Unreadable::Entry(name))
    }

    fn limit(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(FieldValue::as_i64)
    }

    fn table(&self, name: &'static str) -> Result<FieldTable, Unreadable> {
        match self.0.get(name) {
            None => Ok(FieldTable::new()),
            Some(FieldValue::ByteArray(bytes)) => {
                decode_table(bytes).map_err(|_| Unreadable::Entry(name))
            }
            Some(_) => Err(Unreadable::Entry(name)),
        }
    }

    fn list(&self, name: &'static str) -> Result<&[FieldValue], Unreadable> {
        match self.0.get(name) {
            Some(FieldValue::Array(values)) => Ok(values),
            _ => Err(Unreadable::Entry(name)),
        }
    }

    fn texts(&self, name: &'static str) -> Result<Vec<String>, Unreadable> {
        let texts = self.list(name)?.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<_>>().ok_or(Unreadable::Entry(name))
    }

    /// A list of lists of so many texts.
    fn rows<const N: usize>(&self, name: &'static str) -> Result<Vec<[&str; N]>, Unreadable> {
        let rows = self.list(name)?.iter().map(row);
        rows.collect::<Option<_>>().ok_or(Unreadable::Entry(name))
    }
}

fn row<const N: usize>(row: &FieldValue) -> Option<[&str; N]> {
    let FieldValue::Array(texts) = row else { return None };
    let texts: Option<Vec<&str>> = texts.iter().map(FieldValue::as_str).collect();
    texts?.try_into().ok()
}

impl Definition {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let entries = Entries(decode_table(bytes).map_err(|_| Unreadable::NoTable)?);
        match entries.text("kind")? {
            "vhost" => virtual_host(&entries),
            "user" => user(&entries).map(Self::User),
            "global_parameter" => {
                let value = entries.table("value")?.remove("value");
                let value = value.ok_or(Unreadable::Entry("value"))?;
                Ok(Self::GlobalParameter { name: entries.text("name")?.to_owned(), value })
            }
            "policy" => policy(&entries),
            "exchange" => exchange(&entries),
            "queue" => queue(&entries),
            "binding" => binding(&entries),
            "stream_start" => Ok(Self::StreamStart {
                queue: QueueId(entries.number("queue")?),
                offset: entries.number("offset")?,
            }),
            other => Err(Unreadable::Kind(other.to_owned())),
        }
    }
}

fn virtual_host(entries: &Entries) -> Result<Definition, Unreadable> {
    const TYPE: &str = "default_queue_type";
    let types = [QueueType::Classic, QueueType::Quorum, QueueType::Stream];
    let default_queue_type = match entries.0.get(TYPE) {
        None => None,
        Some(name) => {
            let named = types.into_iter().find(|kind| name.as_str() == Some(kind.as_str()));
            Some(named.ok_or(Unreadable::Entry(TYPE))?)
        }
    };
    Ok(Definition::VirtualHost {
        name: entries.name("name")?,
        options: VirtualHostOptions {
            description: entries.text("description")?.to_owned(),
            tags: entries.texts("tags")?,
            default_queue_type,
        },
        limits: VirtualHostLimits {
            max_connections: entries.limit("max_connections"),
            max_queues: entries.limit("max_queues"),
        },
    })
}

fn user(entries: &Entries) -> Result<User, Unreadable> {
    const ALGORITHM: &str = "hashing_algorithm";
    let algorithms = [HashingAlgorithm::Sha256, HashingAlgorithm::Sha512];
    let name = entries.text(ALGORITHM)?;
    let algorithm = algorithms.into_iter().find(|algorithm| algorithm.as_str() == name);
    let algorithm = algorithm.ok_or(Unreadable::Entry(ALGORITHM))?;
    let hash = entries.text("password_hash")?;
    let mut user = User::with_password_hash_of(entries.text("name")?, algorithm, hash)
        .map_err(|_| Unreadable::Entry("password_hash"))?
        .limits(UserLimits {
            max_connections: entries.limit("max_connections"),
            max_channels: entries.limit("max_channels"),
        });
    for tag in entries.texts("tags")? {
        user = user.tag(tag);
    }
    for [virtual_host, configure, write, read] in entries.rows("permissions")? {
        let permissions = Permissions::new(configure, write, read);
        let permissions = permissions.map_err(|_| Unreadable::Entry("permissions"))?;
        user = user.permissions(virtual_host, permissions);
    }
    for [virtual_host, exchange, write, read] in entries.rows("topic_permissions")? {
        let topics = TopicPermissions { exchange, write, read };
        let with_topics = user.topic_permissions(virtual_host, topics);
        user = with_topics.map_err(|_| Unreadable::Entry("topic_permissions"))?;
    }
    Ok(user)
}

fn policy(entries: &Entries) -> Result<Definition, Unreadable> {
    let apply_to = entries.text("apply_to")?.parse();
    let policy = Policy {
        name: entries.text("name")?.to_owned(),
        pattern: entries.text("pattern")?.to_owned(),
        apply_to: apply_to.map_err(|_| Unreadable::Entry("apply_to"))?,
        priority: entries.integer("priority")?,
        definition: entries.table("definition")?,
    };
    let is_operators = entries.flag("operator")?;
    let kind = if is_operators { PolicyKind::Operator } else { PolicyKind::User };
    Ok(Definition::Policy { virtual_host: entries.text("vhost")?.to_owned(), kind, policy })
}

fn exchange(entries: &Entries) -> Result<Definition, Unreadable> {
    let definition = ExchangeDefinition {
        name: entries.name("name")?,
        kind: entries.text("type")?.parse().map_err(|_| Unreadable::Entry("type"))?,
        durable: true,
        auto_delete: entries.flag("auto_delete")?,
        internal: entries.flag("internal")?,
        arguments: entries.table("arguments")?,
    };
    Ok(Definition::Exchange { virtual_host: entries.text("vhost")?.to_owned(), definition })
}

fn queue(entries: &Entries) -> Result<Definition, Unreadable> {
    let id = entries.number("id")?;
    let declaration = QueueDeclaration {
        name: entries.name("name")?,
        durable: true,
        exclusive: false,
        auto_delete: entries.flag("auto_delete")?,
        arguments: entries.table("arguments")?,
    };
    let virtual_host = entries.text("vhost")?.to_owned();
    Ok(Definition::Queue { virtual_host, id: QueueId(id), declaration })
}

fn binding(entries: &Entries) -> Result<Definition, Unreadable> {
    let destination = entries.name("destination")?;
    let destination = match entries.text("destination_type")? {
        "queue" => Destination::Queue(destination),
        "exchange" => Destination::Exchange(destination),
        _ => return Err(Unreadable::Entry("destination_type")),
    };
    let (source, key) = (entries.name("source")?, entries.name("routing_key")?);
    let binding = Binding::new(source, destination, key, entries.table("arguments")?);
    Ok(Definition::Binding { virtual_host: entries.text("vhost")?.to_owned(), binding })
}
