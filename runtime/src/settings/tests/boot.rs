//! Every key of Spring Boot's `spring.rabbitmq`, of Boot 3 and 4, is one here or has its lesson.

use super::*;

/// Those that are the same here.
const THE_SAME: &[&str] = &[
    "host",
    "port",
    "username",
    "password",
    "virtual-host",
    "addresses",
    "address-shuffle-mode",
    "requested-heartbeat",
    "requested-channel-max",
    "publisher-returns",
    "publisher-confirm-type",
    "connection-timeout",
    "channel-rpc-timeout",
    "max-inbound-message-body-size",
    "ssl.enabled",
    "ssl.validate-server-certificate",
    "listener.type",
    "template.mandatory",
    "template.receive-timeout",
    "template.reply-timeout",
    "template.exchange",
    "template.routing-key",
];

/// Those of all listeners that are the same here, in either table.
const THE_SAME_OF_LISTENERS: &[&str] = &[
    "auto-startup",
    "acknowledge-mode",
    "prefetch",
    "default-requeue-rejected",
    "idle-event-interval",
    "de-batching-enabled",
    "concurrency",
    "max-concurrency",
    "batch-size",
    "missing-queues-fatal",
    "retry.enabled",
    "retry.max-attempts",
    "retry.max-retries",
    "retry.initial-interval",
    "retry.multiplier",
    "retry.max-interval",
];

/// Those that are refused, and what is said in their place.
const REFUSED: &[(&str, &str)] = &[
    ("ssl.bundle", "`ssl.ca-certificate`"),
    ("ssl.key-store", "`ssl.certificate`"),
    ("ssl.key-store-type", "`ssl.certificate`"),
    ("ssl.key-store-password", "`ssl.private-key`"),
    ("ssl.key-store-algorithm", "`ssl.certificate`"),
    ("ssl.trust-store", "`ssl.ca-certificate`"),
    ("ssl.trust-store-type", "`ssl.ca-certificate`"),
    ("ssl.trust-store-password", "`ssl.ca-certificate`"),
    ("ssl.trust-store-algorithm", "`ssl.ca-certificate`"),
    ("ssl.algorithm", "the newest TLS"),
    ("ssl.verify-hostname", "`ssl.server-name`"),
    ("cache.channel.size", "there is no cache"),
    ("cache.channel.checkout-timeout", "there is no cache"),
    ("cache.connection.mode", "there is no cache"),
    ("cache.connection.size", "there is no cache"),
    ("dynamic", "`declare = false`"),
    ("template.retry.enabled", "`template.retry.timeout = \"30s\"`"),
    ("template.retry.max-attempts", "`template.retry.timeout = \"30s\"`"),
    ("template.retry.max-retries", "`template.retry.timeout = \"30s\"`"),
    ("template.retry.initial-interval", "`template.retry.timeout = \"30s\"`"),
    ("template.retry.multiplier", "`template.retry.timeout = \"30s\"`"),
    ("template.retry.max-interval", "`template.retry.timeout = \"30s\"`"),
    ("template.default-receive-queue", "each call names its queue"),
    ("template.observation-enabled", "docs/observability.md"),
    ("template.allowed-list-patterns", "deserialized by their class"),
    ("stream.host", "`arguments(queue_type = \"stream\")`"),
    ("stream.name", "`arguments(queue_type = \"stream\")`"),
];

/// The same of listeners.
const REFUSED_OF_LISTENERS: &[(&str, &str)] = &[
    ("force-stop", "`rabbitmq.shutdown-timeout`"),
    ("consumer-batch-enabled", "`batch = ..`"),
    ("observation-enabled", "docs/observability.md"),
    ("receive-timeout", "`batch-receive-timeout`"),
    ("retry.stateless", "`retry(delays = [..])`"),
];

/// What is wrong with a file that has this key alone in this table, whatever its value.
fn fault_of(table: &str, key: &str) -> String {
    faults(&format!("[{table}]\n{key} = \"\"\n"), &[]).concat()
}

fn is_refused_with(table: &str, key: &str, words: &str) {
    let fault = fault_of(table, key);
    assert!(fault.contains(words), "[{table}] {key}: {fault:?}");
    assert!(!fault.contains("did you mean"), "[{table}] {key}: {fault:?}");
}

#[test]
fn a_key_of_boot_is_known_or_has_its_lesson() {
    for key in THE_SAME {
        let fault = fault_of("rabbitmq", key);
        assert!(!fault.contains("there is no `"), "{key}: {fault:?}");
    }
    for (key, words) in REFUSED {
        is_refused_with("rabbitmq", key, words);
        is_refused_with("brokers.billing", key, words);
    }
    for key in THE_SAME.iter().filter(|key| **key != "listener.type") {
        let fault = fault_of("brokers.billing", key);
        assert!(!fault.contains("there is no `"), "{key}: {fault:?}");
    }
    is_refused_with("management", "health.rabbit.enabled", "docs/observability.md");
}

#[test]
fn a_listeners_key_of_boot_is_known_or_has_its_lesson_wherever_it_stands() {
    let all = ["rabbitmq.listener.simple", "rabbitmq.listener.direct"];
    let some = ["listener.orders", "profiles.bulk"];
    for table in all.into_iter().chain(some) {
        for key in THE_SAME_OF_LISTENERS {
            let fault = fault_of(table, key);
            assert!(!fault.contains("there is no `"), "[{table}] {key}: {fault:?}");
        }
        for (key, words) in REFUSED_OF_LISTENERS {
            is_refused_with(table, key, words);
        }
    }
    let per_queue = fault_of("rabbitmq.listener.direct", "consumers-per-queue");
    assert!(!per_queue.contains("there is no `"), "{per_queue:?}");
    for table in ["rabbitmq.listener.simple", "listener.orders", "profiles.bulk"] {
        is_refused_with(table, "consumers-per-queue", "it is `concurrency` here");
    }
    for key in ["auto-startup", "observation-enabled", "native-listener"] {
        is_refused_with("rabbitmq.listener.stream", key, "`arguments(queue_type = \"stream\")`");
    }
    for key in ["listener.simple.prefetch", "listener.type", "listener.direct.force-stop"] {
        is_refused_with("brokers.billing", key, "whichever broker they consume from");
    }
}

#[test]
fn a_key_of_boot_that_says_what_is_so_anyway_is_taken() {
    for (key, so) in [
        ("dynamic", true),
        ("listener.simple.force-stop", false),
        ("listener.direct.forceStop", false),
        ("listener.simple.consumer-batch-enabled", false),
    ] {
        let with = |value: bool| faults(&format!("[rabbitmq]\n{key} = {value}\n"), &[]);
        assert_eq!(with(so), [""; 0], "{key}");
        assert!(with(!so).concat().contains("there is no `"), "{key}");
        let name = key.replace('.', "_").replace('-', "").to_uppercase();
        let name = format!("SPRINGHARE_RABBITMQ_{name}");
        let with = |value: bool| faults("", &[(&*name, &*value.to_string())]);
        assert_eq!(with(so), [""; 0], "{name}");
        assert!(with(!so).concat().contains("no setting has this name"), "{name}");
    }
    for key in ["template.retry.enabled", "template.observation-enabled"] {
        let fault = faults(&format!("[rabbitmq]\n{key} = false\n"), &[]).concat();
        assert!(fault.contains("there is no `"), "{key}: {fault:?}");
    }
}

#[test]
fn a_time_that_is_without_end_in_boot_sets_nothing_here() {
    for (key, value) in [
        ("CONNECTION_TIMEOUT", "0"),
        ("CONNECTION_TIMEOUT", "0s"),
        ("CHANNEL_RPC_TIMEOUT", "0"),
        ("TEMPLATE_RECEIVE_TIMEOUT", "-1"),
        ("TEMPLATE_REPLY_TIMEOUT", "-1ms"),
    ] {
        let boots = format!("SPRING_RABBITMQ_{key}");
        assert_eq!(faults("", &[(&*boots, value)]), [""; 0], "{boots}={value}");
        let ours = format!("SPRINGHARE_RABBITMQ_{key}");
        assert_eq!(faults("", &[(&*ours, value)]).len(), 1, "{ours}={value}");
    }
    for (key, value) in [("CONNECTION_TIMEOUT", "-1"), ("TEMPLATE_RECEIVE_TIMEOUT", "soon")] {
        let boots = format!("SPRING_RABBITMQ_{key}");
        assert_eq!(faults("", &[(&*boots, value)]).len(), 1, "{boots}={value}");
    }
    let variables = [("SPRING_RABBITMQ_TEMPLATE_RECEIVE_TIMEOUT", "-1")];
    let file = "[rabbitmq.template]\nreceive-timeout = \"2s\"\n";
    let template = read(file, &variables).main.template;
    assert_eq!(template.receive_timeout, Some(Duration::from_secs(2)));
}

#[test]
fn the_document_has_what_is_refused() {
    let (_, refused) = DOCUMENT.split_once("## Boot's keys that are refused").unwrap();
    let of_listeners = REFUSED_OF_LISTENERS.iter().map(|(key, _)| format!("listener.*.{key}"));
    let keys = REFUSED.iter().map(|(key, _)| (*key).to_owned()).chain(of_listeners);
    for key in keys {
        let mut tables = key.rmatch_indices('.').map(|(at, _)| format!("`{}.*`", &key[..at]));
        let is_there =
            refused.contains(&format!("`{key}`")) || tables.any(|table| refused.contains(&table));
        assert!(is_there, "{key} is not in docs/configuration.md");
    }
}
