//! What of a stream is in memory, and what is on the disk alone.

use super::*;
use crate::model::pager::Disk;

pub(super) const PAGE_OUT: PageOut = PageOut { warm_bytes: 0, least_bytes: 0, shelved_bytes: 0 };

/// A stream of so many messages, all of them on the disk alone.
fn paged(messages: u64) -> (Stream, Arc<Disk>, Vec<Reference>) {
    let disk = Arc::<Disk>::default();
    let pager: Arc<dyn Pager> = Arc::<Disk>::clone(&disk);
    let mut stream = Stream::new(settings(None, None), EPOCH).with_pager(Some(pager));
    let references = (0..messages).map(|_| append_kept(&mut stream, &disk)).collect();
    disk.write();
    stream.page_out(PAGE_OUT);
    (stream, disk, references)
}

fn append_kept(stream: &mut Stream, disk: &Disk) -> Reference {
    let message = message();
    let reference = disk.append(&message);
    let charge = u32::try_from(message.charge()).unwrap();
    stream.append(message, charge, Some(reference), &at(0));
    stream.dispatch(&mut Wakeups::new());
    reference
}

fn dispatch(stream: &mut Stream, second: u64) {
    stream.advance(&at(second));
    stream.dispatch(&mut Wakeups::new());
    stream.pause_reading(&at(second));
}

#[test]
fn what_is_on_the_disk_alone_is_read_for_each_consumer() {
    let (mut stream, disk, _) = paged(100);
    assert_eq!((stream.held_bytes(), disk.reads()), (100 * 32, 0));
    append_kept(&mut stream, &disk);
    let (one, other) = (Tray::with_room(usize::MAX), Tray::with_room(usize::MAX));
    stream.add_consumer(consumer(1, &one, 1_000), StreamOffset::First, &at(0));
    stream.add_consumer(consumer(2, &other, 1_000), StreamOffset::Number(98), &at(0));
    dispatch(&mut stream, 0);
    assert_eq!((one.take(), other.take()), ((0..101).collect(), vec![98, 99, 100]));
    assert!(disk.reads() < 30, "many are read at a time: {}", disk.reads());
    assert!(stream.held_bytes() < 100 * 32 + 1_000, "what was read is the consumers'");
}

#[test]
fn what_can_not_be_read_is_passed_over_and_keeps_its_offset() {
    let (mut stream, disk, references) = paged(20);
    for lost in [0, 7, 8, 19] {
        disk.damage(references[lost]);
    }
    for id in 1..3 {
        let tray = Tray::with_room(usize::MAX);
        stream.add_consumer(consumer(id, &tray, 1_000), StreamOffset::First, &at(0));
        dispatch(&mut stream, 0);
        let readable = (0..20).filter(|offset| ![0, 7, 8, 19].contains(offset));
        assert_eq!(tray.take(), readable.collect::<Vec<u64>>());
    }
    append_kept(&mut stream, &disk);
    assert_eq!(stream.contents().last().map(|(offset, _)| *offset), Some(20));
    let mut settled = stream.delete().1.all();
    settled.sort_unstable();
    assert_eq!(settled.len(), 21, "what is lost is settled too");
}

#[test]
fn what_the_disk_does_not_give_waits_and_comes_in_order() {
    let (mut stream, disk, references) = paged(20);
    disk.fail_from(Some(references[6]));
    let (old, new) = (Tray::with_room(usize::MAX), Tray::with_room(usize::MAX));
    stream.add_consumer(consumer(1, &old, 1_000), StreamOffset::First, &at(0));
    stream.add_consumer(consumer(2, &new, 1_000), StreamOffset::Next, &at(0));
    dispatch(&mut stream, 0);
    assert_eq!(old.take(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(stream.next_due(), Some(READ_AGAIN_AFTER));
    let reads = disk.reads();
    append_kept(&mut stream, &disk);
    assert_eq!((new.take(), disk.reads()), (vec![20], reads), "who reads along is not held up");
    dispatch(&mut stream, 1);
    assert!(disk.reads() > reads && old.take().is_empty());
    disk.fail_from(None);
    dispatch(&mut stream, 2);
    assert_eq!((old.take(), stream.next_due()), ((6..21).collect::<Vec<_>>(), None));
}

#[test]
fn who_waits_for_what_the_disk_does_not_give_holds_nobody_up() {
    let (mut stream, disk, references) = paged(20);
    disk.fail_from(Some(references[12]));
    let trays: Vec<_> = (0..3).map(|_| Tray::with_room(usize::MAX)).collect();
    for (id, from) in [(1, 15), (2, 15), (3, 0)] {
        let tray = &trays[usize::try_from(id).unwrap() - 1];
        stream.add_consumer(consumer(id, tray, 1_000), StreamOffset::Number(from), &at(0));
    }
    dispatch(&mut stream, 0);
    assert_eq!(trays[2].take(), (0..12).collect::<Vec<u64>>());
    assert!(trays[0].take().is_empty() && trays[1].take().is_empty());
    let reads = disk.reads();
    dispatch(&mut stream, 0);
    assert_eq!(disk.reads(), reads);
    dispatch(&mut stream, 1);
    assert_eq!(disk.reads(), reads + 2, "a message is tried once for all who wait for it");
    disk.fail_from(None);
    dispatch(&mut stream, 2);
    assert_eq!(trays[0].take(), (15..20).collect::<Vec<u64>>());
    assert_eq!(trays[1].take(), (15..20).collect::<Vec<u64>>());
    assert_eq!(trays[2].take(), (12..20).collect::<Vec<u64>>());
}
