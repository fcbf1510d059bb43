//! What the body of a message carries.

/// A body of at least so many bytes has the check at its end as well.
const TAIL_FROM: usize = 32;
const TAIL_BYTES: usize = 8;

/// How many bits of the first eight bytes count messages; those above are the producer.
const SEQUENCE_BITS: u32 = 48;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

/// Which message a body is: the first 16 bytes, and in bodies from 32 bytes on the last 8, which
/// are the complement of the first 8, so that a body that was cut or mixed shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The producer, counted from 0.
    pub producer: u16,
    /// The producer's message, counted from 0; 48 bits.
    pub sequence: u64,
    /// When it was sent, or was due, by [`now`](crate::time::now) in nanoseconds.
    pub at: u64,
}

impl Stamp {
    /// Writes itself into the body.
    #[inline]
    pub fn write(self, body: &mut [u8]) {
        let id = self.id().to_be_bytes();
        let length = body.len();
        if let Some((head, rest)) = body.split_first_chunk_mut() {
            *head = id;
            if let Some(at) = rest.first_chunk_mut() {
                *at = self.at.to_be_bytes();
            }
        }
        if length >= TAIL_FROM
            && let Some(tail) = body.last_chunk_mut::<TAIL_BYTES>()
        {
            *tail = (!self.id()).to_be_bytes();
        }
    }

    /// Reads it from a whole body; none when it is not what [`write`](Self::write) left.
    #[inline]
    pub fn read(body: &[u8]) -> Option<Self> {
        let (head, rest) = body.split_first_chunk()?;
        let id = u64::from_be_bytes(*head);
        let at = u64::from_be_bytes(*rest.first_chunk()?);
        if body.len() >= TAIL_FROM && body.last_chunk() != Some(&(!id).to_be_bytes()) {
            return None;
        }
        let producer = u16::try_from(id >> SEQUENCE_BITS).ok()?;
        Some(Self { producer, sequence: id & SEQUENCE_MASK, at })
    }

    fn id(self) -> u64 {
        u64::from(self.producer) << SEQUENCE_BITS | (self.sequence & SEQUENCE_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { producer: 3, sequence: 0x0102_0304_0506, at: 0x1122_3344 };

    #[test]
    fn what_is_written_is_read() {
        for size in [16, 17, 31, 32, 33, 1024] {
            let mut body = vec![b'x'; size];
            STAMP.write(&mut body);
            assert_eq!(Stamp::read(&body), Some(STAMP), "{size} bytes");
            assert_eq!(body.len(), size);
        }
    }

    #[test]
    fn only_the_stamp_is_written() {
        let mut body = [b'x'; 48];
        STAMP.write(&mut body);
        assert_eq!(body[..8], [0, 3, 1, 2, 3, 4, 5, 6]);
        assert_eq!(body[16..40], [b'x'; 24]);
        assert_eq!(body[40..], [!0, !3, !1, !2, !3, !4, !5, !6]);
    }

    #[test]
    fn a_body_that_was_cut_or_mixed_shows() {
        let mut body = vec![b'x'; 64];
        STAMP.write(&mut body);
        assert_eq!(Stamp::read(&body[..63]), None);
        assert_eq!(Stamp::read(&body[..15]), None);
        assert_eq!(Stamp::read(&[]), None);
        body[7] ^= 1;
        assert_eq!(Stamp::read(&body), None);
    }
}
