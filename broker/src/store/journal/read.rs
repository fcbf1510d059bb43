//! Reading back what was written.

use std::io::{self, ErrorKind};

use super::core::Core;
use crate::model::message::PublishedMessage;
use crate::model::pager::ReadBack;
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
    pub(super) fn read(&self, segment: u32, messages: &[(Reference, u32)]) -> Vec<ReadBack> {
        let mut found = vec![ReadBack::NotNow; messages.len()];
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
                self.read_segment(part, &mut found, &mut moved);
            }
            wanted = self.find_moved(moved, &mut found);
            if wanted.is_empty() {
                break;
            }
        }
        found
    }

    /// Reads what is in one segment; what is not there any more is `moved`.
    fn read_segment(&self, wanted: &[Wanted], found: &mut [ReadBack], moved: &mut Vec<Wanted>) {
        let Some(segment) = wanted.first().map(|wanted| wanted.segment) else { return };
        if !self.lock().liveness.has_file(segment) {
            moved.extend_from_slice(wanted);
            return;
        }
        let file = match self.files.segment(segment) {
            Ok(file) => file,
            // It was just removed, or else it is missing.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                moved.extend_from_slice(wanted);
                return;
            }
            Err(error) => return self.not_read(segment, &error),
        };
        for span in spans(wanted) {
            if let Err(error) = self.read_as_far(&*file, span, found, moved) {
                return self.not_read(segment, &error);
            }
        }
        if self.files.is_read_again(segment) {
            let file = self.disk.path().join(names::segment(segment));
            tracing::info!(file = %file.display(), "messages can be read back again");
        }
    }

    /// Reads these together, or where the disk does not give all of them, those that come before.
    fn read_as_far(
        &self,
        file: &dyn DiskFile,
        span: &[Wanted],
        found: &mut [ReadBack],
        moved: &mut Vec<Wanted>,
    ) -> io::Result<()> {
        if let Ok(bytes) = read_span(file, span, RECORD_GUESS) {
            self.take_span(&bytes, span, found, moved);
            return Ok(());
        }
        for one in span.chunks(1) {
            // No byte behind it: it may be that one which the disk does not give.
            self.take_span(&read_span(file, one, FRAME_BYTES)?, one, found, moved);
        }
        Ok(())
    }

    /// Takes messages out of bytes that begin with the first of them.
    fn take_span(
        &self,
        bytes: &[u8],
        span: &[Wanted],
        found: &mut [ReadBack],
        moved: &mut Vec<Wanted>,
    ) {
        let start = span.first().map_or(0, |first| first.offset);
        for wanted in span {
            let from = (wanted.offset - start) as usize;
            let message = bytes.get(from..).and_then(|bytes| message_in(bytes, wanted));
            let read = match message {
                Some(message) => ReadBack::Message(message),
                None if !self.lock().liveness.has_file(wanted.segment) => {
                    moved.push(*wanted);
                    continue;
                }
                None => {
                    self.report_damage(wanted.segment, wanted.offset);
                    ReadBack::Lost
                }
            };
            if let Some(place) = found.get_mut(wanted.at) {
                *place = read;
            }
        }
    }

    /// The disk does not give what is in a segment. Told once, until it does.
    fn not_read(&self, segment: u32, error: &io::Error) {
        if self.files.is_not_read(segment) {
            let file = self.disk.path().join(names::segment(segment));
            tracing::error!(
                file = %file.display(),
                %error,
                "messages can't be read back: their queues wait, and it is tried again"
            );
        }
    }

    /// Where those are that were moved.
    fn find_moved(&self, wanted: Vec<Wanted>, found: &mut [ReadBack]) -> Vec<Wanted> {
        let mut log = self.lock();
        let mut missing = None;
        let moved = wanted.into_iter().filter_map(|wanted| {
            let Wanted { at, reference, .. } = wanted;
            match log.liveness.moved(reference) {
                Some((segment, offset)) if segment != wanted.segment => {
                    return Some(Wanted { segment, offset, ..wanted });
                }
                None if !log.liveness.is_alive(reference) => {
                    let reference = reference.number();
                    tracing::error!(reference, "a message is in no segment any more: it is lost");
                    if let Some(place) = found.get_mut(at) {
                        *place = ReadBack::Lost;
                    }
                }
                // Its file may come back.
                _ => missing = Some(wanted.segment),
            }
            None
        });
        let moved = moved.collect();
        drop(log);
        if let Some(segment) = missing {
            self.not_read(segment, &ErrorKind::NotFound.into());
        }
        moved
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

/// Reads from the first of them to the end of the last, as far as it is there. Of the last one, so
/// many bytes are read at first.
fn read_span(file: &dyn DiskFile, span: &[Wanted], guess: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (Some(first), Some(last)) = (span.first(), span.last()) else { return Ok(bytes) };
    let last_at = (last.offset - first.offset) as usize;
    extend(file, &mut bytes, first.offset, last_at + guess)?;
    let length = bytes.get(last_at..).and_then(announced_length).unwrap_or(0);
    if last_at + length > bytes.len() {
        extend(file, &mut bytes, first.offset, last_at.saturating_add(length))?;
    }
    Ok(bytes)
}

/// Reads on until the buffer has so many bytes, or the file has no more.
fn extend(file: &dyn DiskFile, buffer: &mut Vec<u8>, start: u32, bytes: usize) -> io::Result<()> {
    let before = buffer.len();
    // A damaged length may say anything.
    let rest = file.length()?.saturating_sub(u64::from(start));
    let bytes = bytes.min(usize::try_from(rest).unwrap_or(usize::MAX));
    if bytes <= before {
        return Ok(());
    }
    buffer.resize(bytes, 0);
    let rest = buffer.get_mut(before..).unwrap_or_default();
    let read = file.read_at(rest, u64::from(start) + before as u64)?;
    buffer.truncate(before + read);
    Ok(())
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
        Record::Delayed(record) => {
            (record.reference == wanted.reference).then_some(record.content)?
        }
        _ => return None,
    };
    let message = content.to_message()?;
    let place = Place { segment: wanted.segment, offset: wanted.offset, length };
    message.set_stored(Stored { place, end: Lsn::NONE });
    Some(message)
}

/// Reads frames that begin there and are so long, up to the first that is damaged.
///
/// # Errors
///
/// The disk does not give one of them.
pub(super) fn read_frames(file: &dyn DiskFile, frames: &[(u32, u32)]) -> io::Result<Vec<Vec<u8>>> {
    let mut read = Vec::with_capacity(frames.len());
    for (offset, length) in frames {
        let mut bytes = vec![0; (*length as usize).max(FRAME_BYTES)];
        let count = file.read_at(&mut bytes, u64::from(*offset))?;
        bytes.truncate(count);
        if Frame::decode(&bytes).is_none() {
            break;
        }
        read.push(bytes);
    }
    Ok(read)
}
