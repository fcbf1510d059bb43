use std::sync::Mutex;

use springhare_amqp::{Message, ShortString};

use super::*;
use crate::model::outlet::{Offered, Outlet, Reader};
use crate::model::queue::{QueueMessage, Ready, SettlementMode};

mod naive;
mod paging;

/// When the clock of these tests started.
const EPOCH: Duration = Duration::from_secs(1_000_000);

/// An outlet that keeps the offsets of what it gets, up to a number of messages.
#[derive(Debug)]
pub(super) struct Tray {
    room: usize,
    messages: Mutex<Vec<QueueMessage>>,
}

impl Tray {
    pub(super) fn with_room(room: usize) -> Arc<Self> {
        Arc::new(Self { room, messages: Mutex::default() })
    }

    /// The offsets of what has come since the last time.
    pub(super) fn take(&self) -> Vec<u64> {
        let messages = std::mem::take(&mut *self.messages.lock().unwrap());
        messages.iter().map(|message| message.position).collect()
    }
}

impl Outlet for Tray {
    fn offer(&self, ready: &mut Ready, max: usize) -> Offered {
        let mut messages = self.messages.lock().unwrap();
        let before = messages.len();
        let room = self.room.saturating_sub(before).min(max);
        messages.extend(std::iter::from_fn(|| ready.pop_front()).take(room));
        Offered { taken: messages.len() - before, charge: 0, reader: Reader::Asleep }
    }

    fn wake(&self) {}

    fn cancelled(&self, _consumer: ConsumerId) {}
}

/// A message that counts for 100 bytes in the log.
pub(super) fn message() -> Arc<PublishedMessage> {
    let body = vec![b'm'; 52 - Message::default().properties.encoded_len()];
    let message = Message { body: body.into(), ..Message::default() };
    let message = PublishedMessage::new(ShortString::EMPTY, ShortString::EMPTY, message);
    Arc::new(message)
}

/// A stream with segments of 300 bytes keeps so much.
pub(super) fn settings(bytes: Option<u64>, age: Option<Duration>) -> Arc<QueueSettings> {
    let segment_bytes = Some(300);
    let mut settings = QueueSettings { max_age: age, segment_bytes, ..QueueSettings::default() };
    settings.limits.bytes = bytes;
    Arc::new(settings)
}

pub(super) fn consumer(id: u64, tray: &Arc<Tray>, prefetch: u16) -> QueueConsumer {
    QueueConsumer {
        id: ConsumerId(id),
        outlet: Arc::<Tray>::clone(tray),
        priority: 0,
        prefetch: Some(prefetch),
        settlement: SettlementMode::Explicit,
    }
}

fn at(seconds: u64) -> Now<'static> {
    Now::at(Duration::from_secs(seconds))
}

/// A stream to which a message came each second from 0 on.
fn stream(settings: Arc<QueueSettings>, messages: u64) -> Stream {
    let mut stream = Stream::new(settings, EPOCH);
    for second in 0..messages {
        append(&mut stream, second);
    }
    stream
}

fn append(stream: &mut Stream, second: u64) {
    stream.advance(&at(second));
    stream.append(message(), 10, None, &at(second));
    stream.dispatch(&mut Wakeups::new());
}

/// What a consumer that begins there gets at once, and after two more messages.
fn read_from(offset: StreamOffset, messages: u64, now: u64) -> (Vec<u64>, Vec<u64>) {
    let mut stream = stream(settings(None, None), messages);
    let tray = Tray::with_room(usize::MAX);
    stream.add_consumer(consumer(1, &tray, 100), offset, &at(now));
    stream.dispatch(&mut Wakeups::new());
    let at_once = tray.take();
    append(&mut stream, now);
    append(&mut stream, now);
    (at_once, tray.take())
}

#[test]
fn a_consumer_begins_where_it_says() {
    let time = |seconds| StreamOffset::Time(EPOCH + Duration::from_secs(seconds));
    let ago = |seconds| StreamOffset::Ago(Duration::from_secs(seconds));
    for (offset, at_once, later) in [
        (StreamOffset::First, vec![0, 1, 2, 3, 4], vec![5, 6]),
        (StreamOffset::Last, vec![4], vec![5, 6]),
        (StreamOffset::Next, vec![], vec![5, 6]),
        (StreamOffset::Number(0), vec![0, 1, 2, 3, 4], vec![5, 6]),
        (StreamOffset::Number(3), vec![3, 4], vec![5, 6]),
        (StreamOffset::Number(6), vec![], vec![6]),
        (StreamOffset::Number(u64::MAX), vec![], vec![]),
        (StreamOffset::Time(Duration::ZERO), vec![0, 1, 2, 3, 4], vec![5, 6]),
        (time(0), vec![0, 1, 2, 3, 4], vec![5, 6]),
        (time(3), vec![3, 4], vec![5, 6]),
        (time(1000), vec![], vec![5, 6]),
        // It is second 10 when the consumer comes.
        (ago(7), vec![3, 4], vec![5, 6]),
        (ago(u64::MAX), vec![0, 1, 2, 3, 4], vec![5, 6]),
        (ago(1), vec![], vec![5, 6]),
    ] {
        assert_eq!(read_from(offset, 5, 10), (at_once, later), "{offset:?}");
    }
    for offset in [StreamOffset::First, StreamOffset::Last, StreamOffset::Next, time(0), ago(1)] {
        assert_eq!(read_from(offset, 0, 10), (vec![], vec![0, 1]), "{offset:?} of nothing");
    }
}

#[test]
fn every_consumer_gets_everything_and_nothing_goes() {
    let mut stream = stream(settings(None, None), 5);
    let (one, other) = (Tray::with_room(usize::MAX), Tray::with_room(usize::MAX));
    stream.add_consumer(consumer(1, &one, 100), StreamOffset::First, &at(5));
    stream.add_consumer(consumer(2, &other, 100), StreamOffset::Number(2), &at(5));
    append(&mut stream, 5);
    assert_eq!(one.take(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(other.take(), [2, 3, 4, 5]);
    stream.settled(ConsumerId(1), 6);
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(one.take(), [0; 0]);
    assert_eq!((stream.message_count(), stream.consumer_count()), (6, 2));
    assert_eq!(stream.held_bytes(), 60);
}

#[test]
fn a_prefetch_is_credit_that_settling_gives_back() {
    let mut stream = stream(settings(None, None), 1000);
    let tray = Tray::with_room(usize::MAX);
    stream.add_consumer(consumer(1, &tray, 300), StreamOffset::First, &at(0));
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(tray.take(), (0..300).collect::<Vec<_>>());
    append(&mut stream, 1000);
    assert_eq!(tray.take(), [0; 0]);
    stream.settled(ConsumerId(1), 2);
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(tray.take(), [300, 301]);
    // More than it has: a mistake elsewhere gives it no more than its prefetch.
    stream.settled(ConsumerId(1), 10_000);
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(tray.take(), (302..602).collect::<Vec<_>>());
}

#[test]
fn what_has_no_room_is_read_later() {
    let mut stream = stream(settings(None, None), 10);
    let tray = Tray::with_room(4);
    stream.add_consumer(consumer(1, &tray, 100), StreamOffset::First, &at(0));
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(tray.take(), [0, 1, 2, 3]);
    stream.settled(ConsumerId(1), 4);
    append(&mut stream, 10);
    assert_eq!(tray.take(), [0; 0], "it waits to hear of room");
    stream.resume(&[ConsumerId(1), ConsumerId(7)]);
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(tray.take(), [4, 5, 6, 7]);
}

#[test]
fn who_is_gone_gets_nothing() {
    let mut stream = stream(settings(None, None), 3);
    let tray = Tray::with_room(usize::MAX);
    stream.add_consumer(consumer(1, &tray, 1), StreamOffset::First, &at(0));
    stream.dispatch(&mut Wakeups::new());
    assert!(stream.remove_consumer(ConsumerId(1)).is_some());
    assert!(stream.remove_consumer(ConsumerId(1)).is_none());
    stream.settled(ConsumerId(1), 1);
    append(&mut stream, 3);
    assert_eq!(tray.take(), [0]);
    stream.add_consumer(consumer(2, &tray, 1), StreamOffset::First, &at(0));
    let (told, _) = stream.delete();
    assert_eq!(told.iter().map(|consumer| consumer.id).collect::<Vec<_>>(), [ConsumerId(2)]);
    assert_eq!((stream.message_count(), stream.held_bytes()), (0, 0));
}

#[test]
fn too_many_bytes_cost_whole_segments_from_the_front() {
    // Three messages a segment; the limit is looked at when one begins.
    let mut stream = stream(settings(Some(600), None), 6);
    assert_eq!(stream.message_count(), 6);
    append(&mut stream, 6);
    assert_eq!(stream.message_count(), 4);
    append(&mut stream, 7);
    append(&mut stream, 8);
    assert_eq!(stream.message_count(), 6);
    let tray = Tray::with_room(usize::MAX);
    stream.add_consumer(consumer(1, &tray, 100), StreamOffset::Number(0), &at(9));
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(tray.take(), [3, 4, 5, 6, 7, 8]);
    assert_eq!(stream.held_bytes(), 60);
    // The segment that is written to stays whatever the limit is.
    stream.apply(settings(Some(0), None), &at(9));
    assert_eq!(stream.message_count(), 3);
}

#[test]
fn a_consumer_that_is_overtaken_goes_on_with_the_first_that_is_kept() {
    let mut stream = stream(settings(Some(300), None), 3);
    let tray = Tray::with_room(usize::MAX);
    stream.add_consumer(consumer(1, &tray, 1), StreamOffset::First, &at(3));
    stream.dispatch(&mut Wakeups::new());
    for second in 3..9 {
        append(&mut stream, second);
    }
    assert_eq!(tray.take(), [0]);
    stream.settled(ConsumerId(1), 1);
    stream.dispatch(&mut Wakeups::new());
    assert_eq!(tray.take(), [6]);
}

#[test]
fn old_segments_go_at_their_time() {
    // The last of the first segment came at second 2, of the second at second 5.
    let mut stream = stream(settings(None, Some(Duration::from_secs(60))), 7);
    assert_eq!(stream.next_due(), Some(Duration::from_secs(62)));
    stream.advance(&at(61));
    assert_eq!(stream.message_count(), 7);
    stream.advance(&at(62));
    assert_eq!((stream.message_count(), stream.next_due()), (4, Some(Duration::from_secs(65))));
    stream.advance(&at(10_000));
    assert_eq!((stream.message_count(), stream.next_due()), (1, None));
    append(&mut stream, 10_001);
    assert_eq!(stream.message_count(), 2, "what is written to stays");
}

#[test]
fn without_a_limit_a_stream_keeps_everything() {
    let mut stream = stream(settings(None, None), 100);
    stream.advance(&at(u64::from(u32::MAX)));
    assert_eq!((stream.message_count(), stream.next_due()), (100, None));
    // Nothing says how large a segment is.
    let mut usual = QueueSettings::default();
    usual.limits.bytes = Some(1);
    let usual = Arc::new(usual);
    let mut unlimited = Stream::new(usual, EPOCH);
    for _ in 0..100 {
        unlimited.append(message(), 10, None, &at(0));
    }
    assert_eq!(unlimited.message_count(), 100);
}
