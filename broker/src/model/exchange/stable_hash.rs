/// A hash that is the same in every run and every version (FNV-1a, its bits mixed at the end): a
/// message's queue must not change with the program.
#[derive(Debug, Clone, Copy)]
pub(super) struct StableHash(u64);

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl StableHash {
    pub(super) fn new() -> Self {
        Self(OFFSET)
    }

    /// The hash of one text.
    pub(super) fn of(bytes: &[u8]) -> u64 {
        Self::new().with(bytes).finish()
    }

    /// This, then `bytes`, whose length counts too.
    pub(super) fn with(self, bytes: &[u8]) -> Self {
        let length = (bytes.len() as u64).to_le_bytes();
        let bytes = length.iter().chain(bytes);
        Self(bytes.fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
    }

    pub(super) fn finish(self) -> u64 {
        mixed(self.0)
    }
}

/// Spreads what differs between numbers over all their bits (the finalizer of SplitMix64).
pub(super) fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_the_same_and_parts_are_not_run_together() {
        assert_eq!(StableHash::of(b""), 0x813f_0174_a236_7c13);
        assert_eq!(StableHash::of(b"orders.42"), 0xa9af_6d65_1e8e_dc0f);
        let parts = |parts: [&[u8]; 2]| StableHash::new().with(parts[0]).with(parts[1]).finish();
        assert_ne!(parts([b"ab", b"c"]), parts([b"a", b"bc"]));
    }
}
