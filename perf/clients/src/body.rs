use springhare_perf::stamp::Stamp;
use springhare_perf::time;

/// The size of every body.
const BYTES: usize = 1024;

/// The body of this message, made for it as a user would make one.
pub(crate) fn body(sequence: u64) -> Vec<u8> {
    let mut body = vec![b'x'; BYTES];
    Stamp { producer: 0, sequence, at: time::now() }.write(&mut body);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_tells_its_number() {
        let body = body(77);
        assert_eq!(body.len(), 1024);
        assert_eq!(Stamp::read(&body).map(|stamp| (stamp.producer, stamp.sequence)), Some((0, 77)));
    }
}
