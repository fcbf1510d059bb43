use bytes::Bytes;

/// What a body that comes in several frames gets at first; it grows with what arrives, never with
/// what its header says.
const FIRST_CAPACITY: usize = 64 << 10;

/// The body of a content, put together from its frames (AMQP 0-9-1 section 4.2.6.2).
///
/// ```
/// use springhare_amqp::wire::BodyAssembly;
///
/// let mut body = BodyAssembly::expecting(5);
/// assert_eq!(body.add(b"he")?, None);
/// assert_eq!(body.add(b"llo")?.as_deref(), Some(&b"hello"[..]));
/// # Ok::<(), springhare_amqp::wire::BodyOverSize>(())
/// ```
#[derive(Debug)]
pub struct BodyAssembly {
    body: Vec<u8>,
    missing: usize,
}

/// A body frame has more than the header announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body has more than the {announced} bytes of its header")]
pub struct BodyOverSize {
    /// The size that the header announced, in bytes.
    pub announced: usize,
}

impl BodyAssembly {
    /// A body of `size` bytes, of which none has come.
    #[must_use]
    pub fn expecting(size: usize) -> Self {
        Self { body: Vec::new(), missing: size }
    }

    /// The bytes that are kept of it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// Adds the payload of a body frame; the whole body, if that was the last one.
    ///
    /// # Errors
    ///
    /// [`BodyOverSize`] for more than was announced.
    pub fn add(&mut self, payload: &[u8]) -> Result<Option<Bytes>, BodyOverSize> {
        let Some(left) = self.missing.checked_sub(payload.len()) else {
            return Err(BodyOverSize { announced: self.body.len() + self.missing });
        };
        self.missing = left;
        // Copied once, from where it was read: in place it would keep a buffer alive that is many
        // times its own size, and the next frames would need another one.
        if left == 0 && self.body.is_empty() {
            return Ok(Some(Bytes::copy_from_slice(payload)));
        }
        if self.body.capacity() - self.body.len() < payload.len() {
            let wanted = self.body.len().max(FIRST_CAPACITY).max(payload.len());
            self.body.reserve_exact(wanted.min(payload.len().saturating_add(left)));
        }
        self.body.extend_from_slice(payload);
        Ok((left == 0).then(|| Bytes::from(std::mem::take(&mut self.body))))
    }
}
