//! Where Spring Boot's settings say what is so here anyway, and what has another meaning there.

use std::time::Duration;

use super::section::bare;
use super::source::Source;
use super::value::{Setting as _, Value};

/// Boot's keys that are not here, each with the value that says what is so without it.
const AS_IT_IS: [(&str, bool); 3] = [
    ("rabbitmq.dynamic", true),
    ("rabbitmq.listener.simple.force-stop", false),
    ("rabbitmq.listener.simple.consumer-batch-enabled", false),
];

/// Boot's times for which 0 is without end.
const ENDLESS_AT_ZERO: [&str; 2] = ["rabbitmq.connection-timeout", "rabbitmq.channel-rpc-timeout"];

/// Boot's times of which a negative one is without end.
const ENDLESS_BELOW_ZERO: [&str; 2] =
    ["rabbitmq.template.reply-timeout", "rabbitmq.template.receive-timeout"];

/// Whether a key of Boot's, given as the [bare] name of its path, says what is so without it.
pub(super) fn says_what_is_so(key: &str, value: &Value, source: &Source) -> bool {
    let key = key.replacen("rabbitmqlistenerdirect", "rabbitmqlistenersimple", 1);
    let same = AS_IT_IS.iter().find(|(known, _)| bare(known) == key);
    same.is_some_and(|(_, so)| bool::read(value, source).as_ref() == Ok(so))
}

/// Whether a value that is none here is one in Boot: a time without end.
pub(super) fn is_endless_in_boot(key: &str, value: &Value, source: &Source) -> bool {
    let is_among = |keys: &[&str]| keys.iter().any(|known| bare(known) == key);
    let time = |text: &str| Duration::read(&Value::Text(text.to_owned()), source).ok();
    let Value::Text(text) = value else { return false };
    let below_zero = text.trim().strip_prefix('-').and_then(time);
    (is_among(&ENDLESS_AT_ZERO) && time(text).is_some_and(|time| time.is_zero()))
        || (is_among(&ENDLESS_BELOW_ZERO) && below_zero.is_some())
}
