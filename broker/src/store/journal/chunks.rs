//! What was appended and is not written yet.

use std::collections::VecDeque;

use crate::store::format::frame::join_frames;
use crate::store::format::header::SegmentHeader;

/// What a chunk has room for, unless one record takes more.
const CHUNK_BYTES: usize = 256 << 10;

/// Empty chunks that are kept, so that the memory of the next ones is there already.
const SPARES_MAX: usize = 16;

/// What one write takes at the most, unless one chunk is larger, so that syncs need not wait for all.
const WRITE_BYTES_MAX: usize = 4 << 20;

/// Records of one segment that are to be written together.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) segment: u32,
    pub(super) generation: u32,
    /// Where in the segment they begin.
    pub(super) offset: u32,
    pub(super) bytes: Vec<u8>,
    /// Whether the frames are as they are written.
    pub(super) is_sealed: bool,
    /// What comes before the first chunk of a segment.
    pub(super) begins: Option<Begin>,
}

/// A segment that begins.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) header: SegmentHeader,
    /// The size of its file.
    pub(super) size: u64,
}

/// Chunks in the order in which they are to be written.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    waiting: VecDeque<Chunk>,
    spares: Vec<Vec<u8>>,
}

impl Chunks {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A segment begins.
    pub(super) fn begin(&mut self, segment: u32, generation: u32, offset: u32, begin: Begin) {
        let bytes = self.buffer(0);
        let begins = Some(begin);
        self.push(segment, generation, offset, bytes, begins);
    }

    /// Whether what is appended next begins a write.
    pub(super) fn is_cut(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends a frame of at most `bound` bytes there; its length.
    #[inline]
    pub(super) fn append(
        &mut self,
        place: (u32, u32, u32),
        bound: usize,
        put: impl FnOnce(&mut Vec<u8>) -> usize,
    ) -> usize {
        self.make_room(place, bound);
        self.waiting.back_mut().map_or(0, |chunk| put(&mut chunk.bytes))
    }

    /// Begins another chunk there unless so many bytes fit the last one; how many there are in it.
    #[inline]
    pub(super) fn make_room(
        &mut self,
        (segment, generation, offset): (u32, u32, u32),
        bound: usize,
    ) -> usize {
        // One that could not be written stays as it is.
        let has_room = |chunk: &Chunk| {
            let fits = chunk.bytes.len() + bound <= chunk.bytes.capacity();
            !chunk.is_sealed && (chunk.bytes.is_empty() || fits)
        };
        match self.waiting.back().filter(|chunk| has_room(chunk)) {
            Some(chunk) => chunk.bytes.len(),
            None => {
                let bytes = self.buffer(bound);
                self.push(segment, generation, offset, bytes, None);
                0
            }
        }
    }

    /// The frames that were appended to the last chunk from there on belong together.
    pub(super) fn join(&mut self, start: usize) {
        let group = self.waiting.back_mut().and_then(|chunk| chunk.bytes.get_mut(start..));
        join_frames(group.unwrap_or_default());
    }

    /// Takes what is to be written next.
    pub(super) fn take(&mut self) -> VecDeque<Chunk> {
        let mut bytes = 0;
        let mut count = 0;
        for chunk in &self.waiting {
            bytes += chunk.bytes.len();
            if count > 0 && bytes > WRITE_BYTES_MAX {
                break;
            }
            count += 1;
        }
        if count == self.waiting.len() {
            return std::mem::take(&mut self.waiting);
        }
        self.waiting.drain(..count).collect()
    }

    /// Gives back what could not be written.
    pub(super) fn put_back(&mut self, chunks: VecDeque<Chunk>) {
        for chunk in chunks.into_iter().rev() {
            self.waiting.push_front(chunk);
        }
    }

    /// Keeps the memory of a chunk that was written.
    pub(super) fn recycle(&mut self, mut bytes: Vec<u8>) {
        if self.spares.len() < SPARES_MAX && bytes.capacity() == CHUNK_BYTES {
            bytes.clear();
            self.spares.push(bytes);
        }
    }

    /// Nothing is written any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn push(
        &mut self,
        segment: u32,
        generation: u32,
        offset: u32,
        bytes: Vec<u8>,
        begins: Option<Begin>,
    ) {
        let chunk = Chunk { segment, generation, offset, bytes, is_sealed: false, begins };
        self.waiting.push_back(chunk);
    }

    fn buffer(&mut self, bound: usize) -> Vec<u8> {
        match self.spares.pop_if(|_| bound <= CHUNK_BYTES) {
            Some(spare) => spare,
            None => Vec::with_capacity(bound.max(CHUNK_BYTES)),
        }
    }
}
