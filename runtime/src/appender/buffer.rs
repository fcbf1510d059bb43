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
}

impl Line {
    /// What it counts.
    fn bytes(&self) -> usize {
        self.text.len() + self.target.len() + AmqpAppender::LINE_OVERHEAD
    }
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

impl Buffer {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Puts a line behind the others, or drops it. One that tells what was dropped has room in any case:
    /// there is one for each time that lines were taken.
    pub(super) fn push(&self, line: Line, tells_dropped: bool) {
        let mut waiting = self.lock();
        let bytes = waiting.bytes.saturating_add(line.bytes());
        if bytes > self.limit && !tells_dropped {
            waiting.dropped += 1;
            waiting.untold += 1;
            return;
        }
        waiting.bytes = bytes;
        waiting.lines.push_back(line);
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
        Line { level: Level::INFO, target: "t".into(), time: Duration::ZERO, text }
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| std::str::from_utf8(&line.text).unwrap()).collect()
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let buffer = Buffer::new(2 * line("a").bytes());
        for text in ["a", "b", "c", "d"] {
            buffer.push(line(text), false);
        }
        buffer.push(line("two were dropped"), true);
        assert_eq!((buffer.dropped(), buffer.take_untold(), buffer.take_untold()), (2, 2, 0));
        assert_eq!(texts(&buffer.try_take()), ["a", "b", "two were dropped"]);
        buffer.push(line("e"), false);
        assert_eq!(texts(&buffer.try_take()), ["e"], "there is room again");
        assert_eq!((buffer.dropped(), buffer.take_untold()), (2, 0));
    }

    #[test]
    fn so_many_are_taken_at_a_time() {
        let buffer = Buffer::new(usize::MAX);
        (0..=AmqpAppender::LINES_MAX).for_each(|_| buffer.push(line("x"), false));
        assert_eq!(buffer.try_take().len(), AmqpAppender::LINES_MAX);
        assert_eq!((buffer.try_take().len(), buffer.len()), (1, 0));
    }
}
