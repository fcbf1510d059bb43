//! What of the graph does not go together although every definition is the same wherever it is
//! made: a queue's arguments among each other, an exchange's, a listener and the kind of its queue.

use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::Graph;
use super::definition::{BindingNode, ExchangeNode, Origin, QueueNode};
use crate::declare::{ExchangeType, contradictions};
use crate::error::StartFault;
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::plan::ListenerPlan;

pub(super) fn inconsistencies(graph: &Graph) -> Vec<StartFault> {
    let mut faults = Vec::new();
    for queue in graph.queues.values() {
        for text in contradictions(&queue.name, &queue.options) {
            faults.push(fault(&queue.origin, &text));
        }
    }
    for exchange in graph.exchanges.values() {
        for text in exchange_contradictions(exchange) {
            faults.push(fault(&exchange.origin, &text));
        }
    }
    faults.extend(graph.bindings.iter().filter_map(|binding| weight(graph, binding)));
    faults.extend(graph.bindings.iter().filter_map(|binding| refused_retries(graph, binding)));
    for listener in graph.listeners() {
        faults.extend(unkept(listener).map(|text| fault(&listener.origin, text)));
        for queue in listener.queues.iter().filter_map(|queue| graph.queues.get(queue)) {
            for text in consumption(listener, queue) {
                faults.push(fault(&listener.origin, &text));
            }
        }
    }
    faults
}

fn fault(origin: &Origin, text: &str) -> StartFault {
    StartFault::new(format!("{}: {text}", origin.by)).at(origin.file, origin.line)
}

/// A message that has waited is dropped if its queue has no room and refuses it: nobody is there to
/// be told.
fn refused_retries(graph: &Graph, binding: &BindingNode) -> Option<StartFault> {
    let queue = graph.queues.get(&binding.destination).filter(|_| binding.is_for_delays())?;
    let arguments = &queue.options.arguments;
    let refuses =
        arguments.get("x-overflow").and_then(FieldValue::as_str) == Some("reject-publish");
    let limits = ["x-max-length", "x-max-length-bytes"];
    let limit = limits.into_iter().find(|limit| arguments.get(limit).is_some())?;
    refuses.then(|| {
        let text = format!(
            "queue '{}' refuses messages when it is full (`{limit}`, `x-overflow = \
             \"reject-publish\"`), and one that comes back to it after its `delays` would be lost \
             then: leave the limit out, use `retry(max_attempts = ..)`, or give it `x-overflow = \
             \"reject-publish-dlx\"` and a dead-letter exchange",
            queue.name
        );
        fault(&binding.origin, &text)
    })
}

fn exchange_contradictions(exchange: &ExchangeNode) -> Vec<String> {
    let ExchangeNode { name, kind, options, .. } = exchange;
    let has = |argument| FieldTable::contains(&options.arguments, argument);
    let mut texts = Vec::new();
    if kind == "x-delayed-message" && !has("x-delayed-type") {
        texts.push(format!(
            "exchange '{name}' keeps messages back and does not say how it routes them then: \
             declare it with `.declare(Exchange::delayed(\"{name}\", ExchangeType::..))`, and leave \
             `kind` out of its listeners"
        ));
    }
    if has("hash-header") && has("hash-property") {
        texts.push(format!(
            "exchange '{name}' looks at a header and at a property: give it `hash-header` or \
             `hash-property`"
        ));
    }
    let routes_as = exchange.routes_as();
    let hashes = routes_as == Some(ExchangeType::ConsistentHash);
    if let Some(routes_as) = routes_as.filter(|_| !hashes) {
        for argument in ["hash-header", "hash-property"].into_iter().filter(|name| has(name)) {
            texts.push(format!(
                "exchange '{name}' routes as {}, which looks at no `{argument}`, only consistent \
                 hash exchanges do: leave it out, or declare the exchange as one",
                routes_as.name()
            ));
        }
    }
    if let Some(alternate) = exchange.alternate().filter(|name| name.len() > ShortString::MAX_BYTES)
    {
        texts.push(format!(
            "exchange '{name}': the name of its alternate exchange has {} bytes, and AMQP allows \
             {}: choose a shorter one",
            alternate.len(),
            ShortString::MAX_BYTES
        ));
    }
    texts
}

/// The largest weight that RabbitMQ takes.
const WEIGHT_MAX: u32 = 1_000_000;

/// The key of a binding to a consistent hash exchange is its weight, also where it keeps messages
/// back.
fn weight(graph: &Graph, binding: &BindingNode) -> Option<StartFault> {
    let exchange = graph.exchanges.get(&binding.exchange)?;
    let weight = binding.routing_key.parse::<u32>();
    let is_weight = weight.is_ok_and(|weight| (1..=WEIGHT_MAX).contains(&weight));
    if is_weight || exchange.routes_as() != Some(ExchangeType::ConsistentHash) {
        return None;
    }
    let text = format!(
        "{} '{}' is bound to the consistent hash exchange '{}' with the key '{}', which is no \
         weight: give it a whole number from 1 to {WEIGHT_MAX}",
        binding.kind.name(),
        binding.destination,
        binding.exchange,
        binding.routing_key
    );
    Some(fault(&binding.origin, &text))
}

/// What a listener does with failures that would lose messages, if it does.
fn unkept(listener: &ListenerPlan) -> Option<&'static str> {
    let gives_back = listener.acknowledge != AcknowledgeMode::None;
    (listener.failure.circuit.is_some() && !gives_back).then_some(
        "with `ack = \"none\"` the broker has forgotten what a circuit would give back: leave \
         `circuit` out, or acknowledge with `ack = \"auto\"`",
    )
}

/// What a stream asks of its consumers, and what only a stream has.
fn consumption(listener: &ListenerPlan, queue: &QueueNode) -> Vec<String> {
    let name = &queue.name;
    let mut texts = Vec::new();
    if !queue.is_stream() {
        if listener.stream_offset.is_some() {
            texts.push(format!(
                "queue '{name}' is no stream, and only a stream has offsets: declare it with \
                 `arguments(queue_type = \"stream\")`, or leave `stream_offset` out"
            ));
        }
        return texts;
    }
    if listener.acknowledge == AcknowledgeMode::None {
        texts.push(format!(
            "queue '{name}' is a stream, whose consumers acknowledge: leave `ack = \"none\"` out"
        ));
    } else if listener.prefetch == 0 {
        texts.push(format!(
            "queue '{name}' is a stream, whose consumers need a prefetch: give `prefetch` a number \
             from 1 on, or leave it out"
        ));
    }
    if listener.priority.is_some() {
        texts.push(format!(
            "queue '{name}' is a stream, whose consumers have no priority: leave `priority` out"
        ));
    }
    if listener.failure.redeliveries.has_delays() {
        texts.push(format!(
            "queue '{name}' is a stream, which delivers nothing twice: leave `delays` out of \
             `retry(..)`, and retry in memory with `retry(max_attempts = ..)`"
        ));
    }
    if listener.concurrency > 1 {
        texts.push(format!(
            "queue '{name}' is a stream, and each of {} consumers would get every message: leave \
             `concurrency` out",
            listener.concurrency
        ));
    }
    texts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::declare::Queue;
    use crate::graph::delays::Delays;
    use crate::listener::retry::Redeliveries;

    #[test]
    fn a_queue_that_refuses_what_it_has_no_room_for_may_have_no_delays() {
        let origin = Origin { by: "listener `l`".to_owned(), file: "a.rs", line: 1 };
        let faults = |arguments: &[(&str, FieldValue)]| {
            let mut queue = QueueNode::from(&Queue::durable("q"));
            for (name, value) in arguments {
                queue.options.arguments.insert(*name, value.clone()).unwrap();
            }
            let redeliveries = Redeliveries::After(vec![Duration::from_secs(5)].into());
            let delays = Delays::of(&redeliveries, std::slice::from_ref(&queue), &origin);
            let mut graph = Graph { bindings: delays.bindings, ..Graph::default() };
            graph.queues.insert(queue.name.clone(), queue);
            inconsistencies(&graph)
        };
        let refuses = ("x-overflow", FieldValue::from("reject-publish"));
        let full = ("x-max-length", FieldValue::from(5));
        let [fault] = &faults(&[refuses.clone(), full.clone()])[..] else { panic!() };
        assert!(fault.text().contains("after its `delays` would be lost"), "{fault}");
        assert_eq!(faults(&[refuses]), []);
        assert_eq!(faults(&[full]), []);
    }
}
