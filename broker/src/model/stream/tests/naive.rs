//! The stream beside a list that nothing is ever taken out of.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::paging::PAGE_OUT;
use super::*;
use crate::model::pager::Disk;

const SEGMENT_BYTES: u64 = 300;
const MESSAGE_BYTES: u64 = 100;

/// One step of a test.
#[derive(Debug, Clone)]
enum Step {
    Append,
    Wait(u64),
    Add {
        offset: StreamOffset,
        prefetch: u16,
        room: usize,
    },
    /// The n-th consumer settles so many.
    Settle(usize, usize),
    /// The n-th consumer reads what it was sent, and has room again.
    Read(usize),
    Remove(usize),
    /// All is written, and what can be leaves memory.
    PageOut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seconds = || (0u64..40).prop_map(Duration::from_secs);
    let offset = prop_oneof![
        Just(StreamOffset::First),
        Just(StreamOffset::Last),
        Just(StreamOffset::Next),
        (0u64..60).prop_map(StreamOffset::Number),
        seconds().prop_map(|time| StreamOffset::Time(EPOCH + time)),
        seconds().prop_map(StreamOffset::Ago),
    ];
    let add = (offset, 1u16..6, 1usize..6).prop_map(|(offset, prefetch, room)| Step::Add {
        offset,
        prefetch,
        room,
    });
    let step = prop_oneof![
        6 => Just(Step::Append),
        2 => (0u64..5).prop_map(Step::Wait),
        2 => add,
        3 => (0usize..4, 1usize..4).prop_map(|(who, count)| Step::Settle(who, count)),
        3 => (0usize..4).prop_map(Step::Read),
        1 => (0usize..4).prop_map(Step::Remove),
        2 => Just(Step::PageOut),
    ];
    prop::collection::vec(step, 1..120)
}

/// All that ever came, by the second it came at, and how much of it is kept.
#[derive(Debug, Default)]
struct Naive {
    came_at: Vec<u64>,
    first_kept: usize,
    now: u64,
    bytes: Option<u64>,
    age: Option<u64>,
    readers: BTreeMap<u64, NaiveReader>,
}

#[derive(Debug)]
struct NaiveReader {
    position: usize,
    prefetch: usize,
    room: usize,
    unsettled: Vec<usize>,
    unread: Vec<u64>,
    has_refused: bool,
}

impl Naive {
    /// Where the segments begin, found anew from the beginning.
    fn segments(&self) -> Vec<usize> {
        let mut starts = Vec::new();
        let mut bytes = SEGMENT_BYTES;
        for place in 0..self.came_at.len() {
            if bytes >= SEGMENT_BYTES {
                starts.push(place);
                bytes = 0;
            }
            bytes += MESSAGE_BYTES;
        }
        starts
    }

    fn drop_front_while(&mut self, is_too_much: impl Fn(&Self, usize) -> bool) {
        for next in self.segments() {
            if next > self.first_kept && is_too_much(self, next) {
                self.first_kept = next;
            }
        }
    }

    fn drop_old(&mut self) {
        let Some(age) = self.age else { return };
        let now = self.now;
        let is_old = |naive: &Self, next: usize| naive.came_at[next - 1] + age <= now;
        self.drop_front_while(is_old);
    }

    fn append(&mut self) {
        self.came_at.push(self.now);
        let has_rolled = self.segments().last() == Some(&(self.came_at.len() - 1));
        if let Some(max) = self.bytes.filter(|_| has_rolled) {
            self.drop_front_while(|naive, _| {
                let kept = naive.came_at.len() - naive.first_kept;
                u64::try_from(kept).unwrap() * MESSAGE_BYTES > max
            });
        }
        self.drop_old();
    }

    fn resolve(&self, offset: StreamOffset) -> usize {
        let next = self.came_at.len();
        let kept = self.first_kept..next;
        let since = |second: Duration| {
            let is_later = |place: &usize| Duration::from_secs(self.came_at[*place]) >= second;
            kept.clone().find(is_later).unwrap_or(next)
        };
        match offset {
            StreamOffset::First => self.first_kept,
            StreamOffset::Last => kept.clone().last().unwrap_or(next),
            StreamOffset::Next => next,
            StreamOffset::Number(number) => usize::try_from(number).unwrap().max(self.first_kept),
            StreamOffset::Time(time) => since(time - EPOCH),
            StreamOffset::Ago(ago) => since(Duration::from_secs(self.now).saturating_sub(ago)),
        }
    }

    fn deliver(&mut self) {
        for reader in self.readers.values_mut() {
            reader.position = reader.position.max(self.first_kept);
            while !reader.has_refused
                && reader.position < self.came_at.len()
                && reader.unsettled.len() < reader.prefetch
            {
                if reader.unread.len() == reader.room {
                    reader.has_refused = true;
                    break;
                }
                reader.unread.push(u64::try_from(reader.position).unwrap());
                reader.unsettled.push(reader.position);
                reader.position += 1;
            }
        }
    }
}

proptest! {
    #[test]
    fn it_is_a_list_that_nothing_is_taken_out_of(
        steps in steps(),
        bytes in prop::option::of(0u64..1500),
        age in prop::option::of(1u64..30),
        is_paged in any::<bool>(),
    ) {
        let settings = settings(bytes, age.map(Duration::from_secs));
        let disk = Arc::<Disk>::default();
        let pager: Arc<dyn Pager> = Arc::<Disk>::clone(&disk);
        let mut stream = Stream::new(settings, EPOCH).with_pager(is_paged.then_some(pager));
        let mut naive = Naive { bytes, age, ..Naive::default() };
        let mut trays: BTreeMap<u64, Arc<Tray>> = BTreeMap::new();
        for (number, step) in (0u64..).zip(steps) {
            if let Step::Wait(seconds) = step {
                naive.now += seconds;
            }
            let now = at(naive.now);
            stream.advance(&now);
            naive.drop_old();
            let pick = |who: usize| trays.keys().nth(who).copied();
            match step {
                Step::Append => {
                    let message = message();
                    let reference = is_paged.then(|| disk.append(&message));
                    stream.append(message, 10, reference, &now);
                    naive.append();
                }
                Step::Wait(_) => {}
                Step::PageOut => {
                    disk.write();
                    stream.page_out(PAGE_OUT);
                }
                Step::Add { offset, prefetch, room } => {
                    let tray = Tray::with_room(room);
                    stream.add_consumer(consumer(number, &tray, prefetch), offset, &now);
                    trays.insert(number, tray);
                    let reader = NaiveReader {
                        position: naive.resolve(offset),
                        prefetch: prefetch.into(),
                        room,
                        unsettled: Vec::new(),
                        unread: Vec::new(),
                        has_refused: false,
                    };
                    naive.readers.insert(number, reader);
                }
                Step::Settle(who, count) => if let Some(id) = pick(who) {
                    let reader = naive.readers.get_mut(&id).unwrap();
                    let count = count.min(reader.unsettled.len());
                    reader.unsettled.drain(..count);
                    stream.settled(ConsumerId(id), count);
                },
                Step::Read(who) => if let Some(id) = pick(who) {
                    let reader = naive.readers.get_mut(&id).unwrap();
                    prop_assert_eq!(trays[&id].take(), std::mem::take(&mut reader.unread));
                    reader.has_refused = false;
                    stream.resume(&[ConsumerId(id)]);
                },
                Step::Remove(who) => if let Some(id) = pick(who) {
                    prop_assert!(stream.remove_consumer(ConsumerId(id)).is_some());
                    let reader = naive.readers.remove(&id).unwrap();
                    prop_assert_eq!(trays.remove(&id).unwrap().take(), reader.unread);
                },
            }
            stream.dispatch(&mut Wakeups::new());
            naive.deliver();
            let kept = naive.came_at.len() - naive.first_kept;
            prop_assert_eq!(stream.message_count(), kept);
            if !is_paged {
                prop_assert_eq!(stream.held_bytes(), u64::try_from(kept).unwrap() * 10);
            }
            prop_assert_eq!(stream.consumer_count(), naive.readers.len());
        }
        for (id, tray) in trays {
            prop_assert_eq!(tray.take(), std::mem::take(&mut naive.readers.get_mut(&id).unwrap().unread));
        }
    }
}
