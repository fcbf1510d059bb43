use std::sync::Arc;

use crate::store::disk::DiskFile;
use crate::store::format::frame::{FRAME_BYTES, Frame, GENERATION_AT, announced_length};

/// Bytes of a segment in memory at a time; more only for a record that is larger.
const WINDOW_BYTES: usize = 1 << 20;

/// What is read by itself where a larger piece can't be.
const PAGE_BYTES: usize = 4096;

/// Reads a segment's bytes through a window. What the disk can't read is zeros, and counted.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    file: Arc<dyn DiskFile>,
    length: u64,
    window: Vec<u8>,
    start: u64,
    unreadable: Option<(u64, u64)>,
}

impl SegmentReader {
    pub(crate) fn new(file: Arc<dyn DiskFile>) -> std::io::Result<Self> {
        let length = file.length()?;
        Ok(Self { file, length, window: Vec::new(), start: 0, unreadable: None })
    }

    /// The file's bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// From where to where there are bytes that the disk could not read.
    pub(crate) fn unreadable(&self) -> Option<(u64, u64)> {
        self.unreadable
    }

    /// The bytes from there on: at least so many, unless the file ends before.
    pub(crate) fn bytes(&mut self, offset: u64, count: usize) -> &[u8] {
        let end = offset.saturating_add(count as u64).min(self.length);
        let is_in = offset >= self.start && end <= self.start + self.window.len() as u64;
        if !is_in {
            self.fill(offset, count.max(WINDOW_BYTES));
        }
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.window.get(from..).unwrap_or_default()
    }

    fn fill(&mut self, offset: u64, count: usize) {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.window.resize(count.min(left), 0);
        self.start = offset;
        if let Ok(read) = self.file.read_at(&mut self.window, offset) {
            self.window.truncate(read);
            return;
        }
        for (page, at) in self.window.chunks_mut(PAGE_BYTES).zip((offset..).step_by(PAGE_BYTES)) {
            if self.file.read_at(page, at).is_err() {
                page.fill(0);
                let (from, to) = self.unreadable.unwrap_or((at, at));
                self.unreadable = Some((from.min(at), to.max(at + page.len() as u64)));
            }
        }
    }

    /// The whole frame there, if it is of this generation.
    pub(crate) fn frame(&mut self, offset: u64, generation: u32) -> Option<Frame<'_>> {
        let length = announced_length(self.bytes(offset, FRAME_BYTES))?;
        if length as u64 > self.length.saturating_sub(offset) {
            return None;
        }
        let frame = Frame::decode(self.bytes(offset, length))?;
        (frame.generation == generation).then_some(frame)
    }

    /// How many bytes the frame there has if it is of this generation, whole or not.
    pub(crate) fn begun_frame(&mut self, offset: u64, generation: u32) -> Option<u64> {
        let bytes = self.bytes(offset, FRAME_BYTES);
        let length = announced_length(bytes)?;
        let found = bytes.get(GENERATION_AT..)?.first_chunk()?;
        (u32::from_le_bytes(*found) == generation).then_some(length as u64)
    }

    /// The frame there, which [`Self::frame`] has found whole.
    pub(crate) fn known_frame(&mut self, offset: u32, length: u32) -> Option<Frame<'_>> {
        let length = usize::try_from(length).ok()?;
        Frame::decode_unchecked(self.bytes(u64::from(offset), length))
    }

    /// Where the next whole frame of this generation begins, from there on.
    pub(crate) fn find_frame(&mut self, from: u64, generation: u32) -> Option<u64> {
        let wanted = generation.to_le_bytes();
        let mut at = from + GENERATION_AT as u64;
        loop {
            let bytes = self.bytes(at, PAGE_BYTES);
            let page = bytes.get(..PAGE_BYTES).unwrap_or(bytes);
            // It may begin in this page and end in the next.
            let overlap = wanted.len() - 1;
            if page.len() <= overlap {
                return None;
            }
            let has_data = page.iter().any(|byte| *byte != 0);
            let find = || page.windows(wanted.len()).position(|bytes| bytes == wanted);
            match has_data.then(find).flatten() {
                Some(index) => {
                    let candidate = at + index as u64 - GENERATION_AT as u64;
                    if self.frame(candidate, generation).is_some() {
                        return Some(candidate);
                    }
                    at += index as u64 + 1;
                }
                None => at += (page.len() - overlap) as u64,
            }
        }
    }

    /// Where the last byte that is not 0 ends, from there on; `from` if there is none.
    pub(crate) fn data_end(&mut self, from: u64) -> u64 {
        let (mut at, mut end) = (from, from);
        while at < self.length {
            let bytes = self.bytes(at, PAGE_BYTES);
            if bytes.is_empty() {
                break;
            }
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += bytes.len() as u64;
        }
        end
    }
}
