//! Time to live, length limits, priorities, dead letters, prefetch, requeue, delivery limit and
//! delayed retry, all together, beside a queue that is too simple to be wrong: a list that is
//! sorted each time somebody looks. And the same with messages that are taken out of memory, and
//! what the journal is told.

use super::*;
use crate::model::arguments::{DeadLetterStrategy, Delayed, DelayedRetry};
use crate::model::pager::Disk;
use crate::model::queue::settings::LengthLimits;
use crate::model::stored::Reference;

/// What is done to a queue, and how long after the step before, in milliseconds.
#[derive(Debug, Clone)]
struct Step {
    after: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Publish {
        priority: u8,
        ttl: Option<u64>,
        len: usize,
        kept: bool,
    },
    Get,
    Ack(usize),
    Return(usize, Returned),
    Discard(usize),
    Purge,
    /// All that was published is on the disk now.
    Write,
    PageOut,
    Nothing,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ttl = prop::option::of(prop_oneof![Just(0u64), 1u64..30]);
    let publish = (0u8..6, ttl, 0usize..4, prop::bool::weighted(0.9));
    let what = prop_oneof![
        8 => publish.prop_map(|(priority, ttl, len, kept)| {
            What::Publish { priority, ttl, len, kept }
        }),
        2 => Just(What::Write),
        4 => Just(What::PageOut),
        2 => Just(What::Get),
        3 => any::<usize>().prop_map(What::Ack),
        2 => any::<usize>().prop_map(|at| What::Return(at, Returned::Failed)),
        2 => any::<usize>().prop_map(|at| What::Return(at, Returned::HandedBack)),
        1 => any::<usize>().prop_map(What::Discard),
        1 => Just(What::Nothing),
        1 => prop::bool::weighted(0.1).prop_map(|purge| if purge { What::Purge } else { What::Get }),
    ];
    let after = prop_oneof![3 => Just(0u64), 1 => 1u64..8];
    prop::collection::vec((after, what).prop_map(|(after, what)| Step { after, what }), 1..120)
}

fn settings() -> impl Strategy<Value = QueueSettings> {
    let milliseconds =
        |range| prop::option::of(range).prop_map(|ms: Option<u64>| ms.map(Duration::from_millis));
    let overflow = prop_oneof![
        Just(Overflow::DropHead),
        Just(Overflow::RejectPublish),
        Just(Overflow::RejectPublishDlx),
    ];
    let limits = (prop::option::of(0u64..6), prop::option::of(0u64..12));
    let which = prop_oneof![Just(Delayed::All), Just(Delayed::Failed), Just(Delayed::Returned)];
    let retry = prop::option::of(which.prop_map(|which| DelayedRetry {
        which,
        min: Duration::from_millis(3),
        max: Duration::from_millis(7),
    }));
    let rest = (prop::option::of(0u8..4), prop::option::of(0u32..3), retry, any::<bool>());
    (milliseconds(0u64..20), limits, overflow, rest).prop_map(
        |(message_ttl, (messages, bytes), overflow, (max_priority, limit, retry, has_dlx))| {
            QueueSettings {
                message_ttl,
                limits: LengthLimits { messages, bytes },
                overflow,
                dead_letter: has_dlx.then(|| DeadLetterTo {
                    exchange: ShortString::from_static("dlx"),
                    routing_key: None,
                    strategy: DeadLetterStrategy::AtMostOnce,
                }),
                max_priority,
                delivery_limit: limit,
                delayed_retry: retry,
                ..QueueSettings::default()
            }
        },
    )
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    position: u64,
    priority: u8,
    expires: Option<u64>,
    len: u64,
    deliveries: u32,
}

/// The simple queue. Times are milliseconds.
#[derive(Debug, Default)]
struct Naive {
    settings: QueueSettings,
    prefetch: Option<usize>,
    next: u64,
    now: u64,
    ready: Vec<Entry>,
    delayed: Vec<(u64, Entry)>,
    /// What is out, and whether with the consumer.
    out: Vec<(Entry, bool)>,
    dead: Vec<(u64, DeathReason)>,
    /// What the journal is to know of the last one that came back: its failures, and when it is tried
    /// again.
    returned: Option<(u32, Option<Duration>)>,
}

impl Naive {
    fn sort(&mut self) {
        self.ready.sort_by_key(|entry| (std::cmp::Reverse(entry.priority), entry.position));
    }

    fn is_expired(&self, entry: &Entry) -> bool {
        entry.expires.is_some_and(|at| at <= self.now)
    }

    /// The first dies if it has expired, and then the next.
    fn expire(&mut self) {
        while self.ready.first().is_some_and(|first| self.is_expired(first)) {
            let entry = self.ready.remove(0);
            self.dead.push((entry.position, DeathReason::Expired));
        }
    }

    fn exceeds(&self, more: u64, len: u64) -> bool {
        let bytes = self.ready.iter().map(|entry| entry.len).sum::<u64>() + len;
        let limits = &self.settings.limits;
        limits.messages.is_some_and(|max| self.ready.len() as u64 + more > max)
            || limits.bytes.is_some_and(|max| bytes > max)
    }

    fn drop_excess(&mut self) {
        while self.exceeds(0, 0) && !self.ready.is_empty() {
            let entry = self.ready.remove(0);
            self.dead.push((entry.position, DeathReason::MaxLen));
        }
    }

    fn has_credit(&self) -> bool {
        let with_consumer = self.out.iter().filter(|(_, consumer)| *consumer).count();
        self.prefetch.is_some_and(|prefetch| with_consumer < prefetch)
    }

    fn dispatch(&mut self) {
        while self.has_credit() && !self.ready.is_empty() {
            let entry = self.ready.remove(0);
            if self.is_expired(&entry) {
                self.dead.push((entry.position, DeathReason::Expired));
            } else {
                self.out.push((entry, true));
            }
        }
        self.expire();
    }

    fn publish(&mut self, priority: u8, ttl: Option<u64>, len: u64) -> Enqueued {
        let queues = self.settings.message_ttl.map(ms);
        let ttl = ttl.into_iter().chain(queues).min();
        let entry = Entry {
            position: self.next,
            priority: self.settings.max_priority.map_or(0, |max| priority.min(max)),
            expires: ttl.map(|ttl| self.now + ttl),
            len,
            deliveries: 0,
        };
        self.next += 1;
        if self.settings.overflow != Overflow::DropHead && self.exceeds(1, len) {
            if self.settings.overflow == Overflow::RejectPublishDlx {
                self.dead.push((entry.position, DeathReason::MaxLen));
                return Enqueued::DeadLettered;
            }
            return Enqueued::Refused;
        }
        if self.ready.is_empty() && self.has_credit() {
            self.out.push((entry, true));
            return Enqueued::Taken;
        }
        self.ready.push(entry);
        self.sort();
        self.drop_excess();
        Enqueued::Taken
    }

    fn put_back(&mut self, mut entry: Entry, why: Returned) {
        entry.deliveries += u32::from(why == Returned::Failed);
        self.returned = Some((entry.deliveries, None));
        if self.settings.delivery_limit.is_some_and(|limit| entry.deliveries > limit) {
            self.dead.push((entry.position, DeathReason::DeliveryLimit));
            self.returned = None;
        } else if let Some(retry) = self.settings.delayed_retry.filter(|retry| match why {
            Returned::Failed => retry.which != Delayed::Returned,
            _ => retry.which != Delayed::Failed,
        }) {
            let delay = (3 * u64::from(entry.deliveries.max(1))).min(ms(retry.max));
            self.returned = Some((entry.deliveries, Some(Duration::from_millis(self.now + delay))));
            self.delayed.push((self.now + delay, entry));
        } else {
            self.ready.push(entry);
            self.sort();
        }
        self.expire();
        if self.settings.overflow == Overflow::DropHead {
            self.drop_excess();
        }
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        let now = self.now;
        let due = self.delayed.extract_if(.., |(due, _)| *due <= now).map(|(_, entry)| entry);
        self.ready.extend(due);
        self.sort();
        self.expire();
        self.dispatch();
        if self.settings.overflow == Overflow::DropHead {
            self.drop_excess();
            // The next may have been behind what is dropped, and expired.
            self.expire();
        }
    }
}

fn ms(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}

fn message(priority: u8, ttl: Option<u64>, len: usize) -> PublishedMessage {
    let mut message = Message::new(vec![0; len]);
    message.properties.priority = Some(priority);
    message.properties.expiration = ttl.map(|ttl| ShortString::new(ttl.to_string()).unwrap());
    let (exchange, key) = (ShortString::EMPTY, ShortString::from_static("q"));
    PublishedMessage::new(exchange, key, message)
}

/// Both, and what the real one has given away.
struct Both {
    naive: Naive,
    queue: Queue,
    tray: Arc<Tray>,
    out: Vec<(QueueMessage, bool)>,
    /// What is enqueued and neither acknowledged, purged, refused nor dead.
    alive: usize,
    /// Where the messages are kept that are not in memory; none if all are.
    disk: Option<Arc<Disk>>,
    /// What the journal has, by position.
    kept: BTreeMap<u64, Reference>,
    /// What came back, as the journal is to know it.
    returned: Vec<(Reference, u32, Option<Duration>)>,
}

const CONSUMER: ConsumerId = ConsumerId(1);

impl Both {
    fn new(settings: QueueSettings, prefetch: Option<u16>, disk: Option<Arc<Disk>>) -> Self {
        let pager = disk.clone().map(|disk| -> Arc<dyn Pager> { disk });
        let mut queue = Queue::new(Arc::new(settings.clone()), &start()).with_pager(pager);
        let tray = Tray::with_room(usize::MAX);
        if let Some(prefetch) = prefetch {
            queue.add_consumer(QueueConsumer { prefetch: Some(prefetch), ..consumer(1, &tray) });
        }
        let naive = Naive { settings, prefetch: prefetch.map(usize::from), ..Naive::default() };
        let (kept, returned) = (BTreeMap::new(), Vec::new());
        Self { naive, queue, tray, out: Vec::new(), alive: 0, disk, kept, returned }
    }

    fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.naive.wait(step.after);
        let now = Now::at(Duration::from_millis(self.naive.now));
        self.queue.advance(&now, &mut Wakeups::new());
        match step.what {
            What::Publish { priority, ttl, len, kept } => {
                let message = message(priority, ttl, len);
                let (message, mut charge, mut reference) = (Arc::new(message), 10, None);
                if let Some(disk) = &self.disk {
                    charge = u32::try_from(message.charge()).unwrap();
                    reference = kept.then(|| disk.append(&message));
                    self.kept.extend(reference.map(|reference| (self.naive.next, reference)));
                }
                let mut wakeups = Wakeups::new();
                let taken = self.queue.enqueue(message, charge, reference, &now, &mut wakeups);
                prop_assert_eq!(taken, self.naive.publish(priority, ttl, len as u64));
                self.alive += usize::from(taken != Enqueued::Refused);
            }
            What::Get => {
                let got = self.queue.get(SettlementMode::Explicit, &now).unwrap();
                let expected = (!self.naive.ready.is_empty()).then(|| self.naive.ready.remove(0));
                prop_assert_eq!(
                    got.as_ref().map(|message| message.position),
                    expected.as_ref().map(|entry| entry.position)
                );
                self.out.extend(got.map(|message| (message, false)));
                self.naive.out.extend(expected.map(|entry| (entry, false)));
                self.naive.expire();
            }
            What::Ack(at) | What::Return(at, _) | What::Discard(at) if !self.out.is_empty() => {
                let (message, with_consumer) = self.out.remove(at % self.out.len());
                let place = self.naive.out.iter();
                let place = place.map(|(entry, _)| entry.position);
                let place = place.collect::<Vec<_>>().iter().position(|p| *p == message.position);
                let (entry, _) = self.naive.out.remove(place.unwrap());
                let holder = with_consumer.then_some(CONSUMER);
                match step.what {
                    What::Ack(_) => {
                        self.queue.acknowledge(holder, [&message]);
                        self.alive -= 1;
                    }
                    What::Return(_, why) => {
                        let reference = message.reference;
                        self.queue.put_back(holder, [message], why, &now);
                        self.naive.put_back(entry, why);
                        self.returned.extend(reference.and_then(|reference| {
                            self.naive.returned.map(|(count, at)| (reference, count, at))
                        }));
                    }
                    _ => {
                        self.queue.discard(holder, [message]);
                        self.naive.dead.push((entry.position, DeathReason::Rejected));
                    }
                }
            }
            What::Purge => {
                let purged = self.queue.purge();
                prop_assert_eq!(purged, self.naive.ready.len() + self.naive.delayed.len());
                self.naive.ready.clear();
                self.naive.delayed.clear();
                self.alive -= purged;
            }
            What::Write => self.disk.iter().for_each(|disk| disk.write()),
            What::PageOut => {
                self.queue.page_out(PageOut { warm_bytes: 600, least_bytes: 0, shelved_bytes: 0 });
            }
            What::Ack(_) | What::Return(..) | What::Discard(_) | What::Nothing => {}
        }
        self.queue.dispatch(&mut Wakeups::new());
        self.naive.dispatch();
        self.compare()
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let given: Vec<_> = self.tray.take();
        let given: Vec<_> = given.into_iter().map(|message| (message, true)).collect();
        self.out.extend(given);
        let positions = |out: &[(QueueMessage, bool)]| -> Vec<_> {
            out.iter().map(|(message, by)| (message.position, *by)).collect()
        };
        let mut expected: Vec<_> =
            self.naive.out.iter().map(|(entry, by)| (entry.position, *by)).collect();
        // The order of what the consumer got since the last look, and else the same ones.
        let mut got = positions(&self.out);
        prop_assert_eq!(got.len(), expected.len());
        if got != expected {
            got.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(got, expected);
        }
        prop_assert_eq!(self.queue.ready_count(), self.naive.ready.len());
        let mut naive_dead = std::mem::take(&mut self.naive.dead);
        self.alive -= naive_dead.len();
        let dead = self.queue.take_dead();
        prop_assert_eq!(
            dead.is_some(),
            !naive_dead.is_empty() && self.queue.settings().dead_letter.is_some()
        );
        if let Some(DeadBatch { dead, .. }) = dead {
            let mut died: Vec<_> = dead.iter().map(|d| (d.message.position, d.reason)).collect();
            died.sort_unstable_by_key(|(position, _)| *position);
            naive_dead.sort_unstable_by_key(|(position, _)| *position);
            prop_assert_eq!(died, naive_dead);
            self.queue.dead_lettered(&dead, Vec::new(), &start());
        }
        if self.disk.is_none() {
            let held = self.alive as u64 * 10;
            prop_assert_eq!(self.queue.held_bytes(), held, "nothing lost or doubled");
        }
        self.compare_journal()?;
        let first = self.naive.ready.first();
        let retries = self.naive.delayed.iter().map(|(due, _)| *due);
        let due = first.and_then(|entry| entry.expires).into_iter().chain(retries).min();
        prop_assert_eq!(self.queue.next_due(), due.map(Duration::from_millis));
        Ok(())
    }

    /// What the journal is told is what has happened.
    fn compare_journal(&mut self) -> Result<(), TestCaseError> {
        let JournalChanges { settled, returned, .. } = self.queue.take_changes();
        for reference in settled.all() {
            let known = self.kept.iter().find(|(_, kept)| **kept == reference);
            let position = known.map(|(position, _)| *position);
            prop_assert!(position.is_some(), "{reference:?} is settled twice");
            self.kept.remove(&position.unwrap());
        }
        let returned = returned.into_iter();
        let returned: Vec<_> =
            returned.map(|it| (it.reference, it.delivery_count, it.retry_at)).collect();
        prop_assert_eq!(returned, std::mem::take(&mut self.returned));
        let Naive { ready, delayed, out, .. } = &self.naive;
        let delayed = delayed.iter().map(|(_, entry)| entry);
        let out = out.iter().map(|(entry, _)| entry);
        let alive = ready.iter().chain(delayed).chain(out).map(|entry| entry.position);
        let alive: std::collections::BTreeSet<u64> = alive.collect();
        let lost = self.kept.keys().find(|position| !alive.contains(position));
        prop_assert_eq!(lost, None, "what is done with is settled");
        Ok(())
    }

    /// What is ready at the end comes out in order.
    fn finish(mut self) -> Result<(), TestCaseError> {
        let now = Now::at(Duration::from_millis(self.naive.now));
        self.queue.advance(&now, &mut Wakeups::new());
        while let Ok(Some(message)) = self.queue.get(SettlementMode::Automatic, &now) {
            let entry = self.naive.ready.remove(0);
            prop_assert_eq!((message.position, message.priority), (entry.position, entry.priority));
            self.naive.expire();
        }
        prop_assert!(self.naive.ready.is_empty());
        for (message, with_consumer) in std::mem::take(&mut self.out) {
            self.queue.acknowledge(with_consumer.then_some(CONSUMER), [&message]);
        }
        self.queue.purge();
        self.queue.apply(Arc::default(), &now);
        prop_assert_eq!(self.queue.held_bytes(), 0);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn all_features_together_are_a_sorted_list(
        settings in settings(),
        prefetch in prop::option::of(1u16..4),
        steps in steps(),
    ) {
        let mut both = Both::new(settings, prefetch, None);
        for step in steps {
            both.apply(&step)?;
        }
        both.finish()?;
    }

    #[test]
    fn they_are_so_whatever_is_in_memory(
        settings in settings(),
        prefetch in prop::option::of(1u16..4),
        steps in steps(),
    ) {
        let mut both = Both::new(settings, prefetch, Some(Arc::default()));
        for step in steps {
            both.apply(&step)?;
        }
        both.finish()?;
    }
}
