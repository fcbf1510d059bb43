//! What waits to be published: bounded in bytes, and never waited for by who logs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tracing::Level;

use super::AmqpAppender;

/// What was logged.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) target: Box<str>,
    /// When, since 1970.
    pub(super) time: Duration,
    pub(super) text: Bytes,
    /// How often the broker could not take it.
    pub(super) refusals: u32,
}

impl Line {
    /// What it counts.
    fn bytes(&self) -> usize {
        self.text.len() + self.target.len() + AmqpAppender::LINE_OVERHEAD
    }
}

/// What room a line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// What the limit leaves.
    WithinLimit,
    /// As much as it needs: it tells what was dropped, once for each time that lines were taken.
    BeyondLimit,
}

pub(super) struct Buffer {
    limit: usize,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Line>,
    bytes: usize,
    dropped: u64,
    /// Those of them that nobody was told of.
    untold: u64,
}

impl Waiting {
    /// Counts a line in, or as dropped.
    fn has_room_for(&mut self, line: &Line, limit: usize) -> bool {
        let bytes = self.bytes.saturating_add(line.bytes());
        if bytes > limit {
            self.dropped += 1;
            self.untold += 1;
            return false;
        }
        self.bytes = bytes;
        true
    }
}

impl Buffer {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Puts a line behind the others, or drops it.
    pub(super) fn push(&self, line: Line, room: Room) {
        let mut waiting = self.lock();
        let limit = if room == Room::BeyondLimit { usize::MAX } else { self.limit };
        if waiting.has_room_for(&line, limit) {
            waiting.lines.push_back(line);
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Puts lines that were taken before the others again, or drops the oldest of them that find no room.
    pub(super) fn put_back(&self, lines: Vec<Line>) {
        let mut waiting = self.lock();
        for line in lines.into_iter().rev() {
            if waiting.has_room_for(&line, self.limit) {
                waiting.lines.push_front(line);
            }
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Takes the next lines, as many as go together, once there is one.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has taken none.
    pub(super) async fn take(&self) -> Vec<Line> {
        loop {
            let lines = self.try_take();
            if !lines.is_empty() {
                return lines;
            }
            self.arrived.notified().await;
        }
    }

    fn try_take(&self) -> Vec<Line> {
        let mut waiting = self.lock();
        let count = waiting.lines.len().min(AmqpAppender::LINES_MAX);
        let lines: Vec<Line> = waiting.lines.drain(..count).collect();
        let bytes: usize = lines.iter().map(Line::bytes).sum();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        if !waiting.lines.is_empty() {
            // Another application may publish them meanwhile.
            self.arrived.notify_one();
        }
        lines
    }

    /// How many found no room since it was asked last.
    pub(super) fn take_untold(&self) -> u64 {
        std::mem::take(&mut self.lock().untold)
    }

    /// Counts lines that were taken, and that nobody gets.
    pub(super) fn give_up(&self, lines: usize) {
        self.lock().dropped += lines as u64;
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(super) fn len(&self) -> usize {
        self.lock().lines.len()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the lines, which are nobody's who looks at an appender.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("lines", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let text = Bytes::copy_from_slice(text.as_bytes());
        Line { level: Level::INFO, target: "t".into(), time: Duration::ZERO, text, refusals: 0 }
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| std::str::from_utf8(&line.text).unwrap()).collect()
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let buffer = Buffer::new(2 * line("a").bytes());
        for text in ["a", "b", "c", "d"] {
            buffer.push(line(text), Room::WithinLimit);
        }
        buffer.push(line("two were dropped"), Room::BeyondLimit);
        assert_eq!((buffer.dropped(), buffer.take_untold(), buffer.take_untold()), (2, 2, 0));
        assert_eq!(texts(&buffer.try_take()), ["a", "b", "two were dropped"]);
        buffer.push(line("e"), Room::WithinLimit);
        assert_eq!(texts(&buffer.try_take()), ["e"], "there is room again");
        assert_eq!((buffer.dropped(), buffer.take_untold()), (2, 0));
    }

    #[test]
    fn what_is_put_back_is_before_the_others_as_far_as_there_is_room() {
        let buffer = Buffer::new(3 * line("a").bytes());
        ["a", "b", "c"].into_iter().for_each(|text| buffer.push(line(text), Room::WithinLimit));
        let taken = buffer.try_take();
        buffer.push(line("d"), Room::WithinLimit);
        buffer.put_back(taken);
        assert_eq!((buffer.dropped(), buffer.take_untold()), (1, 1));
        assert_eq!(texts(&buffer.try_take()), ["b", "c", "d"]);
    }

    #[test]
    fn so_many_are_taken_at_a_time() {
        let buffer = Buffer::new(usize::MAX);
        (0..=AmqpAppender::LINES_MAX).for_each(|_| buffer.push(line("x"), Room::WithinLimit));
        assert_eq!(buffer.try_take().len(), AmqpAppender::LINES_MAX);
        assert_eq!((buffer.try_take().len(), buffer.len()), (1, 0));
    }
}
