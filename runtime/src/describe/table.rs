use std::fmt;

use super::{Description, ack_word, payload_of};
use crate::graph::Origin;

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for description in self.brokers() {
            if !self.others.is_empty() {
                writeln!(f, "BROKER {}\n", description.broker)?;
            }
            description.tables(f)?;
        }
        Ok(())
    }
}

impl Description {
    fn tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = self.listeners.iter().map(|plan| {
            let queues: Vec<&str> = plan.queues.iter().map(|queue| self.shown(queue)).collect();
            let payload = payload_of(plan).map(|payload| payload.name).unwrap_or_default();
            let prefetch =
                if plan.prefetch == 0 { "none".to_owned() } else { plan.prefetch.to_string() };
            [
                plan.id.to_string(),
                queues.join(", "),
                payload,
                ack_word(plan).to_owned(),
                prefetch,
                plan.concurrency.to_string(),
                place(&plan.origin),
            ]
        });
        let heads = ["LISTENER", "QUEUE", "PAYLOAD", "ACK", "PREFETCH", "CONSUMERS", "AT"];
        table(f, heads, listeners)?;
        let queues = self.queues.iter().map(|queue| {
            [self.shown(&queue.name).to_owned(), queue.describe(), place(&queue.origin)]
        });
        table(f, ["QUEUE", "IS", "AT"], queues)?;
        let exchanges = self.exchanges.iter().map(|exchange| {
            [exchange.name.to_string(), exchange.describe(), place(&exchange.origin)]
        });
        table(f, ["EXCHANGE", "IS", "AT"], exchanges)?;
        let bindings = self.bindings.iter().map(|binding| {
            let destination = self.shown(&binding.destination);
            [
                format!("{} {destination}", binding.kind.name()),
                binding.describe(),
                place(&binding.origin),
            ]
        });
        table(f, ["BINDING OF", "TO", "AT"], bindings)
    }
}

pub(super) fn place(origin: &Origin) -> String {
    format!("{}:{}", origin.file, origin.line)
}

/// Rows in columns as wide as they need; nothing without rows.
pub(super) fn table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> fmt::Result {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut widths = heads.map(|head| head.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heads = heads.map(str::to_owned);
    for row in std::iter::once(&heads).chain(&rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    writeln!(f)
}
