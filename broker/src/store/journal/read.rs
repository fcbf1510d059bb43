//! Reading back what was written.

use super::core::Core;
use crate::model::message::PublishedMessage;
use crate::model::stored::{Lsn, Place, Reference, Stored};
use crate::store::disk::{DiskFile, Keep};
use crate::store::format::frame::{FRAME_BYTES, Frame, announced_length};
use crate::store::format::record::Record;
use crate::store::names::{self, QUARANTINE};

/// What one read takes at the most, unless one record is larger.
const READ_BYTES_MAX: usize = 256 << 10;

/// What a record is thought to take of which nothing is known but where it begins.
const RECORD_GUESS: usize = 4 << 10;

/// How often a message is looked for that is moved meanwhile.
const MOVES_MAX: usize = 8;

impl Core {
    /// Reads messages back, each with its reference and the offset where it was in that segment.
    pub(super) fn read(
        &self,
        segment: u32,
        messages: &[(Reference, u32)],
    ) -> Vec<Option<PublishedMessage>> {
        let mut found: Vec<Option<PublishedMessage>> = vec![None; messages.len()];
        let wanted = messages.iter().enumerate();
        let wanted = wanted.map(|(at, (reference, offset))| Wanted {
            at,
            reference: *reference,
            segment,
            offset: *offset,
        });
        let mut wanted: Vec<Wanted> = wanted.collect();
        for _ in 0..MOVES_MAX {
            wanted.sort_unstable_by_key(|wanted| (wanted.segment, wanted.offset));
            let mut moved = Vec::new();
            for part in wanted.chunk_by(|a, b| a.segment == b.segment) {
                if !self.read_segment(part, &mut found) {
                    moved.extend_from_slice(part);
                }
            }
            if moved.is_empty() {
                break;
            }
            wanted = self.find_moved(moved);
        }
        found
    }

    /// Reads what is in one segment; whether that is there.
    fn read_segment(&self, wanted: &[Wanted], found: &mut [Option<PublishedMessage>]) -> bool {
        let Some(segment) = wanted.first().map(|wanted| wanted.segment) else { return true };
        if !self.lock().liveness.has_file(segment) {
            return false;
        }
        let file = match self.files.segment(segment) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
            Err(error) => {
                let path = self.disk.path().join(names::segment(segment));
                tracing::error!(file = %path.display(), %error, "messages can't be read back");
                return true;
            }
        };
        for part in spans(wanted) {
            let mut buffer = Vec::new();
            let start = part.first().map_or(0, |first| first.offset);
            read_span(&*file, part, &mut buffer);
            for wanted in part {
                let from = (wanted.offset - start) as usize;
                let message = buffer.get(from..).and_then(|bytes| message_in(bytes, wanted));
                if message.is_none() {
                    // It was moved meanwhile, and the file may be another segment by now.
                    if !self.lock().liveness.has_file(segment) {
                        return false;
                    }
                    self.report_damage(segment, wanted.offset);
                }
                if let Some(place) = found.get_mut(wanted.at) {
                    *place = message;
                }
            }
        }
        true
    }

    /// Where those are that were moved; others are gone.
    fn find_moved(&self, wanted: Vec<Wanted>) -> Vec<Wanted> {
        let mut log = self.lock();
        let moved = wanted.into_iter().filter_map(|wanted| {
            let (segment, offset) = log.liveness.moved(wanted.reference)?;
            Some(Wanted { segment, offset, ..wanted })
        });
        moved.collect()
    }

    /// A record can't be read any more. Its segment is put into quarantine, where it stays when it is
    /// removed here.
    pub(super) fn report_damage(&self, segment: u32, offset: u32) {
        self.lock().liveness.quarantined(segment);
        let name = names::segment(segment);
        let path = self.disk.path().join(&name);
        tracing::error!(
            "'{}': the record at byte {offset} is damaged and can't be read; what it held is lost, \
             unless `springhare store dump` can make something of the file, which is kept in \
             '{QUARANTINE}' there",
            path.display()
        );
        if let Err(error) = self.disk.quarantine(&name, &name, Keep::File) {
            tracing::error!(file = %path.display(), %error, "it can't be put into quarantine");
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// Where it is to go.
    at: usize,
    reference: Reference,
    segment: u32,
    offset: u32,
}

/// Those, in the order of their offsets, that are read together.
fn spans(mut wanted: &[Wanted]) -> impl Iterator<Item = &[Wanted]> {
    std::iter::from_fn(move || {
        let first = wanted.first()?.offset;
        let near = |wanted: &&Wanted| ((wanted.offset - first) as usize) < READ_BYTES_MAX;
        let (span, rest) = wanted.split_at(wanted.iter().take_while(near).count());
        wanted = rest;
        Some(span)
    })
}

/// Reads from the first of them to the end of the last, as far as it is there.
fn read_span(file: &dyn DiskFile, span: &[Wanted], buffer: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (span.first(), span.last()) else { return };
    let last_at = (last.offset - first.offset) as usize;
    extend(file, buffer, first.offset, last_at + RECORD_GUESS);
    let length = buffer.get(last_at..).and_then(announced_length).unwrap_or(0);
    if last_at + length > buffer.len() {
        extend(file, buffer, first.offset, last_at.saturating_add(length));
    }
}

/// Reads on until the buffer has so many bytes, or the file has no more.
fn extend(file: &dyn DiskFile, buffer: &mut Vec<u8>, start: u32, bytes: usize) {
    let before = buffer.len();
    // A damaged length may say anything.
    let rest = file.length().unwrap_or(0).saturating_sub(u64::from(start));
    let bytes = bytes.min(usize::try_from(rest).unwrap_or(usize::MAX));
    if bytes <= before {
        return;
    }
    buffer.resize(bytes, 0);
    let read =
        buffer.get_mut(before..).map(|rest| file.read_at(rest, u64::from(start) + before as u64));
    let read = read.and_then(Result::ok).unwrap_or(0);
    buffer.truncate(before + read);
}

/// The message in the frame that `bytes` begin with, if it is the one.
fn message_in(bytes: &[u8], wanted: &Wanted) -> Option<PublishedMessage> {
    let frame = Frame::decode(bytes)?;
    let length = u32::try_from(frame.length()).ok()?;
    let content = match Record::decode(&frame)? {
        Record::Message(mut record) => {
            let is_it = record.queues.any(|(_, reference)| reference == wanted.reference);
            is_it.then_some(record.content)?
        }
        _ => return None,
    };
    let message = content.to_message()?;
    let place = Place { segment: wanted.segment, offset: wanted.offset, length };
    message.set_stored(Stored { place, end: Lsn::NONE });
    Some(message)
}

/// Reads frames that begin there and are so long, up to the first that is not there or damaged.
pub(super) fn read_frames(file: &dyn DiskFile, frames: &[(u32, u32)]) -> Vec<Vec<u8>> {
    let read = |(offset, length): &(u32, u32)| {
        let mut bytes = vec![0; (*length as usize).max(FRAME_BYTES)];
        let read = file.read_at(&mut bytes, u64::from(*offset)).ok()?;
        bytes.truncate(read);
        Frame::decode(&bytes)?;
        Some(bytes)
    };
    frames.iter().map_while(read).collect()
}
