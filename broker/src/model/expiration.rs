use std::time::Duration;

/// The longest time to live that RabbitMQ takes: ten years, in milliseconds.
pub(crate) const MAX_MILLISECONDS: u64 = 315_360_000_000;

/// Reads the `expiration` property: milliseconds, as a text.
///
/// # Errors
///
/// What RabbitMQ writes behind `invalid expiration '..': `.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits_from = usize::from(text.starts_with(['+', '-']));
    let (sign, rest) = text.split_at_checked(digits_from).unwrap_or(("", text));
    let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, leftover) = rest.split_at_checked(digits_end).unwrap_or((rest, ""));
    if digits.is_empty() {
        return Err("no_integer".to_owned());
    }
    if !leftover.is_empty() {
        return Err(format!("{{leftover_string,{leftover:?}}}"));
    }
    let significant = digits.trim_start_matches('0');
    if sign == "-" && !significant.is_empty() {
        return Err(format!("{{value_negative,-{significant}}}"));
    }
    match digits.parse::<u64>() {
        Ok(milliseconds) if milliseconds <= MAX_MILLISECONDS => {
            Ok(Duration::from_millis(milliseconds))
        }
        _ => Err(format!("{{value_too_large,{significant}}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_rabbitmqs() {
        for (text, expected) in [
            ("abc", "no_integer"),
            ("", "no_integer"),
            (" 1", "no_integer"),
            ("-", "no_integer"),
            ("-1", "{value_negative,-1}"),
            ("1.5", "{leftover_string,\".5\"}"),
            ("1 ", "{leftover_string,\" \"}"),
            ("10abc", "{leftover_string,\"abc\"}"),
            ("99999999999999999999", "{value_too_large,99999999999999999999}"),
        ] {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text:?}");
        }
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("4294967296"), Ok(Duration::from_millis(4_294_967_296)));
    }
}
