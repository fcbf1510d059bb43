//! What the files of a store are called.

/// The file by which a folder is known as a store's.
pub(crate) const MARK: &str = "springhare.store";

/// The file whose lock keeps other processes out.
pub(crate) const LOCK: &str = "lock";

/// The folder that damaged files are kept in.
pub(crate) const QUARANTINE: &str = "quarantine";

/// What a file is called while it is written.
pub(crate) const UNFINISHED: &str = ".new";

const SEGMENT: &str = ".log";

/// What a segment's file ends with that is to become another's.
pub(crate) const GIVEN_UP: &str = ".spare";

const INDEX: &str = ".idx";

/// The file of a segment.
pub(crate) fn segment(number: u32) -> String {
    format!("{number:08}{SEGMENT}")
}

/// The file of a segment of which nothing is needed.
pub(crate) fn given_up(number: u32) -> String {
    format!("{number:08}{GIVEN_UP}")
}

/// The file of a segment's index.
pub(crate) fn index(number: u32) -> String {
    format!("{number:08}{INDEX}")
}

/// The number of the segment whose file has this name.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(SEGMENT)?.parse().ok()?;
    (segment(number) == name).then_some(number)
}

/// The number of the segment whose index has this name.
pub(crate) fn index_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(INDEX)?.parse().ok()?;
    (index(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_numbers() {
        for number in [0, 1, 99_999_999, 100_000_000, u32::MAX] {
            assert_eq!(segment_number(&segment(number)), Some(number));
            assert_eq!(index_number(&index(number)), Some(number));
        }
        assert_eq!(segment(7), "00000007.log");
        for other in ["7.log", "0000000007.log", "+0000007.log", "00000007.idx", "a.log", ".log"] {
            assert_eq!(segment_number(other), None, "{other}");
        }
    }
}
