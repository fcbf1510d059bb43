use regex::bytes::Regex;

use crate::model::access::{PatternFault, Refused, check_length, compile, compile_part};

/// How many look-aheads a pattern may begin with: each is looked for in every name, and has its
/// share of the memory that a pattern may take.
const CONDITIONS_MAX: usize = 16;

/// What a name has to match for a policy to count.
///
/// RabbitMQ's users exclude names with a look-ahead at the beginning, `^(?!amq\.)`, as its guides
/// advise. No matcher that takes linear time knows look-aheads, but those at the beginning are
/// patterns of their own: a name must match them, or must not, and then the rest.
#[derive(Debug, Clone)]
pub(super) struct PolicyPattern {
    conditions: Vec<Condition>,
    rest: Regex,
}

#[derive(Debug, Clone)]
struct Condition {
    /// Whether a name has to match it, and not the opposite.
    is_wanted: bool,
    pattern: Regex,
}

impl PolicyPattern {
    /// # Errors
    ///
    /// It is no regular expression, it would match differently in RabbitMQ, or it is too large.
    pub(super) fn new(pattern: &str) -> Result<Self, Refused> {
        check_length(pattern)?;
        let after = pattern.strip_prefix('^').filter(|after| !has_alternatives(after));
        let Some(mut rest) = after else {
            return Ok(Self { conditions: Vec::new(), rest: compile(pattern)? });
        };
        let mut looked = Vec::new();
        while let Some((is_wanted, after)) = looked_ahead(rest) {
            // Without its end it is no pattern, as the compiler says.
            let Some((inner, next)) = split_group(after) else { break };
            if looked.len() == CONDITIONS_MAX {
                let fault = PatternFault::TooManyLookAheads { max: CONDITIONS_MAX };
                return Err(Refused { offset: offset_of(rest, pattern), fault });
            }
            looked.push((is_wanted, inner, offset_of(after, pattern)));
            rest = next;
        }
        let parts = looked.len() + 1;
        let conditions = looked.into_iter().map(|(is_wanted, inner, start)| {
            let pattern = compiled(["^(?:", inner, ")"], start, parts)?;
            Ok(Condition { is_wanted, pattern })
        });
        let conditions = conditions.collect::<Result<_, Refused>>()?;
        let start = offset_of(rest, pattern);
        Ok(Self { conditions, rest: compiled(["^", rest, ""], start, parts)? })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let holds = |condition: &Condition| condition.pattern.is_match(name) == condition.is_wanted;
        self.conditions.iter().all(holds) && self.rest.is_match(name)
    }
}

/// Compiles a part between what it is put into. Where it is wrong is told in terms of the whole
/// pattern, in which it starts at `start`.
fn compiled(
    [before, part, after]: [&str; 3],
    start: usize,
    parts: usize,
) -> Result<Regex, Refused> {
    compile_part(&format!("{before}{part}{after}"), parts).map_err(|refused| {
        let offset = start + refused.offset.saturating_sub(before.len()).min(part.len());
        Refused { offset, ..refused }
    })
}

fn looked_ahead(rest: &str) -> Option<(bool, &str)> {
    let wanted = rest.strip_prefix("(?=").map(|after| (true, after));
    wanted.or_else(|| rest.strip_prefix("(?!").map(|after| (false, after)))
}

/// Where a part of a text that is its end starts.
fn offset_of(end: &str, whole: &str) -> usize {
    whole.len() - end.len()
}

/// What stands before the parenthesis that closes the group which is open already, and after it.
fn split_group(text: &str) -> Option<(&str, &str)> {
    let end = tokens(text).find(|token| (token.depth, token.byte) == (0, b')'))?.at;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Whether there is a `|` outside of all groups: what is before it does not count for what is after.
fn has_alternatives(text: &str) -> bool {
    tokens(text).any(|token| (token.depth, token.byte) == (0, b'|'))
}

/// A character that is neither escaped nor in a class, and how many groups are open before it.
struct Token {
    at: usize,
    byte: u8,
    depth: usize,
}

fn tokens(text: &str) -> impl Iterator<Item = Token> {
    let mut bytes = text.bytes().enumerate().peekable();
    let mut depth = 0_usize;
    std::iter::from_fn(move || {
        let (at, byte) = bytes.next()?;
        let before = depth;
        match byte {
            b'\\' => drop(bytes.next()),
            b'[' => {
                bytes.next_if(|(_, byte)| *byte == b'^');
                // The first is one of the class.
                bytes.next_if(|(_, byte)| *byte == b']');
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b']' => break,
                        _ => {}
                    }
                }
            }
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(Token { at, byte, depth: before })
    })
}
