use bytes::{BufMut, BytesMut};

use crate::ShortString;

/// Writes the basic types of AMQP 0-9-1 (section 4.2.5); the counterpart of
/// [`Reader`](super::Reader).
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    out: &'a mut BytesMut,
    bits: u8,
    bit_count: u8,
}

impl<'a> Writer<'a> {
    #[inline]
    pub(crate) fn new(out: &'a mut BytesMut) -> Self {
        Self { out, bits: 0, bit_count: 0 }
    }

    /// The buffer, with all bits before it written.
    #[inline]
    pub(crate) fn out(&mut self) -> &mut BytesMut {
        if self.bit_count > 0 {
            self.out.put_u8(self.bits);
            self.bits = 0;
            self.bit_count = 0;
        }
        self.out
    }

    /// Writes the bits that are still to be written.
    #[inline]
    pub(crate) fn finish(mut self) {
        self.out();
    }

    #[inline]
    pub(crate) fn bit(&mut self, bit: bool) {
        if self.bit_count == 8 {
            self.out();
        }
        self.bits |= u8::from(bit) << self.bit_count;
        self.bit_count += 1;
    }

    #[inline]
    pub(crate) fn octet(&mut self, value: u8) {
        self.out().put_u8(value);
    }

    #[inline]
    pub(crate) fn short(&mut self, value: u16) {
        self.out().put_u16(value);
    }

    #[inline]
    pub(crate) fn long(&mut self, value: u32) {
        self.out().put_u32(value);
    }

    #[inline]
    pub(crate) fn longlong(&mut self, value: u64) {
        self.out().put_u64(value);
    }

    #[inline]
    pub(crate) fn shortstr(&mut self, text: &ShortString) {
        let bytes = text.as_bytes();
        // A short string has 255 bytes at most, by its type.
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        let out = self.out();
        out.put_u8(length);
        out.put_slice(bytes);
    }

    /// A long string, up to the 4 GiB that its length can say; the rest would be cut.
    #[inline]
    pub(crate) fn longstr(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let bytes = usize::try_from(length).ok().and_then(|length| bytes.get(..length));
        let out = self.out();
        out.put_u32(length);
        out.put_slice(bytes.unwrap_or_default());
    }

    /// What `write` writes, after its length in 32 bits.
    #[inline]
    pub(crate) fn counted(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let out = self.out();
        let start = out.len();
        out.put_u32(0);
        let mut content = Writer::new(out);
        write(&mut content);
        content.finish();
        let length = self.out.len() - start - size_of::<u32>();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(place) = self.out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *place = length.to_be_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_share_an_octet_until_something_else_is_written() {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        for bit in [true, false, true] {
            writer.bit(bit);
        }
        writer.octet(7);
        writer.bit(true);
        writer.finish();
        assert_eq!(&out[..], [0b0000_0101, 7, 1]);
    }

    #[test]
    fn the_ninth_bit_starts_a_second_octet() {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        for bit in [false, false, false, false, false, false, false, true, true] {
            writer.bit(bit);
        }
        writer.finish();
        assert_eq!(&out[..], [0b1000_0000, 1]);
    }

    #[test]
    fn a_counted_part_has_its_length_before_it() {
        let mut out = BytesMut::from(&b"x"[..]);
        Writer::new(&mut out).counted(|writer| {
            writer.shortstr(&ShortString::from_static("ab"));
            writer.counted(|_| {});
            writer.bit(true);
        });
        assert_eq!(&out[..], [b'x', 0, 0, 0, 8, 2, b'a', b'b', 0, 0, 0, 0, 1]);
    }
}
