use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use springhare_amqp::ShortString;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 22 letters of six bits: 128 random bits, as in RabbitMQ's generated names.
const LETTERS: usize = 22;

/// A number by chance, from the same source as names.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// A name that nobody else has: `prefix` and 22 random letters.
///
/// The randomness is that of the standard library's hash keys: enough to be unique, not a
/// secret.
pub(crate) fn name(prefix: &str) -> ShortString {
    let mut name = String::with_capacity(prefix.len() + LETTERS);
    name.push_str(prefix);
    let mut bits = 0u64;
    for letter in 0..LETTERS {
        // Ten letters of six bits from each 64.
        if letter % 10 == 0 {
            bits = RandomState::new().hash_one(letter);
        }
        let six = usize::try_from(bits & 63).unwrap_or_default();
        name.push(char::from(ALPHABET.get(six).copied().unwrap_or(b'A')));
        bits >>= 6;
    }
    ShortString::truncated(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_have_rabbitmqs_length() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| name("amq.gen-")).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == "amq.gen-".len() + 22));
    }
}
