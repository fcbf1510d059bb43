use bytes::Bytes;

use super::DecodeError;
use crate::ShortString;

/// Reads the basic types of AMQP 0-9-1 (section 4.2.5) from the start of what is left.
///
/// Consecutive bits come from one octet, the first from its lowest bit; whatever is read
/// between two bits ends the octet.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    bits: u8,
    bits_left: u8,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, bits: 0, bits_left: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes that were not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Fails when something is left.
    #[inline]
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    #[inline]
    pub(crate) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) =
            self.bytes.split_at_checked(length).ok_or(DecodeError::Truncated { field })?;
        self.bytes = rest;
        self.bits_left = 0;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (taken, rest) =
            self.bytes.split_first_chunk().ok_or(DecodeError::Truncated { field })?;
        self.bytes = rest;
        self.bits_left = 0;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn bit(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        if self.bits_left == 0 {
            self.bits = self.octet(field)?;
            self.bits_left = 8;
        }
        let bit = self.bits & 1 == 1;
        self.bits >>= 1;
        self.bits_left -= 1;
        Ok(bit)
    }

    #[inline]
    pub(crate) fn octet(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn short(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn long(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn longlong(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// The bytes of a short string, whatever they say.
    #[inline]
    pub(crate) fn short_bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.octet(field)?;
        self.take(length.into(), field)
    }

    /// The bytes after a length of 32 bits: a long string, a table, an array.
    #[inline]
    pub(crate) fn long_bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.long(field)?;
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated { field })?;
        self.take(length, field)
    }

    #[inline]
    pub(crate) fn shortstr(&mut self, field: &'static str) -> Result<ShortString, DecodeError> {
        let text = std::str::from_utf8(self.short_bytes(field)?)
            .map_err(|_| DecodeError::NotUtf8 { field })?;
        Ok(ShortString::truncated(text))
    }

    /// A short string whose bytes need not be UTF-8: what is not becomes U+FFFD, and what then
    /// exceeds a short string is cut.
    #[inline]
    pub(crate) fn shortstr_lossy(
        &mut self,
        field: &'static str,
    ) -> Result<ShortString, DecodeError> {
        let bytes = self.short_bytes(field)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => ShortString::truncated(text),
            Err(_) => ShortString::truncated(&String::from_utf8_lossy(bytes)),
        })
    }

    #[inline]
    pub(crate) fn longstr(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        self.long_bytes(field).map(Bytes::copy_from_slice)
    }

    /// A long string that is nobody's business.
    #[inline]
    pub(crate) fn secret(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        self.longstr(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_share_an_octet_until_something_else_is_read() {
        let mut reader = Reader::new(&[0b0000_0101, 7, 1]);
        assert!(reader.bit("a").unwrap());
        assert!(!reader.bit("b").unwrap());
        assert!(reader.bit("c").unwrap());
        assert_eq!(reader.octet("d"), Ok(7));
        assert!(reader.bit("e").unwrap());
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn the_ninth_bit_is_in_a_second_octet() {
        let mut reader = Reader::new(&[0, 1]);
        let bits: Vec<bool> = (0..9).map(|_| reader.bit("bit").unwrap()).collect();
        assert_eq!(bits, [false, false, false, false, false, false, false, false, true]);
    }

    #[test]
    fn a_length_beyond_the_bytes_is_an_error_and_no_allocation() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(reader.longstr("response"), Err(DecodeError::Truncated { field: "response" }));
    }

    #[test]
    fn a_text_that_is_not_utf8_is_refused_or_replaced() {
        let bytes = [2, 0xff, b'a'];
        assert_eq!(
            Reader::new(&bytes).shortstr("queue"),
            Err(DecodeError::NotUtf8 { field: "queue" })
        );
        assert_eq!(Reader::new(&bytes).shortstr_lossy("app_id").unwrap(), "\u{fffd}a");
        let mut many = vec![255];
        many.extend([0xff; 255]);
        assert_eq!(Reader::new(&many).shortstr_lossy("app_id").unwrap().len(), 255);
    }
}
