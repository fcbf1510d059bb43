//! Names and times that are others in each run.

/// What brokers and applications begin the names with that they make.
const GENERATED: [&str; 4] = ["amq.gen-", "amq.ctag-", "springhare.gen-", "amq.rabbitmq.reply-to."];

/// What a case's own names begin with; a number follows.
const CASE: &str = "case";

/// What comes before a virtual host's name; a quote follows it.
const VHOST: &str = "vhost '";

/// What comes before a time; a parenthesis follows it.
const TIME: &str = "Timestamp(";

/// The numbers of the cases that have been seen, in order.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// The text with names that are the same in each run.
    pub(super) fn evened_out(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix(CASE)
                && after.starts_with(|c: char| c.is_ascii_digit())
            {
                let (number, after) = split(after, |c| c.is_ascii_digit());
                out += CASE;
                out += &self.place_of(number);
                rest = after;
            } else if let Some(prefix) = GENERATED.iter().find(|prefix| rest.starts_with(**prefix))
            {
                out += prefix;
                out.push('*');
                rest = split(&rest[prefix.len()..], is_generated).1;
            } else if let Some(after) = rest.strip_prefix(VHOST) {
                out += VHOST;
                out.push('*');
                rest = split(after, |c| c != '\'').1;
            } else if let Some(after) = rest.strip_prefix(TIME) {
                out += TIME;
                out.push('*');
                rest = split(after, |c| c != ')').1;
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        out
    }

    /// Nothing for the first case that was seen, and 2 for the second.
    fn place_of(&mut self, number: &str) -> String {
        let known = self.0.iter().position(|known| known == number);
        let place = known.unwrap_or_else(|| {
            self.0.push(number.to_owned());
            self.0.len() - 1
        });
        if place == 0 { String::new() } else { (place + 1).to_string() }
    }
}

fn is_generated(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_=+/.".contains(c)
}

/// Splits where the characters of this kind end.
fn split(text: &str, is_kind: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_kind(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_evened_out() {
        let mut names = Names::default();
        for (text, expected) in [
            ("queue 'case31-dead' of case31", "queue 'case-dead' of case"),
            ("case7, case31, cases", "case2, case, cases"),
            ("'amq.gen-aB_9-x' in vhost 'case31'", "'amq.gen-*' in vhost '*'"),
            ("Timestamp(1700000000), é", "Timestamp(*), é"),
        ] {
            assert_eq!(names.evened_out(text), expected);
        }
    }
}
