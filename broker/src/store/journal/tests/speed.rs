use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use springhare_amqp::{Message, MessageProperties, ShortString};

use super::super::{Journal, JournalSettings};
use crate::clock::Clock;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::{Lsn, Reference};
use crate::store::disk::{Access, Disk, Files};

fn message() -> PublishedMessage {
    let properties = MessageProperties::parse(&[0x10, 0, 2]).unwrap();
    let message = Message { properties, body: Bytes::from(vec![7; 1024]) };
    PublishedMessage::new(ShortString::EMPTY, ShortString::from_static("queue"), message)
}

fn wait(journal: &Journal, lsn: Lsn) {
    super::super::threads::wait_until_safe(&journal.core, lsn);
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::too_many_lines, reason = "each measure beside the raw one")]
fn speed() {
    let clock = Clock::system();
    let folder = tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or("/tmp".into())).unwrap();
    for window in [1_usize, 100, 1000] {
        for round in 0..3 {
            let seconds = 1.0;
            // raw
            let disk = Files::new(folder.path(), Access::ReadWrite);
            let bytes = vec![7_u8; window * 1080];
            let size = 16 << 20;
            let (mut number, mut offset) = (0, 0);
            let mut file = disk.create("raw0", size).unwrap();
            let start = clock.now();
            let mut batches = 0_u64;
            while (clock.now() - start).as_secs_f64() < seconds {
                if offset + bytes.len() as u64 > size {
                    disk.remove(&format!("raw{number}")).unwrap();
                    number += 1;
                    offset = 0;
                    file = disk.create(&format!("raw{number}"), size).unwrap();
                }
                file.write_at(&bytes, offset).unwrap();
                offset += bytes.len() as u64;
                file.sync_data().unwrap();
                batches += 1;
            }
            let raw = batches as f64 * window as f64 / (clock.now() - start).as_secs_f64();
            disk.remove(&format!("raw{number}")).unwrap();

            let sub = folder.path().join(format!("journal{window}-{round}"));
            std::fs::create_dir(&sub).unwrap();
            let settings = JournalSettings {
                disk_free_limit: 0,
                disk_free_hard_limit: 0,
                ..JournalSettings::default()
            };
            let opened = Journal::open(&sub, settings).unwrap();
            opened.restore_all(drop).unwrap();
            let journal = opened.journal;
            let now = Duration::from_secs(1_700_000_000);
            let start = clock.now();
            let mut count = 0_u64;
            let mut references: VecDeque<Reference> = VecDeque::new();
            let (mut append_time, mut settle_time) = (Duration::ZERO, Duration::ZERO);
            while (clock.now() - start).as_secs_f64() < seconds {
                let messages: Vec<_> = (0..window).map(|_| message()).collect();
                let at = clock.now();
                let (_, end) = journal
                    .append(0, |append| {
                        for message in &messages {
                            references.push_back(append.message(message, &[QueueId(1)], now, &[]));
                        }
                    })
                    .unwrap();
                append_time += clock.now() - at;
                wait(&journal, end);
                count += window as u64;
                let done: Vec<_> = references.drain(..).collect();
                let at = clock.now();
                journal.settle(&done);
                settle_time += clock.now() - at;
            }
            let rate = count as f64 / (clock.now() - start).as_secs_f64();
            let syncs = journal.syncs();
            let t = |d: Duration| d.as_nanos() as f64 / count as f64;
            println!(
                "window {window}: raw {raw:.0}/s, journal {rate:.0}/s = {:.2}, append {:.0} ns, settle {:.0} ns, {:.2} syncs per window, {:?} files",
                rate / raw,
                t(append_time),
                t(settle_time),
                syncs as f64 * window as f64 / count as f64,
                std::fs::read_dir(&sub).unwrap().count()
            );
            journal.close();
        }
    }
}
