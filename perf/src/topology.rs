use springhare_amqp::wire::Method;
use springhare_amqp::wire::method::{exchange, queue};
use springhare_amqp::{FieldTable, MethodId, ShortString};

use crate::connection::Connection;
use crate::error::LoadError;
use crate::scenario::{Durability, Load, Routes};

/// Patterns that each queue is bound with to the topic exchange.
const PATTERNS_PER_QUEUE: usize = 10;
/// How many bindings go into one write.
const BINDINGS_PER_WRITE: usize = 100;

/// The queues and the exchange of a run.
#[derive(Debug)]
pub(crate) struct Topology {
    exchange: ShortString,
    queues: Vec<ShortString>,
    routes: Routes,
}

impl Topology {
    /// Declares what the load needs, with names that begin with the scenario's.
    pub(crate) fn declare(
        connection: &mut Connection,
        name: &str,
        load: &Load,
    ) -> Result<Self, LoadError> {
        let durable = load.durability == Durability::Durable;
        let count = match load.routes {
            Routes::OneQueue => 1,
            Routes::Fanout { queues } | Routes::Topic { queues } => queues,
        };
        let queues = (0..count).map(|index| ShortString::new(format!("{name}-{index}")));
        let queues = queues.collect::<Result<Vec<_>, _>>()?;
        for queue in &queues {
            connection.call(&declare_queue(queue.clone(), durable), MethodId::QUEUE_DECLARE_OK)?;
        }
        let kind = match load.routes {
            Routes::OneQueue => {
                return Ok(Self { exchange: ShortString::EMPTY, queues, routes: load.routes });
            }
            Routes::Fanout { .. } => ShortString::from_static("fanout"),
            Routes::Topic { .. } => ShortString::from_static("topic"),
        };
        let exchange = ShortString::new(name)?;
        let declare = exchange::Declare {
            exchange: exchange.clone(),
            kind,
            durable,
            ..exchange::Declare::default()
        };
        connection.call(&declare, MethodId::EXCHANGE_DECLARE_OK)?;
        let topology = Self { exchange, queues, routes: load.routes };
        topology.bind(connection)?;
        Ok(topology)
    }

    /// One durable queue of this name, which may be there.
    pub(crate) fn queue(connection: &mut Connection, name: &str) -> Result<Self, LoadError> {
        let queue = ShortString::new(name)?;
        connection.call(&declare_queue(queue.clone(), true), MethodId::QUEUE_DECLARE_OK)?;
        Ok(Self { exchange: ShortString::EMPTY, queues: vec![queue], routes: Routes::OneQueue })
    }

    /// How many messages wait in a queue.
    pub(crate) fn ready(connection: &mut Connection, name: &str) -> Result<u64, LoadError> {
        let queue = ShortString::new(name)?;
        let declare = queue::Declare { queue, passive: true, ..queue::Declare::default() };
        let answer = connection.call(&declare, MethodId::QUEUE_DECLARE_OK)?;
        match answer {
            Method::Queue(queue::Method::DeclareOk(declared)) => Ok(declared.message_count.into()),
            _ => Ok(0),
        }
    }

    fn bind(&self, connection: &mut Connection) -> Result<(), LoadError> {
        let patterns = match self.routes {
            Routes::Topic { .. } => PATTERNS_PER_QUEUE,
            Routes::OneQueue | Routes::Fanout { .. } => 1,
        };
        let bindings = self.queues.iter().flat_map(|queue| std::iter::repeat_n(queue, patterns));
        for (index, queue) in bindings.enumerate() {
            let routing_key = match self.routes {
                Routes::Topic { .. } => topic_pattern(index)?,
                Routes::OneQueue | Routes::Fanout { .. } => ShortString::EMPTY,
            };
            let bind = queue::Bind {
                queue: queue.clone(),
                exchange: self.exchange.clone(),
                routing_key,
                no_wait: false,
                arguments: FieldTable::new(),
            };
            connection.push(&bind);
            if index % BINDINGS_PER_WRITE == 0 {
                connection.flush()?;
            }
        }
        connection.flush()?;
        for _ in 0..self.queues.len() * patterns {
            connection.wait_for(MethodId::QUEUE_BIND_OK)?;
        }
        Ok(())
    }

    /// The exchange that messages are published to; empty is the default exchange.
    pub(crate) fn exchange(&self) -> &ShortString {
        &self.exchange
    }

    /// The queues of each consumer.
    pub(crate) fn consumed(&self) -> Vec<&[ShortString]> {
        match self.routes {
            Routes::Topic { .. } => vec![&self.queues],
            Routes::OneQueue | Routes::Fanout { .. } => self.queues.chunks(1).collect(),
        }
    }

    /// How many queues get each message.
    pub(crate) fn copies(&self) -> u64 {
        match self.routes {
            Routes::Fanout { .. } => self.queues.len() as u64,
            Routes::OneQueue | Routes::Topic { .. } => 1,
        }
    }

    /// The routing keys that are published with, in turn. Those of the topic exchange are mixed,
    /// so that neighbours go to different queues.
    pub(crate) fn routing_keys(&self) -> Result<Vec<ShortString>, LoadError> {
        match self.routes {
            Routes::OneQueue => Ok(self.queues.clone()),
            Routes::Fanout { .. } => Ok(vec![ShortString::EMPTY]),
            Routes::Topic { .. } => {
                let count = self.queues.len() * PATTERNS_PER_QUEUE;
                // A prime that does not divide the count leads to every key once.
                (0..count).map(|index| topic_key(index * 7919 % count)).collect()
            }
        }
    }

    /// Deletes it all; returns how many messages were still in the queues.
    pub(crate) fn delete(self, connection: &mut Connection) -> Result<u64, LoadError> {
        if !self.exchange.is_empty() {
            let delete = exchange::Delete { exchange: self.exchange, ..Default::default() };
            connection.call(&delete, MethodId::EXCHANGE_DELETE_OK)?;
        }
        let mut left = 0;
        for queue in self.queues {
            let answer = connection.call(&delete_queue(queue), MethodId::QUEUE_DELETE_OK)?;
            if let Method::Queue(queue::Method::DeleteOk(deleted)) = answer {
                left += u64::from(deleted.message_count);
            }
        }
        Ok(left)
    }
}

/// `queue.declare`.
pub(crate) fn declare_queue(queue: ShortString, durable: bool) -> queue::Declare {
    queue::Declare { queue, durable, ..queue::Declare::default() }
}

/// `queue.delete`.
pub(crate) fn delete_queue(queue: ShortString) -> queue::Delete {
    queue::Delete { queue, ..queue::Delete::default() }
}

/// The binding's pattern; every second has a `#`, the others a `*`. Of all patterns, that with
/// the same number alone matches [`topic_key`].
fn topic_pattern(index: usize) -> Result<ShortString, LoadError> {
    let (units, tens, hundreds, last) = words(index);
    Ok(ShortString::new(match last % 2 {
        0 => format!("t{units}.u{tens}.*.v{hundreds}.w{last}"),
        _ => format!("t{units}.u{tens}.v{hundreds}.#.w{last}"),
    })?)
}

fn topic_key(index: usize) -> Result<ShortString, LoadError> {
    let (units, tens, hundreds, last) = words(index);
    Ok(ShortString::new(match last % 2 {
        0 => format!("t{units}.u{tens}.x.v{hundreds}.w{last}"),
        _ => format!("t{units}.u{tens}.v{hundreds}.x.y.w{last}"),
    })?)
}

/// The digits of the queue's number, and which of its patterns it is.
fn words(index: usize) -> (usize, usize, usize, usize) {
    let queue = index / PATTERNS_PER_QUEUE;
    (queue % 10, queue / 10 % 10, queue / 100, index % PATTERNS_PER_QUEUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(queues: usize) -> Topology {
        let names = (0..queues).map(|index| ShortString::new(format!("q{index}")).unwrap());
        Topology {
            exchange: ShortString::from_static("topic"),
            queues: names.collect(),
            routes: Routes::Topic { queues },
        }
    }

    /// AMQP's rule, written for these tests: `*` is a word, `#` any number of them.
    fn matches(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), _) => {
                (0..=key.len()).any(|skipped| matches(rest, &key[skipped..]))
            }
            (Some((&word, pattern)), Some((&first, key))) => {
                (word == "*" || word == first) && matches(pattern, key)
            }
            _ => false,
        }
    }

    #[test]
    fn every_topic_key_matches_its_own_pattern_alone() {
        let patterns: Vec<_> = (0..10_000).map(|index| topic_pattern(index).unwrap()).collect();
        for index in (0..10_000).step_by(137) {
            let key = topic_key(index).unwrap();
            let key: Vec<_> = key.split('.').collect();
            let matching = patterns
                .iter()
                .enumerate()
                .filter(|(_, pattern)| matches(&pattern.split('.').collect::<Vec<_>>(), &key));
            assert_eq!(matching.map(|(found, _)| found).collect::<Vec<_>>(), [index]);
        }
    }

    #[test]
    fn every_topic_key_is_used_once() {
        let mut keys = topic(1000).routing_keys().unwrap();
        assert_eq!(keys.len(), 10_000);
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 10_000);
    }

    #[test]
    fn a_topic_has_one_consumer_and_a_fanout_one_a_queue() {
        let topic = topic(30);
        assert_eq!((topic.consumed().len(), topic.copies()), (1, 1));
        let fanout = Topology { routes: Routes::Fanout { queues: 30 }, ..topic };
        assert_eq!((fanout.consumed().len(), fanout.copies()), (30, 30));
        assert_eq!(fanout.routing_keys().unwrap(), [ShortString::EMPTY]);
    }
}
