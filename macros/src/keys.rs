//! The words of the attribute, and what to answer to words that are not among them.

/// Every key of `#[rabbit_listener(..)]`, in the order of its documentation.
pub(crate) const KEYS: &[&str] = &[
    "id",
    "queue",
    "queues",
    "fault_of",
    "exchange",
    "kind",
    "key",
    "keys",
    "binding_arguments",
    "bindings",
    "arguments",
    "durable",
    "exclusive",
    "auto_delete",
    "ack",
    "prefetch",
    "concurrency",
    "batch",
    "batch_timeout",
    "partition_by",
    "idle_event",
    "priority",
    "stream_offset",
    "exclusive_consumer",
    "consumer_arguments",
    "auto_startup",
    "phase",
    "group",
    "competing",
    "requeue_rejected",
    "retry",
    "max_attempts",
    "timeout",
    "error_handler",
    "recover",
    "circuit",
    "send_to",
    "return_errors",
    "profile",
    "broker",
    "declare",
    "lenient",
    "converter",
    "blocking",
    "crate",
];

/// What people write who come from Spring, lapin or RabbitMQ's own words: the answer is a lesson,
/// not a guess.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["queue_name", "name", "value"], "`queue = \"..\"`"),
    (&["queue_names", "queues_to_declare"], "`queues = [\"..\", \"..\"]`"),
    (&["exchange_name", "topic"], "`exchange = \"..\"`"),
    (&["type", "exchange_type", "exchange_kind"], "`kind = \"..\"`"),
    (&["routing_key", "binding_key", "pattern"], "`key = \"..\"`"),
    (&["routing_keys", "binding_keys", "patterns"], "`keys = [\"..\", \"..\"]`"),
    (&["queue_binding", "binding"], "`exchange = \"..\", kind = \"..\", key = \"..\"`"),
    (&["binding_args", "headers", "match"], "`binding_arguments(\"x-match\" = \"all\", ..)`"),
    (&["args", "queue_arguments", "queue_args"], "`arguments(ttl = \"10s\", ..)`"),
    (&["ack_mode", "acknowledge", "acknowledge_mode"], "`ack = \"..\"`"),
    (&["manual_ack"], "`ack = \"manual\"`"),
    (&["no_ack", "auto_ack"], "`ack = \"none\"`"),
    (&["ack_first", "early_ack", "at_most_once"], "`ack = \"first\"`"),
    (&["prefetch_count", "qos"], "`prefetch = 250`"),
    (&["concurrent_consumers", "consumers", "workers"], "`concurrency = 4` or \"2-8\""),
    (&["max_concurrency", "max_concurrent_consumers"], "`concurrency = \"2-8\"`"),
    (&["batch_size", "consumer_batch", "consumer_batch_enabled"], "`batch = 100`"),
    (&["receive_timeout", "batch_receive_timeout"], "`batch_timeout = \"200ms\"`"),
    (&["idle_event_interval"], "`idle_event = \"30s\"`"),
    (&["consumer_priority", "x_priority"], "`priority = 10`"),
    (&["offset", "x_stream_offset"], "`stream_offset = \"first\"`"),
    (&["consume_exclusive", "exclusive_consume"], "`exclusive_consumer`"),
    (
        &["consumer_args", "consume_arguments", "consume_args"],
        "`consumer_arguments(\"x-own\" = true, ..)`",
    ),
    (
        &["ttl", "message_ttl", "expires", "max_length", "dead_letter", "dead_letter_exchange"],
        "inside `arguments(..)`: `arguments(ttl = \"10s\", max_length = 10, dead_letter = \"..\")`",
    ),
    (
        &["queue_type", "max_priority", "single_active_consumer", "overflow", "delivery_limit"],
        "inside `arguments(..)`: `arguments(queue_type = \"quorum\", delivery_limit = 10)`",
    ),
    (&["default_requeue_rejected", "requeue"], "`requeue_rejected = false`"),
    (&["reply_to", "send_reply", "reply_exchange", "reply_queue"], "`send_to = \"exchange/key\"`"),
    (
        &["backoff", "jitter", "delays", "retries", "attempts", "max_retries"],
        "inside `retry(..)`: `retry(max_attempts = 5, backoff = \"100ms..10s\")`",
    ),
    (&["on_error", "exception_handler"], "`error_handler = path::of::function`"),
    (&["circuit_breaker"], "`circuit(failures = 10, pause = \"30s\")`"),
    (&["error_queue", "dead_letter_queue", "faults"], "`fault_of = \"orders\"`"),
    (&["recoverer", "message_recoverer"], "`recover = \"park\"`"),
    (&["return_exceptions"], "`return_errors = true`"),
    (&["container_factory", "factory"], "`profile = \"..\"`"),
    (&["worker", "worker_mode", "shared"], "`competing`"),
    (&["message_converter", "content_type", "codec"], "`converter = \"msgpack\"`"),
    (&["ignore_declaration_exceptions"], "`lenient`"),
    (&["admins_should_declare", "passive"], "`declare = false`"),
    (&["admin", "connection_factory", "connection"], "`broker = \"..\"`"),
    (&["listener_id"], "`id = \"..\"`"),
    (&["executor", "sync"], "`blocking`"),
];

/// The way out for a key that does not exist.
pub(crate) fn remedy(unknown: &str) -> String {
    let snake = snake_case(unknown);
    if KEYS.contains(&snake.as_str()) {
        return format!("keys are written in snake case: `{snake}`");
    }
    let taught = ELSEWHERE.iter().find(|(words, _)| words.contains(&snake.as_str()));
    if let Some((_, ours)) = taught {
        return format!("what others call `{unknown}` is written {ours} here");
    }
    match closest(unknown, KEYS) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("the keys are {}", KEYS.join(", ")),
    }
}

/// The candidate that `word` is most likely a misspelling of.
pub(crate) fn closest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= 2 && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance in characters, one row of the table at a time.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut before = index + 1;
        let mut next = vec![before];
        for (pair, to) in row.windows(2).zip(right.chars()) {
            let &[diagonal, above] = pair else { continue };
            before = (diagonal + usize::from(from != to)).min(above + 1).min(before + 1);
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn snake_case(word: &str) -> String {
    let mut snake = String::with_capacity(word.len() + 2);
    for letter in word.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (left, right, expected) in [
            ("", "", 0),
            ("queue", "queue", 0),
            ("queu", "queue", 1),
            ("kye", "key", 2),
            ("", "id", 2),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn misspelt_keys_are_guessed() {
        assert_eq!(remedy("prefech"), "did you mean `prefetch`?");
        assert_eq!(remedy("quue"), "did you mean `queue`?");
        assert!(remedy("wombat").starts_with("the keys are id, queue,"));
    }

    #[test]
    fn words_from_elsewhere_are_taught() {
        assert!(remedy("routingKey").contains("`key = "));
        assert!(remedy("ackMode").contains("`ack = "));
        assert_eq!(remedy("autoStartup"), "keys are written in snake case: `auto_startup`");
    }

    #[test]
    fn no_word_from_elsewhere_is_a_key_of_ours() {
        for (words, _) in ELSEWHERE {
            for word in *words {
                assert!(!KEYS.contains(word), "{word}");
            }
        }
    }
}
