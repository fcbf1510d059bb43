//! A message's content: its number, and bytes that follow from it, so that none can be taken for
//! another or for a part of itself.

/// The largest filling, in bytes; larger than two pages of the disk.
const FILLING_MAX: u64 = 9_000;

/// What the message with this number contains.
pub(crate) fn of(number: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let filling = random.u64(0..FILLING_MAX);
    let mut content = (number as u64).to_be_bytes().to_vec();
    content.extend((0..filling).map(|_| random.u8(..)));
    content
}

/// The number of the message with this content, if it is whole.
pub(crate) fn number(content: &[u8]) -> Option<usize> {
    let (number, _) = content.split_first_chunk()?;
    let number = usize::try_from(u64::from_be_bytes(*number)).ok()?;
    (of(number) == content).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_from_what_is_whole() {
        for number in 0..20 {
            let content = of(number);
            assert_eq!(super::number(&content), Some(number));
            assert_eq!(super::number(&content[..content.len() - 1]), None);
        }
        let mut wrong = of(1);
        wrong[9] ^= 1;
        assert_eq!(number(&wrong), None);
    }
}
