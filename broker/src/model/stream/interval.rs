use std::time::Duration;

/// Reads a number from 1 on and one of RabbitMQ's units, which are years of 365 days, months of 30,
/// days, hours, minutes and seconds: `7D`, `12h`. What is longer than can be counted is as long as
/// can be counted.
pub(crate) fn interval(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_seconds = match unit {
        "Y" => 365 * 86_400,
        "M" => 30 * 86_400,
        "D" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    if number.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let seconds = number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(unit_seconds);
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in [
            ("1s", 1),
            ("01s", 1),
            ("2m", 120),
            ("12h", 43_200),
            ("7D", 604_800),
            ("1M", 2_592_000),
            ("1Y", 31_536_000),
            ("99999999999999999999s", u64::MAX),
            ("99999999999999Y", u64::MAX),
        ] {
            assert_eq!(interval(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "7", "h", "0s", "00h", "-1D", "1.5D", "1d", "1DD", "1 D", "+1D", "7Д"] {
            assert_eq!(interval(text), None, "{text}");
        }
    }
}
