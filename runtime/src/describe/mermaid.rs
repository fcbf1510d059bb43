use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Description;
use crate::graph::{DestinationKind, QueueNode};

/// What stands in for an exchange that the application only names.
const ELSEWHERE: &str = "declared elsewhere";

impl Description {
    /// A [Mermaid](https://mermaid.js.org) graph: exchanges, queues and listeners, from left to
    /// right as messages go.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut graph = Graph { text: "flowchart LR\n".to_owned(), ..Graph::default() };
        for description in self.brokers() {
            if self.others.is_empty() {
                description.draw(&mut graph);
                continue;
            }
            // The same name on two brokers is two queues.
            graph.nodes.clear();
            graph.begin_broker(&description.broker);
            description.draw(&mut graph);
            graph.text.push_str("    end\n");
        }
        graph.text
    }

    fn draw(&self, graph: &mut Graph) {
        for exchange in &self.exchanges {
            let label = format!("{}<br/>{}", escaped(&exchange.name), escaped(&exchange.kind));
            graph.node('e', &exchange.name, &label);
        }
        for queue in &self.queues {
            graph.node('q', &queue.name, &escaped(self.shown(&queue.name)));
        }
        for binding in &self.bindings {
            let from = graph.known('e', &binding.exchange);
            let kind = if binding.kind == DestinationKind::Queue { 'q' } else { 'e' };
            let to = graph.known(kind, &binding.destination);
            graph.edge(&from, &binding.routing_key, "-->", &to);
        }
        for queue in &self.queues {
            self.dead_letters(queue, graph);
        }
        for plan in &self.listeners {
            let place = format!("{}:{}", plan.origin.file, plan.origin.line);
            let label = format!("{}<br/>{}", escaped(&plan.id), escaped(&place));
            let listener = graph.node('l', &plan.id, &label);
            for queue in &plan.queues {
                let queue = graph.known('q', queue);
                graph.edge(&queue, "", "-->", &listener);
            }
            if let Some((exchange, key)) = &plan.reply.send_to {
                let (kind, name) = if exchange.is_empty() { ('q', key) } else { ('e', exchange) };
                let to = graph.known(kind, name);
                graph.edge(&listener, "replies", "-.->", &to);
            }
        }
    }

    fn dead_letters(&self, queue: &QueueNode, graph: &mut Graph) {
        let from = graph.known('q', &queue.name);
        let to = match (queue.dead_letter_queue(), queue.dead_letter_exchange()) {
            (Some(target), _) => graph.known('q', target),
            (None, Some("") | None) => return,
            (None, Some(exchange)) => graph.known('e', exchange),
        };
        graph.edge(&from, "dead letters", "-.->", &to);
    }
}

#[derive(Default)]
struct Graph {
    text: String,
    /// The nodes' names in the graph, by kind and name.
    nodes: BTreeMap<(char, String), String>,
    /// How many there are, of all brokers.
    count: usize,
    brokers: usize,
}

impl Graph {
    fn begin_broker(&mut self, name: &str) {
        let number = self.brokers;
        self.brokers += 1;
        // Nothing can go wrong when a text is written to.
        let _ = writeln!(self.text, "    subgraph b{number}[\"{}\"]", escaped(name));
    }

    fn node(&mut self, kind: char, name: &str, label: &str) -> String {
        let node = format!("{kind}{}", self.count);
        self.count += 1;
        let (open, close) = match kind {
            'e' => ("{{", "}}"),
            'q' => ("[(", ")]"),
            _ => ("[", "]"),
        };
        // Nothing can go wrong when a text is written to.
        let _ = writeln!(self.text, "    {node}{open}\"{label}\"{close}");
        self.nodes.insert((kind, name.to_owned()), node.clone());
        node
    }

    /// The node of this name; one that nobody here declares gets one, too.
    fn known(&mut self, kind: char, name: &str) -> String {
        match self.nodes.get(&(kind, name.to_owned())) {
            Some(node) => node.clone(),
            None => self.node(kind, name, &format!("{}<br/>{ELSEWHERE}", escaped(name))),
        }
    }

    fn edge(&mut self, from: &str, label: &str, arrow: &str, to: &str) {
        let label =
            if label.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(label)) };
        let _ = writeln!(self.text, "    {from} {arrow}{label} {to}");
    }
}

/// A text in a label, as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("#quot;"),
            '#' => escaped.push_str("#35;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '&' => escaped.push_str("#amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
