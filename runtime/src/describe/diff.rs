//! The difference between an application and a broker that runs.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use springhare_amqp::{FieldValue, ReplyCode};

use super::Description;
use crate::connection::{Link, LinkConnection, LinkError, Product};
use crate::graph::{BindingNode, DestinationKind, Origin};

/// What differs between what an application declares and what a broker has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "it says what differs"]
pub struct TopologyDiff {
    missing: Vec<String>,
    different: Vec<String>,
    stale: Vec<String>,
    bindings: usize,
    knows_bindings: bool,
}

/// A definitions file that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the definitions can't be read: {0}; export them with `rabbitmqctl export_definitions`")]
pub struct DefinitionsError(#[from] serde_json::Error);

impl TopologyDiff {
    /// What the broker has not, and a start would declare.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// What the broker has otherwise: a start would fail.
    #[must_use]
    pub fn different(&self) -> &[String] {
        &self.different
    }

    /// Bindings of the application's queues that it does not declare: messages come by them that no
    /// listener may expect. They are known from a definitions file alone.
    #[must_use]
    pub fn stale(&self) -> &[String] {
        &self.stale
    }

    /// Whether nothing differs, as far as it is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.different.is_empty() && self.stale.is_empty()
    }
}

impl fmt::Display for TopologyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("+", &self.missing), ("!", &self.different), ("-", &self.stale)];
        for (sign, lines) in all {
            for line in lines {
                writeln!(f, "{sign} {line}")?;
            }
        }
        if self.is_empty() {
            writeln!(f, "no difference")?;
        }
        if self.bindings > 0 && !self.knows_bindings {
            let count = self.bindings;
            writeln!(f, "? {count} bindings: AMQP does not tell them, a definitions file does")?;
        }
        Ok(())
    }
}

impl Description {
    /// Holds it against a broker. Nothing is changed there: what is missing is told and not
    /// declared. Queues that an application has to itself are passed over.
    ///
    /// AMQP tells no bindings. With RabbitMQ's `definitions` (the text of an export) they are held
    /// against those of the link's virtual host.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link) when the broker can't be reached,
    /// [`Error::Other`](crate::Error::Other) with a [`DefinitionsError`].
    pub async fn diff(
        &self,
        link: &dyn Link,
        definitions: Option<&str>,
    ) -> crate::Result<TopologyDiff> {
        let existing = definitions.map(|text| bindings_of(text, link.virtual_host())).transpose();
        let existing = existing.map_err(|error| crate::Error::Other(Box::new(error)))?;
        let connection = link.connect("springhare topology").await?;
        let mut diff = TopologyDiff { bindings: self.bindings.len(), ..TopologyDiff::default() };
        self.compare_exchanges(&connection, &mut diff).await?;
        self.compare_queues(&connection, &mut diff).await?;
        if let Some(existing) = existing {
            self.compare_bindings(&existing, connection.product(), &mut diff);
        }
        connection.close().await?;
        Ok(diff)
    }

    async fn compare_exchanges(
        &self,
        connection: &Arc<dyn LinkConnection>,
        diff: &mut TopologyDiff,
    ) -> Result<(), LinkError> {
        for node in self.exchanges.iter().filter(|node| node.is_on(connection.product())) {
            let what = format!("exchange '{}' ({})", node.name, node.describe());
            let channel = connection.open_channel().await?;
            match channel.exchange_declare_passive(&node.name).await {
                Ok(()) => {}
                Err(error) => {
                    diff.not_found(&what, &node.origin, error)?;
                    continue;
                }
            }
            let same = channel.exchange_declare(&node.name, &node.kind, node.options.clone()).await;
            diff.compared(&what, &node.origin, same)?;
            channel.close().await.or_else(if_closed)?;
        }
        Ok(())
    }

    async fn compare_queues(
        &self,
        connection: &Arc<dyn LinkConnection>,
        diff: &mut TopologyDiff,
    ) -> Result<(), LinkError> {
        // What belongs to a connection, or goes with its consumers, is not there while nobody runs.
        let lasting =
            self.queues.iter().filter(|node| !node.is_anonymous() && !node.options.exclusive);
        for node in lasting.filter(|node| node.is_on(connection.product())) {
            let what = format!("queue '{}' ({})", node.name, node.describe());
            let channel = connection.open_channel().await?;
            match channel.queue_declare_passive(&node.name).await {
                Ok(_) => {}
                Err(error) => {
                    diff.not_found(&what, &node.origin, error)?;
                    continue;
                }
            }
            let same = channel.queue_declare(&node.name, node.options.clone()).await.map(drop);
            diff.compared(&what, &node.origin, same)?;
            channel.close().await.or_else(if_closed)?;
        }
        Ok(())
    }

    fn compare_bindings(&self, existing: &[Existing], product: Product, diff: &mut TopologyDiff) {
        diff.knows_bindings = true;
        let is_ours = |queue: &str| self.queues.iter().any(|node| node.name == *queue);
        for node in self.bindings.iter().filter(|node| node.is_on(product)) {
            let is_anonymous = self.shown(&node.destination) != &*node.destination;
            if !is_anonymous && !existing.iter().any(|existing| existing.is(node)) {
                let what = format!("binding of {} to {}", told(node), node.describe());
                diff.missing.push(at(&what, &node.origin));
            }
        }
        for existing in existing {
            let is_known = self.bindings.iter().any(|node| existing.is(node));
            if !is_known
                && existing.kind == DestinationKind::Queue
                && is_ours(&existing.destination)
            {
                let Existing { source, destination, routing_key, .. } = existing;
                diff.stale.push(format!(
                    "binding of queue '{destination}' to exchange '{source}' key '{routing_key}', \
                     which nobody declares any more"
                ));
            }
        }
    }
}

impl TopologyDiff {
    /// It can't be found: it is missing, unless something else is wrong.
    fn not_found(
        &mut self,
        what: &str,
        origin: &Origin,
        error: LinkError,
    ) -> Result<(), LinkError> {
        match error.amqp().map(springhare_amqp::AmqpError::code) {
            Some(ReplyCode::NotFound) => {
                self.missing.push(at(what, origin));
                Ok(())
            }
            _ => self.compared(what, origin, Err(error)),
        }
    }

    /// It was declared once more, which changes nothing where it is the same.
    fn compared(
        &mut self,
        what: &str,
        origin: &Origin,
        declared: Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        match declared {
            Ok(()) => Ok(()),
            Err(error) if error.amqp().is_some() => {
                self.different.push(format!("{}: {error}", at(what, origin)));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// A channel that the broker has closed is closed.
fn if_closed(error: LinkError) -> Result<(), LinkError> {
    if error.amqp().is_some() || matches!(error, LinkError::Closed { .. }) {
        Ok(())
    } else {
        Err(error)
    }
}

fn at(what: &str, origin: &Origin) -> String {
    format!("{what}, {origin}")
}

fn told(node: &BindingNode) -> String {
    format!("{} '{}'", node.kind.name(), node.destination)
}

/// A binding of a definitions file.
struct Existing {
    source: String,
    kind: DestinationKind,
    destination: String,
    routing_key: String,
    arguments: Map,
}

impl Existing {
    fn is(&self, node: &BindingNode) -> bool {
        node.exchange == *self.source
            && node.kind == self.kind
            && node.destination == *self.destination
            && node.routing_key == *self.routing_key
            && node.arguments.len() == self.arguments.len()
            && node.arguments.iter().all(|(name, value)| {
                self.arguments.get(&**name).is_some_and(|existing| is_same(value, existing))
            })
    }
}

/// Whether an argument is what the file says, where that is a text, a whole number or a truth value.
fn is_same(value: &FieldValue, existing: &Value) -> bool {
    match existing {
        Value::String(text) => value.as_str() == Some(text),
        Value::Bool(truth) => value.as_bool() == Some(*truth),
        Value::Number(number) => {
            number.as_i64().is_none_or(|number| value.as_i64() == Some(number))
        }
        _ => true,
    }
}

/// The bindings of an export in this virtual host; one of a virtual host alone does not name it.
fn bindings_of(definitions: &str, virtual_host: &str) -> Result<Vec<Existing>, DefinitionsError> {
    let definitions: Value = serde_json::from_str(definitions)?;
    let bindings = definitions.get("bindings").and_then(Value::as_array);
    let text = |binding: &Value, key: &str| {
        binding.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_here = |binding: &&Value| {
        binding.get("vhost").and_then(Value::as_str).is_none_or(|vhost| vhost == virtual_host)
    };
    let existing = |binding: &Value| Existing {
        source: text(binding, "source"),
        kind: match &*text(binding, "destination_type") {
            "exchange" => DestinationKind::Exchange,
            _ => DestinationKind::Queue,
        },
        destination: text(binding, "destination"),
        routing_key: text(binding, "routing_key"),
        arguments: binding.get("arguments").and_then(Value::as_object).cloned().unwrap_or_default(),
    };
    Ok(bindings.into_iter().flatten().filter(is_here).map(existing).collect())
}

type Map = serde_json::Map<String, Value>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bindings_of_other_virtual_hosts_are_passed_over() {
        let definitions = json!({ "bindings": [
            { "vhost": "/", "source": "news", "destination": "a", "destination_type": "queue" },
            { "vhost": "shop", "source": "news", "destination": "b", "destination_type": "queue" },
            { "source": "news", "destination": "c", "destination_type": "queue" },
        ]});
        let destinations = |virtual_host| {
            let found = bindings_of(&definitions.to_string(), virtual_host).unwrap();
            found.into_iter().map(|binding| binding.destination).collect::<Vec<_>>()
        };
        assert_eq!(destinations("/"), ["a", "c"]);
        assert_eq!(destinations("shop"), ["b", "c"]);
    }

    #[test]
    fn arguments_are_held_against_those_of_the_file_by_their_values() {
        let level = FieldValue::from(3);
        assert!(is_same(&level, &json!(3)));
        assert!(!is_same(&level, &json!(4)) && !is_same(&level, &json!("3")));
        assert!(is_same(&FieldValue::from("all"), &json!("all")));
        assert!(!is_same(&FieldValue::from("all"), &json!("any")));
        assert!(!is_same(&FieldValue::from(true), &json!(false)));
    }
}
