use std::time::Duration;

/// Reads of fewer bytes are small.
const SMALL_BYTES: usize = 4 << 10;

/// Small ones that follow each other as fast as this are a stream of small ones.
const SUCCESSION: Duration = Duration::from_micros(40);

/// How many rounds a session makes in vain before it sleeps after all. A round in vain costs some
/// 100 ns, and the runtime looks for new bytes every 61 rounds of its tasks.
const ROUNDS: u32 = 122;

/// A peer that writes message by message, in quick succession, costs a wake for each, here and
/// there, if the session sleeps in between. It goes round a while instead, and finds several at
/// a time.
///
/// Who sends seldom, or much at a time, is not waited for.
#[derive(Debug, Default)]
pub(super) struct Linger {
    last_read: Duration,
    rounds: u32,
}

impl Linger {
    /// So many bytes were read now.
    pub(super) fn read(&mut self, bytes: usize, now: Duration) {
        let is_quick = now.saturating_sub(self.last_read) < SUCCESSION;
        self.rounds = if bytes < SMALL_BYTES && is_quick { ROUNDS } else { 0 };
        self.last_read = now;
    }

    /// Whether to go round once more before sleeping.
    pub(super) fn go_round(&mut self) -> bool {
        let more = self.rounds > 0;
        self.rounds = self.rounds.saturating_sub(1);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    fn rounds(linger: &mut Linger) -> u32 {
        let mut rounds = 0;
        while linger.go_round() {
            rounds += 1;
        }
        rounds
    }

    #[test]
    fn only_small_reads_in_quick_succession_are_waited_for() {
        let mut linger = Linger::default();
        linger.read(76, 1000 * MICRO);
        assert_eq!(rounds(&mut linger), 0, "the first");
        linger.read(76, 1030 * MICRO);
        assert_eq!(rounds(&mut linger), ROUNDS);
        assert_eq!(rounds(&mut linger), 0, "once");
        linger.read(SMALL_BYTES, 1031 * MICRO);
        assert_eq!(rounds(&mut linger), 0, "much at a time");
        linger.read(76, 1100 * MICRO);
        assert_eq!(rounds(&mut linger), 0, "seldom");
    }
}
