use std::io::Write;
use std::path::Path;

use super::print::{Definition, Queues, References, Texts};
use super::{OfflineError, StoreContents, contents};
use crate::model::stored::Reference;
use crate::store::folder::FolderLook;
use crate::store::format::frame::{Flags, Frame};
use crate::store::format::record::{DelayedRecord, MessageRecord, Record, ReturnedRecord};
use crate::store::recovery::{FoundSegment, Recovered, Step, Walk, inspect};

/// Writes one line for each record of a data folder: where it is, what it is, and whether what it adds
/// is settled. Bodies of messages and hashes of passwords are left out.
///
/// # Errors
///
/// As [`check`](super::check), and if nothing can be written.
pub fn dump(path: impl AsRef<Path>, out: &mut dyn Write) -> Result<StoreContents, OfflineError> {
    let look = FolderLook::open(path.as_ref())?;
    let mut recovered = inspect(&look.disk)?;
    for segment in &recovered.segments {
        dump_segment(&look, &recovered, &segment.found, out)?;
    }
    out.flush().map_err(OfflineError::Output)?;
    Ok(contents(&look, &mut recovered)?)
}

fn dump_segment(
    look: &FolderLook,
    recovered: &Recovered,
    found: &FoundSegment,
    out: &mut dyn Write,
) -> Result<(), OfflineError> {
    let name = found.name();
    let mut reader = found.reader(&look.disk)?;
    let written = match &found.header {
        Some(header) => writeln!(
            out,
            "{name} generation {:08x}, references from {} on, others {}",
            header.generation,
            header.next_reference,
            Texts(header.others.iter().map(|range| match range.start() == range.end() {
                true => range.start().to_string(),
                false => format!("{}-{}", range.start(), range.end()),
            })),
        ),
        None => writeln!(out, "{name} damaged header, generation {:08x}", found.generation),
    };
    written.map_err(OfflineError::Output)?;
    let mut walk = Walk::new(found.generation, found.tail, found.is_reused());
    loop {
        let step = walk.step(&mut reader);
        let written = match step {
            Step::Frame { offset, length, .. } => {
                let frame = reader.known_frame(offset, length);
                let record = frame.as_ref().and_then(Record::decode);
                let line = Line { recovered, frame, record };
                writeln!(out, "{name} {offset} +{length} {line}")
            }
            Step::Damage { from, to } => writeln!(out, "{name} {from} +{} DAMAGED", to - from),
            Step::End { torn: 0, .. } => return Ok(()),
            Step::End { at, torn } => {
                writeln!(out, "{name} {at} +{torn} torn").map_err(OfflineError::Output)?;
                return Ok(());
            }
        };
        written.map_err(OfflineError::Output)?;
    }
}

/// A record in a line.
struct Line<'a> {
    recovered: &'a Recovered,
    frame: Option<Frame<'a>>,
    record: Option<Record<'a>>,
}

impl Line<'_> {
    fn settled(&self, reference: Reference) -> &'static str {
        if self.recovered.settled.contains(reference) { " settled" } else { "" }
    }
}

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.record {
            None => f.write_str("senseless")?,
            Some(Record::Message(MessageRecord {
                published_at,
                queues,
                replaces,
                content,
                ..
            })) => {
                write!(f, "message {} {content}", Queues(*queues, &self.recovered.settled))?;
                write!(f, " published {published_at}")?;
                if replaces.clone().next().is_some() {
                    write!(f, " replaces {}", References(*replaces))?;
                }
            }
            Some(Record::Delayed(record)) => {
                let DelayedRecord { reference, due, virtual_host, exchange, content } = record;
                let number = reference.number();
                let settled = self.settled(*reference);
                write!(f, "delayed {number}{settled} {content} due {due}")?;
                write!(f, " at {exchange:?} in {virtual_host:?}")?;
            }
            Some(Record::Definition { reference, content }) => {
                let settled = self.settled(*reference);
                write!(f, "definition {}{settled} {}", reference.number(), Definition(content))?;
            }
            Some(Record::Settle(runs)) => write!(f, "settle {}", References(*runs))?,
            Some(Record::Returned(record)) => {
                let ReturnedRecord { reference, delivery_count, retry_at } = record;
                write!(f, "returned {} failed {delivery_count}", reference.number())?;
                if let Some(retry_at) = retry_at {
                    write!(f, " retried {retry_at}")?;
                }
            }
            Some(Record::SyncedTo { offset }) => write!(f, "synced to {offset}")?,
            Some(Record::Removed { segment }) => write!(f, "removed segment {segment}")?,
            Some(Record::Clean { delivered_below }) => {
                f.write_str("clean stop")?;
                if *delivered_below > Reference::FIRST.number() {
                    write!(f, ", below {delivered_below} all may have been delivered")?;
                }
            }
        }
        let flags = self.frame.map_or(Flags::NONE, |frame| frame.flags);
        let said = [
            (Flags::MOVED, " moved"),
            (Flags::CONTINUES, " with the one before"),
            (Flags::MORE, " with the next"),
        ];
        said.iter().filter(|(flag, _)| flags.has(*flag)).try_for_each(|(_, text)| f.write_str(text))
    }
}
