//! Anything that can happen to messages, one after the other.

use std::time::Duration;

use proptest::prelude::*;
use springhare_amqp::{DeliveryMode, MethodId};

use super::host::{Host, TestChannel, name, persistent, table};
use super::queues::{QUEUES, TARGETS, declare, declare_all};
use crate::config::BrokerConfig;
use crate::engine::publish::{Publish, Publishing};
use crate::model::channel::Tags;
use crate::model::pager::READ_AGAIN_AFTER;
use crate::model::queue::{Content, Expires, Returned, SettlementMode};
use crate::store::disk::simulated::{DiskFault, SimulatedDisk};

#[derive(Debug, Clone)]
struct Message {
    target: usize,
    is_persistent: bool,
    priority: u8,
    expiration: Option<u8>,
    delay: u8,
}

#[derive(Debug, Clone)]
enum Step {
    Publish(Vec<Message>),
    /// As the first, but with the journal full.
    PublishInVain(Vec<Message>),
    /// By the channel with a transaction.
    PublishLater(usize, Vec<Message>),
    Commit(usize),
    CommitInVain(usize),
    RollBack(usize),
    Consume {
        channel: usize,
        queue: usize,
        automatic: bool,
    },
    Read {
        channel: usize,
        consumer: usize,
        max: usize,
    },
    Get {
        channel: usize,
        queue: usize,
        automatic: bool,
    },
    Ack(usize, usize),
    AckUpTo(usize, usize),
    Requeue(usize, usize),
    Return(usize, usize),
    Reject(usize, usize),
    Recover(usize),
    Cancel(usize, usize),
    Close(usize),
    Purge(usize),
    /// Deletes a queue, and declares it again.
    Delete(usize),
    /// Its handle is dropped with what it has not read.
    Drop(usize, usize),
    Wait(u64),
    /// Ended in order, or not.
    Restart(bool),
    /// So many reads go on, and then the disk gives nothing; with none, it gives all.
    FailReads(Option<u64>),
}

fn message() -> impl Strategy<Value = Message> {
    let expiration = prop::option::weighted(0.2, 0u8..8);
    (0..TARGETS.len(), prop::bool::weighted(0.7), 0u8..4, expiration, 0u8..9).prop_map(
        |(target, is_persistent, priority, expiration, delay)| Message {
            target,
            is_persistent,
            priority,
            expiration,
            delay,
        },
    )
}

/// The last two channels have transactions.
const CHANNELS: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let messages = || prop::collection::vec(message(), 1..6);
    let (channel, transactional, queue) = (0..CHANNELS, 2..CHANNELS, 0..QUEUES.len());
    let at = || (channel.clone(), any::<usize>());
    prop_oneof![
        12 => messages().prop_map(Step::Publish),
        1 => messages().prop_map(Step::PublishInVain),
        3 => (transactional.clone(), messages()).prop_map(|(at, all)| Step::PublishLater(at, all)),
        2 => transactional.clone().prop_map(Step::Commit),
        1 => transactional.clone().prop_map(Step::CommitInVain),
        1 => transactional.prop_map(Step::RollBack),
        4 => (channel.clone(), queue.clone(), any::<bool>()).prop_map(
            |(channel, queue, automatic)| Step::Consume { channel, queue, automatic }
        ),
        8 => (channel.clone(), any::<usize>(), 1..5usize).prop_map(
            |(channel, consumer, max)| Step::Read { channel, consumer, max }
        ),
        2 => (channel.clone(), queue.clone(), any::<bool>()).prop_map(
            |(channel, queue, automatic)| Step::Get { channel, queue, automatic }
        ),
        4 => at().prop_map(|(channel, at)| Step::Ack(channel, at)),
        1 => at().prop_map(|(channel, at)| Step::AckUpTo(channel, at)),
        3 => at().prop_map(|(channel, at)| Step::Requeue(channel, at)),
        3 => at().prop_map(|(channel, at)| Step::Return(channel, at)),
        3 => at().prop_map(|(channel, at)| Step::Reject(channel, at)),
        1 => channel.clone().prop_map(Step::Recover),
        1 => at().prop_map(|(channel, at)| Step::Cancel(channel, at)),
        1 => at().prop_map(|(channel, at)| Step::Drop(channel, at)),
        1 => channel.clone().prop_map(Step::Close),
        1 => queue.clone().prop_map(Step::Purge),
        1 => queue.prop_map(Step::Delete),
        3 => (1u64..12).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => prop::option::of(0..4u64).prop_map(Step::FailReads),
    ]
}

/// A broker, and who uses it.
struct World {
    host: Host,
    disk: SimulatedDisk,
    channels: Vec<TestChannel>,
    published: u32,
}

impl World {
    fn new(paging: u64) -> Self {
        // Nothing stays then that need not.
        let memory_high_watermark = paging.saturating_add(2);
        let config = BrokerConfig {
            memory_paging_watermark: paging,
            memory_high_watermark,
            ..BrokerConfig::default()
        };
        let disk = SimulatedDisk::new(1);
        let host = Host::on(disk.clone(), config);
        declare_all(&host);
        let mut world = Self { host, disk, channels: Vec::new(), published: 0 };
        world.open_channels();
        world
    }

    fn open_channels(&mut self) {
        self.channels = (0..CHANNELS).map(|at| self.open_channel(at)).collect();
    }

    fn open_channel(&self, at: usize) -> TestChannel {
        let channel = self.host.channel(3);
        if at >= 2 {
            channel.cell.tx_select().unwrap();
        }
        channel
    }

    fn publishes(&mut self, messages: &[Message]) -> Vec<Publish> {
        let publishes = messages.iter().map(|message| {
            let (exchange, routing_key) = TARGETS[message.target];
            self.published += 1;
            let mut publish = persistent(exchange, routing_key, &self.published.to_string());
            let properties = &mut publish.message.properties;
            if !message.is_persistent {
                properties.delivery_mode = Some(DeliveryMode::Transient);
            }
            properties.priority = Some(message.priority);
            properties.expiration = message.expiration.map(|ttl| name(&ttl.to_string()));
            if message.delay > 0 && exchange == "later" {
                properties.headers = Some(table(&[("x-delay", i32::from(message.delay).into())]));
            }
            publish
        });
        publishes.collect()
    }

    fn settle(&mut self, channel: usize, at: usize, how: impl Fn(&TestChannel, u64)) {
        let channel = &mut self.channels[channel];
        if !channel.unsettled.is_empty() {
            let tag = channel.unsettled.remove(at % channel.unsettled.len());
            how(channel, tag);
        }
    }

    fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Publish(_)
            | Step::PublishInVain(_)
            | Step::PublishLater(..)
            | Step::Commit(_)
            | Step::CommitInVain(_)
            | Step::RollBack(_) => self.apply_publishing(step),
            Step::Consume { channel, queue, automatic } => {
                let is_stream = QUEUES[*queue] == "stream";
                let how = if *automatic && !is_stream {
                    SettlementMode::Automatic
                } else {
                    SettlementMode::Explicit
                };
                self.channels[*channel].consume(QUEUES[*queue], how);
            }
            Step::Read { channel, consumer, max } => {
                let channel = &mut self.channels[*channel];
                let consumer = consumer % channel.consumers.len().max(1);
                channel.read(consumer, *max);
            }
            Step::Get { channel, queue, automatic } => {
                let how =
                    if *automatic { SettlementMode::Automatic } else { SettlementMode::Explicit };
                let queue = self.host.queue(QUEUES[*queue]);
                self.channels[*channel].get(&queue, how);
            }
            Step::Ack(..)
            | Step::AckUpTo(..)
            | Step::Requeue(..)
            | Step::Return(..)
            | Step::Reject(..)
            | Step::Recover(_) => self.apply_settlement(step),
            Step::Cancel(channel, at) => {
                let channel = &mut self.channels[*channel];
                if !channel.consumers.is_empty() {
                    let consumer = channel.consumers.remove(at % channel.consumers.len());
                    channel.cell.cancel(&consumer.tag);
                }
            }
            Step::Drop(channel, at) => {
                let channel = &mut self.channels[*channel];
                if !channel.consumers.is_empty() {
                    let consumer = channel.consumers.remove(at % channel.consumers.len());
                    channel.cell.cancel_started(&consumer);
                }
            }
            Step::Close(channel) => self.close(*channel),
            Step::Purge(queue) if QUEUES[*queue] != "stream" => {
                self.host.queue(QUEUES[*queue]).purge();
            }
            Step::Purge(_) => {}
            Step::Delete(queue) => {
                self.host.delete(QUEUES[*queue]);
                declare(&self.host, QUEUES[*queue]);
                for exchange in ["fan", "later"] {
                    self.host.bind(exchange, QUEUES[*queue]);
                }
            }
            Step::Wait(milliseconds) => self.host.advance(*milliseconds),
            Step::Restart(is_orderly) => self.restart(*is_orderly)?,
            Step::FailReads(None) => self.disk.forget_faults(),
            Step::FailReads(Some(reads)) => {
                self.disk.fail_reads_after(*reads, DiskFault::Broken);
            }
        }
        Ok(())
    }

    fn apply_publishing(&mut self, step: &Step) {
        match step {
            Step::Publish(messages) => {
                let publishes = self.publishes(messages);
                let finished = self.host.publish_all(publishes);
                assert_eq!(finished.failure, None);
            }
            Step::PublishInVain(messages) => {
                let publishes = self.publishes(messages);
                self.host.journal.set_full(true);
                let _ = self.host.publish_all(publishes);
                self.host.journal.set_full(false);
            }
            Step::PublishLater(channel, messages) => {
                let publishes = self.publishes(messages);
                let mut publishing = Publishing::by(&self.channels[*channel].cell);
                for publish in publishes {
                    publishing.publish(publish).unwrap();
                }
                let _ = publishing.finish();
            }
            Step::Commit(channel) => {
                let _ = self.channels[*channel].cell.tx_commit(|_| Ok(()));
            }
            Step::CommitInVain(channel) => {
                self.host.journal.set_full(true);
                let committed = self.channels[*channel].cell.tx_commit(|_| Ok(()));
                self.host.journal.set_full(false);
                if committed.is_err() {
                    self.close(*channel);
                }
            }
            Step::RollBack(channel) => self.channels[*channel].cell.tx_rollback().unwrap(),
            _ => {}
        }
    }

    fn apply_settlement(&mut self, step: &Step) {
        let (nack, reject) = (MethodId::BASIC_NACK, MethodId::BASIC_REJECT);
        // What was settled by another step already is unknown.
        match step {
            Step::Ack(channel, at) => self.settle(*channel, *at, |channel, tag| {
                let _ = channel.cell.acknowledge(Tags::One(tag));
            }),
            Step::AckUpTo(channel, at) => self.settle(*channel, *at, |channel, tag| {
                let _ = channel.cell.acknowledge(Tags::UpTo(tag));
            }),
            Step::Requeue(channel, at) => self.settle(*channel, *at, |channel, tag| {
                let _ = channel.cell.requeue(Tags::One(tag), nack, Returned::HandedBack);
            }),
            Step::Return(channel, at) => self.settle(*channel, *at, |channel, tag| {
                let _ = channel.cell.requeue(Tags::One(tag), reject, Returned::Failed);
            }),
            Step::Reject(channel, at) => self.settle(*channel, *at, |channel, tag| {
                let _ = channel.cell.discard(Tags::One(tag), reject);
            }),
            Step::Recover(channel) => {
                self.channels[*channel].cell.recover();
                self.channels[*channel].unsettled.clear();
            }
            _ => {}
        }
    }

    fn close(&mut self, channel: usize) {
        self.channels[channel].cell.close(None);
        self.channels[channel] = self.open_channel(channel);
    }

    /// What is in queues is in the journal; what is there beside that is out.
    fn check(&self) -> Result<(), TestCaseError> {
        let (kept, alive) = (self.host.kept(), self.host.alive());
        let missing: Vec<_> = kept.difference(&alive).collect();
        prop_assert!(missing.is_empty(), "not in the journal: {missing:?}");
        Ok(())
    }

    /// All comes back: what the journal has is what the queues have, and nothing else.
    fn check_quiet(&mut self) -> Result<(), TestCaseError> {
        for channel in std::mem::take(&mut self.channels) {
            channel.cell.close(None);
        }
        prop_assert_eq!(self.host.kept(), self.host.alive());
        Ok(())
    }

    /// A broker that is started again has in its queues what the last one had.
    fn restart(&mut self, is_orderly: bool) -> Result<(), TestCaseError> {
        self.check_quiet()?;
        // What could not be read is tried again.
        self.disk.forget_faults();
        self.host.hand.advance(READ_AGAIN_AFTER);
        // What has expired, and waits for somebody to look, does not come again.
        for _ in 0..QUEUES.len() {
            QUEUES.iter().for_each(|queue| self.host.queue(queue).resume(&[]));
        }
        let before: Vec<_> = QUEUES.map(|queue| self.host.contents(queue)).into();
        let stream = self.host.stream("stream");
        let delayed = self.host.delayed();
        let fresh = Host::new(BrokerConfig::default());
        let host = std::mem::replace(&mut self.host, fresh).restart(is_orderly, Duration::ZERO);
        // One that has expired behind what does not come again is the first now: it dies, and goes to
        // other queues.
        let now = Expires::at(host.broker.shared().clock().now());
        let dies = |it: &Content| it.reference.is_some() && it.expires.is_over(now);
        let is_the_same = !before.iter().flatten().any(dies);
        if is_the_same {
            prop_assert_eq!(host.stream("stream"), stream, "offsets go on");
            prop_assert_eq!(host.delayed(), delayed);
        }
        let queues = QUEUES.iter().zip(before).filter(|(queue, _)| **queue != "transient");
        for (queue, before) in queues.filter(|_| is_the_same) {
            let comes = |it: &Content| it.reference.is_some();
            let mut before: Vec<_> = before.into_iter().filter(comes).collect();
            let mut after: Vec<_> = host.contents(queue).into_iter().filter(comes).collect();
            // What had died and was kept is ready again.
            let key = |content: &Content| (std::cmp::Reverse(content.priority), content.reference);
            let is_in_order = after.iter().filter(|it| it.is_ready).is_sorted_by_key(key);
            prop_assert!(is_in_order, "{}: {:?}", queue, after);
            before.sort_unstable_by_key(key);
            after.sort_unstable_by_key(key);
            for content in before.iter_mut().chain(&mut after) {
                (content.position, content.is_ready) = (0, true);
            }
            for content in &mut before {
                content.redelivered |= !is_orderly;
            }
            prop_assert_eq!(after, before, "{}", queue);
        }
        self.host = host;
        self.host.declare_as("transient", &[], false);
        for exchange in ["fan", "later"] {
            self.host.bind(exchange, "transient");
        }
        self.open_channels();
        prop_assert_eq!(self.host.kept(), self.host.alive());
        Ok(())
    }

    /// Once all was taken, the journal has no message, and no memory is counted.
    fn finish(mut self) -> Result<(), TestCaseError> {
        self.check_quiet()?;
        self.restart(true)?;
        for channel in std::mem::take(&mut self.channels) {
            channel.cell.close(None);
        }
        self.host.advance(60_000);
        for _ in 0..QUEUES.len() {
            for queue in QUEUES.iter().filter(|queue| **queue != "stream") {
                self.host.drain(queue);
            }
            self.host.advance(2_000);
        }
        self.host.delete("stream");
        prop_assert_eq!(self.host.alive().len(), 0);
        prop_assert!(self.host.delayed().is_empty());
        prop_assert_eq!(self.host.broker.shared().memory().used(), 0);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_journal_has_what_queues_have(
        paging in prop_oneof![Just(0u64), Just(3_000), Just(u64::MAX)],
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(paging);
        for step in &steps {
            world.apply(step)?;
            world.check()?;
        }
        world.finish()?;
    }
}
