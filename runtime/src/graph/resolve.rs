//! From a listener's attribute to its part of the graph: placeholders are replaced, names are
//! checked, defaults are filled in.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use springhare_amqp::{FieldTable, FieldValue, ShortString};
use springhare_broker::{ExchangeDeclareOptions, QueueDeclareOptions};

use super::acknowledging;
use super::consumer_timeout::{consumer_timeout, says_consumer_timeout};
use super::definition::{
    BindingNode, Definition, DestinationKind, ExchangeNode, Naming, Origin, QueueNode,
};
use super::delays::Delays;
use super::failing::{failure_plan, held_too_long, requeues_rejected, wrong_failures};
use super::faults_of::FaultsOf;
use super::placeholder::Placeholders;
use super::source::ListenerSource;
use super::unheeded::SetAlone;
use crate::error::{Place, StartFault};
use crate::listener::endpoint::{
    AcknowledgeMode, Argument, BindingAttributes, Concurrency, ListenerAttributes, Recover,
};
use crate::listener::key_path::KeyPath;
use crate::listener::plan::{
    BatchPlan, ConverterPlan, DEFAULT_PREFETCH, ListenerPlan, PartitionPlan, ReplyPlan,
};
use crate::listener::retry::Recoverer;
use crate::listener::stream_offset::StreamOffset;
use crate::settings::{ListenerSettings, MAIN_BROKER, Settings, Source};
use crate::template::error_queue_of;

/// What the names of anonymous queues start with.
const ANONYMOUS_PREFIX: &str = "springhare.gen-";

/// A listener and what it declares.
#[derive(Debug)]
pub(crate) struct ResolvedListener {
    pub(crate) plan: ListenerPlan,
    pub(crate) queues: Vec<QueueNode>,
    pub(crate) exchanges: Vec<ExchangeNode>,
    pub(crate) bindings: Vec<BindingNode>,
    pub(crate) delays: Delays,
    /// Whose faults it reads, if it reads some.
    pub(crate) faults_of: Option<FaultsOf>,
}

/// Resolves a listener; faults are added to `faults`, and then there is no listener.
pub(crate) fn resolve(
    source: &ListenerSource<'_>,
    placeholders: &Placeholders<'_>,
    all: &Settings,
    faults: &mut Vec<StartFault>,
) -> Option<ResolvedListener> {
    let faults_before = faults.len();
    let mut texts = Texts { source, placeholders, faults };
    let id = texts.text("id", &source.id);
    let Place { file, line } = source.function.place;
    let origin = Origin { by: format!("listener `{id}`"), file, line };
    let attributes = &source.attributes;
    let settings = texts.settings(&id, all);
    let consumers = settings.consumers();
    let queues = queues(attributes, &origin, &mut texts);
    let faults_of = FaultsOf::of(source, &id, &queues, settings.profile.as_deref(), all);
    let Bound { exchanges, bindings, key_paths } = bound(attributes, &queues, &origin, &mut texts);
    let stream_offset = attributes.stream_offset.and_then(|offset| texts.stream_offset(offset));
    let consumer_arguments = texts.table("consumer_arguments", attributes.consumer_arguments);
    let group = attributes.group.map(|group| texts.text("group", group));
    let converter = settings.converter.clone();
    // Only a handler that takes a batch can be given one.
    let batch = attributes.batch.map(|size| BatchPlan {
        size: settings.batch_size.unwrap_or(size).max(1),
        timeout: settings.batch_receive_timeout.unwrap_or(BatchPlan::TIMEOUT),
    });
    let send_to = attributes.send_to.and_then(|text| texts.destination("send_to", text));
    let partition =
        attributes.partition_by.map(|by| PartitionPlan { by, handlers: consumers.max.max(1) });
    // One consumer, so that a key's messages stay in order.
    let consumers = match partition {
        Some(_) => Concurrency { min: 1, max: 1 },
        None => consumers,
    };
    let recoverer = attributes.recover.and_then(|recover| texts.recoverer(recover));
    let failure = failure_plan(&settings, attributes, recoverer.unwrap_or_default());
    let consumer_timeout = consumer_timeout(&settings, attributes);
    texts.held(held_too_long(failure.calls, attributes, consumer_timeout), &settings);
    let delays = Delays::of(&failure.redeliveries, &queues, &origin);
    let plan = ListenerPlan {
        prefetch: prefetch(&id, &settings, batch),
        id: Arc::from(id),
        function: source.function.clone(),
        origin,
        broker: Arc::from(settings.broker.as_deref().unwrap_or(MAIN_BROKER)),
        queues: queues.iter().map(|queue| queue.name.clone()).collect(),
        anonymous: is_anonymous(attributes),
        acknowledge: settings.acknowledge_mode.unwrap_or_default(),
        batch,
        concurrency: consumers.min,
        concurrency_max: consumers.max,
        partition,
        phase: attributes.phase,
        priority: settings.priority,
        stream_offset,
        exclusive_consumer: attributes.exclusive_consumer,
        consumer_arguments,
        idle_event: settings.idle_event_interval.filter(|interval| !interval.is_zero()),
        auto_startup: settings.auto_startup.unwrap_or(true),
        group,
        competing: attributes.competing,
        declare: attributes.declare.unwrap_or(true),
        missing_queues_fatal: settings.missing_queues_fatal.unwrap_or(true),
        requeue_rejected: requeues_rejected(&settings, attributes),
        de_batching: settings.de_batching_enabled.unwrap_or(true),
        reply: ReplyPlan {
            send_to,
            return_errors: attributes.return_errors,
            ..ReplyPlan::default()
        },
        consumer_timeout,
        key_paths: key_paths.into(),
        failure,
        converter: ConverterPlan { name: converter, ..ConverterPlan::default() },
    };
    let resolved = ResolvedListener { plan, queues, exchanges, bindings, delays, faults_of };
    (faults.len() == faults_before).then_some(resolved)
}

/// A batch must fit into what the broker sends ahead, or it would never be full; 0 is no limit, which
/// who acknowledges first has to have: each ack is waited for, behind all that was sent before.
fn prefetch(id: &str, settings: &ListenerSettings, batch: Option<BatchPlan>) -> u16 {
    let prefetch = settings.prefetch.unwrap_or(DEFAULT_PREFETCH);
    if prefetch == 0 && settings.acknowledge_mode == Some(AcknowledgeMode::First) {
        tracing::warn!(
            listener = id,
            prefetch = DEFAULT_PREFETCH,
            "`ack = \"first\"` waits for each ack behind what the broker has sent ahead, which needs \
             a limit: the prefetch is the default in place of 0"
        );
        return DEFAULT_PREFETCH;
    }
    let batch = batch.map_or(0, |batch| batch.size);
    if prefetch == 0 || prefetch >= batch {
        return prefetch;
    }
    if settings.prefetch.is_some() {
        tracing::warn!(
            listener = id,
            prefetch,
            batch,
            "a batch would never be full: the prefetch is raised to its size"
        );
    }
    batch
}

/// Whether its queue has no name of the user's.
pub(super) fn is_anonymous(attributes: &ListenerAttributes<'_>) -> bool {
    attributes.queues.is_empty() && attributes.fault_of.is_none()
}

fn queues(
    attributes: &ListenerAttributes<'_>,
    origin: &Origin,
    texts: &mut Texts<'_, '_>,
) -> Vec<QueueNode> {
    let anonymous = is_anonymous(attributes);
    let options = QueueDeclareOptions {
        durable: attributes.durable.unwrap_or(!anonymous),
        exclusive: attributes.exclusive.unwrap_or(anonymous),
        auto_delete: attributes.auto_delete.unwrap_or(anonymous),
        arguments: texts.table("arguments", attributes.arguments),
    };
    let says_nothing = attributes.durable.is_none()
        && attributes.exclusive.is_none()
        && attributes.auto_delete.is_none()
        && attributes.arguments.is_empty();
    let definition = if says_nothing { Definition::NameOnly } else { Definition::Full };
    let names = if let Some(queue) = attributes.fault_of {
        texts.name("fault_of", queue).map(|queue| error_queue_of(&queue)).into_iter().collect()
    } else if anonymous {
        vec![anonymous_name()]
    } else {
        attributes.queues.iter().filter_map(|queue| texts.name("queue", queue)).collect()
    };
    let node = |name| QueueNode {
        name,
        naming: if anonymous { Naming::Generated } else { Naming::Given },
        options: options.clone(),
        definition,
        lenient: attributes.lenient,
        origin: origin.clone(),
    };
    names.into_iter().map(node).collect()
}

fn exchange(
    binding: &BindingAttributes<'_>,
    lenient: bool,
    origin: &Origin,
    texts: &mut Texts<'_, '_>,
) -> Option<ExchangeNode> {
    let name = texts.name("exchange", binding.exchange)?;
    Some(ExchangeNode {
        name,
        kind: texts.text("kind", binding.kind.unwrap_or("direct")),
        options: ExchangeDeclareOptions { durable: true, ..Default::default() },
        definition: match binding.kind {
            Some(_) => Definition::Full,
            None => Definition::NameOnly,
        },
        lenient,
        origin: origin.clone(),
    })
}

/// What a listener's bindings come to.
#[derive(Debug, Default)]
struct Bound {
    exchanges: Vec<ExchangeNode>,
    bindings: Vec<BindingNode>,
    key_paths: Vec<KeyPath>,
}

fn bound(
    attributes: &ListenerAttributes<'_>,
    queues: &[QueueNode],
    origin: &Origin,
    texts: &mut Texts<'_, '_>,
) -> Bound {
    let mut bound = Bound::default();
    for binding in attributes.all_bindings() {
        let Some(exchange) = exchange(&binding, attributes.lenient, origin, texts) else {
            continue;
        };
        let arguments = texts.table("binding_arguments", binding.arguments);
        let keys: &[&str] = if binding.keys.is_empty() { &[""] } else { binding.keys };
        let keys: Vec<ShortString> = keys
            .iter()
            .filter_map(|key| texts.key(&exchange.name, key, &mut bound.key_paths))
            .collect();
        let node = |queue: &QueueNode, key: &ShortString| BindingNode {
            exchange: exchange.name.clone(),
            kind: DestinationKind::Queue,
            destination: queue.name.clone(),
            routing_key: key.clone(),
            arguments: arguments.clone(),
            lenient: attributes.lenient,
            origin: origin.clone(),
        };
        let of_queue = |queue| keys.iter().map(move |key| (queue, key));
        let nodes = queues.iter().flat_map(of_queue).map(|(queue, key)| node(queue, key));
        bound.bindings.extend(nodes);
        bound.exchanges.push(exchange);
    }
    bound
}

/// Reads the texts of one listener's attribute and gathers what is wrong with them.
struct Texts<'a, 'p> {
    source: &'a ListenerSource<'a>,
    placeholders: &'a Placeholders<'p>,
    faults: &'a mut Vec<StartFault>,
}

impl Texts<'_, '_> {
    fn fault(&mut self, text: &str) {
        let fault = StartFault::new(format!("listener `{}`: {text}", self.source.id));
        let Place { file, line } = self.source.function.place;
        self.faults.push(fault.at(file, line));
    }

    /// The listener's settings: its attribute among all that is said of it elsewhere.
    fn settings(&mut self, id: &str, all: &Settings) -> ListenerSettings {
        let mut attribute = self.source.settings.clone();
        for (key, text) in [
            ("profile", &mut attribute.profile),
            ("broker", &mut attribute.broker),
            ("converter", &mut attribute.converter),
        ] {
            if let Some(text) = text {
                *text = self.text(key, text);
            }
        }
        let mut wrong = Vec::new();
        let settings = all.of_listener(id, attribute, &mut wrong);
        for (source, text) in wrong {
            match source {
                Source::Builder => self.fault(&text),
                placed => self.faults.push(placed.fault(text)),
            }
        }
        if let Some(broker) = settings.broker.as_deref().filter(|name| !all.brokers.has(name)) {
            self.fault(&all.brokers.unknown(broker));
        }
        self.settlement(&settings);
        self.alone(id, &settings, all);
        self.batch(id, &settings, all);
        settings
    }

    /// Whether the function can do as it is set to. The macro has asked this of the attribute.
    fn settlement(&mut self, settings: &ListenerSettings) {
        let attributes = &self.source.attributes;
        if let Some(mode) = settings.acknowledge_mode.filter(|mode| Some(*mode) != attributes.ack) {
            for text in acknowledging::wrong(mode, &self.source.function.requirements(), attributes)
            {
                self.fault(text);
            }
        }
        let wrong = settings.wrong_consumers().into_iter().chain(wrong_failures(settings));
        wrong.for_each(|text| self.fault(&text));
    }

    /// Whether a batch waits for too long; where that is set of this listener alone, it is told there.
    fn batch(&mut self, id: &str, settings: &ListenerSettings, all: &Settings) {
        let takes_batches = self.source.attributes.batch.is_some();
        let Some(text) = settings.wrong_batch().filter(|_| takes_batches) else { return };
        match all.set_alone(id).get("batch-receive-timeout") {
            Some(source) => self.faults.push(source.fault(format!("listener `{id}`: {text}"))),
            None => self.fault(&text),
        }
    }

    /// A message may be held for too long. Of a queue that is declared elsewhere, and of a broker, it is
    /// not known what they allow: where nobody says it, that is logged.
    fn held(&mut self, too_long: Option<String>, settings: &ListenerSettings) {
        let Some(text) = too_long else { return };
        if says_consumer_timeout(settings, &self.source.attributes) {
            self.fault(&text);
        } else {
            tracing::warn!(listener = self.source.id, "{text}");
        }
    }

    /// Whether the listener can do what is set of it alone, at these places.
    fn alone(&mut self, id: &str, settings: &ListenerSettings, all: &Settings) {
        let place = Source::Call(self.source.function.place);
        let own = self.source.unchecked.iter().map(|key| (*key, place.clone()));
        let mut sources: BTreeMap<&'static str, Source> = own.collect();
        sources.extend(all.set_alone(id));
        let keys = sources.keys().copied().collect();
        let alone = SetAlone { keys, settings, attributes: &self.source.attributes };
        for (key, why) in alone.unheeded() {
            let Some(source) = sources.get(key) else { continue };
            let text = format!("`{key}` is set of listener `{id}`, which can't do it: {why}");
            self.faults.push(source.fault(text));
        }
    }

    /// The text with its placeholders replaced.
    fn text(&mut self, key: &str, text: &str) -> String {
        match self.placeholders.resolve(text) {
            Ok(resolved) => resolved.into_owned(),
            Err(error) => {
                self.fault(&format!("`{key}`: {error}"));
                String::new()
            }
        }
    }

    /// A text that goes over the wire as a short string.
    fn short(&mut self, key: &str, text: &str) -> Option<ShortString> {
        let faults_before = self.faults.len();
        let resolved = self.text(key, text);
        if self.faults.len() > faults_before {
            return None;
        }
        self.as_short(key, &resolved)
    }

    fn as_short(&mut self, key: &str, resolved: &str) -> Option<ShortString> {
        match ShortString::new(resolved) {
            Ok(short) => Some(short),
            Err(error) => {
                self.fault(&format!("`{key}`: {error}"));
                None
            }
        }
    }

    /// The name of a queue or of an exchange: not empty.
    fn name(&mut self, key: &str, text: &str) -> Option<ShortString> {
        let name = self.short(key, text)?;
        if name.is_empty() {
            self.fault(&format!("`{key} = \"{text}\"` comes to an empty name"));
            return None;
        }
        Some(name)
    }

    /// A binding's key as the broker gets it; its words in braces are added to `paths`.
    fn key(
        &mut self,
        exchange: &ShortString,
        key: &str,
        paths: &mut Vec<KeyPath>,
    ) -> Option<ShortString> {
        let faults_before = self.faults.len();
        let resolved = self.text("key", key);
        if self.faults.len() > faults_before {
            return None;
        }
        match KeyPath::parse(exchange, &resolved) {
            Ok((key, path)) => {
                paths.extend(path);
                self.as_short("key", &key)
            }
            Err(error) => {
                self.fault(&format!("`key = \"{key}\"`: {error}"));
                None
            }
        }
    }

    /// Exchange and key of a destination: `"queue"`, or `"exchange/key"`, of which either may be empty.
    fn destination(&mut self, key: &str, text: &str) -> Option<(ShortString, ShortString)> {
        let faults_before = self.faults.len();
        let resolved = self.text(key, text);
        if self.faults.len() > faults_before {
            return None;
        }
        let (exchange, routing_key) = resolved.split_once('/').unwrap_or(("", &resolved));
        if routing_key.contains('/') {
            self.fault(&format!(
                "`{key} = \"{text}\"`: a destination has one exchange and one key"
            ));
            return None;
        }
        if exchange.is_empty() && routing_key.is_empty() {
            self.fault(&format!("`{key} = \"{text}\"` comes to an empty destination"));
            return None;
        }
        let mut name = |name| match ShortString::new(name) {
            Ok(name) => Some(name),
            Err(error) => {
                self.fault(&format!("`{key}`: {error}"));
                None
            }
        };
        Some((name(exchange)?, name(routing_key)?))
    }

    fn recoverer(&mut self, recover: Recover<&str>) -> Option<Recoverer> {
        Some(match recover {
            Recover::Park => Recoverer::Park,
            Recover::Reject => Recoverer::Reject,
            Recover::Requeue => Recoverer::Requeue,
            Recover::Republish { exchange, key } => {
                let exchange = self.short("recover", exchange)?;
                let routing_key = match key {
                    Some(key) => Some(self.short("recover", key)?),
                    None => None,
                };
                Recoverer::Republish { exchange, routing_key }
            }
        })
    }

    fn stream_offset(&mut self, text: &str) -> Option<StreamOffset> {
        let faults_before = self.faults.len();
        let resolved = self.text("stream_offset", text);
        if self.faults.len() > faults_before {
            return None;
        }
        resolved.parse().map_err(|error| self.fault(&format!("`stream_offset`: {error}"))).ok()
    }

    fn table(&mut self, key: &str, arguments: &[(&str, Argument<'_>)]) -> FieldTable {
        let mut table = FieldTable::new();
        for (name, argument) in arguments {
            let value = match argument {
                Argument::Bool(value) => FieldValue::from(*value),
                Argument::Int(value) => FieldValue::from(*value),
                Argument::Float(value) => FieldValue::from(*value),
                Argument::Text(text) => FieldValue::from(self.text(key, text)),
                Argument::Void => FieldValue::Void,
            };
            if let Err(error) = table.insert(name, value) {
                self.fault(&format!("`{key}`: {error}"));
            }
        }
        table
    }
}

/// A name that no other process chooses: 128 random bits.
fn anonymous_name() -> ShortString {
    let random = || RandomState::new().build_hasher().finish();
    ShortString::truncated(&format!("{ANONYMOUS_PREFIX}{:016x}{:016x}", random(), random()))
}
