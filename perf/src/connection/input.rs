use springhare_amqp::wire::{Frame, FrameError};

/// From so many bytes on that are left at the end, what is unread is not moved to the front.
const SPARE_MIN: usize = 64 * 1024;

/// What was received and not looked at yet.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The largest frame that was agreed on.
    pub(super) frame_max: usize,
}

impl Input {
    pub(super) fn new(capacity: usize, frame_max: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0, frame_max }
    }

    /// Where the next bytes go; empty when there is no room.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.bytes.len() - self.end < SPARE_MIN {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes note that so many bytes were received.
    pub(super) fn received(&mut self, count: usize) {
        self.end += count;
    }

    /// The next frame that is whole.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let unread = self.bytes.get(self.start..self.end).unwrap_or_default();
        let frame = Frame::decode(unread, self.frame_max)?;
        self.start += frame.as_ref().map_or(0, Frame::encoded_len);
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use springhare_amqp::wire::{FRAME_MIN_SIZE, encode_body_frame};

    use super::*;

    #[test]
    fn frames_come_out_however_the_bytes_come_in() {
        let mut sent = BytesMut::new();
        for length in (0..2000).step_by(97) {
            encode_body_frame(1, &vec![b'x'; length], &mut sent);
        }
        for step in [1, 7, 100, 4096] {
            let mut input = Input::new(5000, FRAME_MIN_SIZE);
            let mut lengths = Vec::new();
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let spare = input.spare();
                let count = step.min(spare.len()).min(rest.len());
                spare[..count].copy_from_slice(&rest[..count]);
                input.received(count);
                rest = &rest[count..];
                while let Some(frame) = input.next_frame().unwrap() {
                    lengths.push(frame.payload.len());
                }
            }
            assert_eq!(lengths, (0..2000).step_by(97).collect::<Vec<_>>(), "{step} at a time");
        }
    }
}
