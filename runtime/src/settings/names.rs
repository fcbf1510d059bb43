//! Every name that a setting has, and what to answer to others.

use super::listener::ListenerSettings;
use super::rabbitmq::RabbitmqSettings;
use super::section::{Section, bare, uniform};
use super::template::TemplateSettings;

/// How alike two names must be for one to be taken for the other; as clap does with flags.
const LIKENESS_MIN: f64 = 0.7;

/// In place of a name that is the user's to choose.
const ANY: &str = "*";

/// What people write who come from Spring Boot or from the server's own file, by the beginning of
/// its path: the answer is a lesson, not a guess.
const ELSEWHERE: &[(&str, &str)] = &[
    ("spring", "what Spring Boot has below `spring.rabbitmq` is the table `[rabbitmq]` here"),
    ("listen", SERVER),
    ("tls-listen", SERVER),
    ("tls-cert", SERVER),
    ("tls-key", SERVER),
    ("tls-client-ca", SERVER),
    ("data", SERVER),
    ("durability", SERVER),
    ("definitions", SERVER),
    ("log", SERVER),
    ("log-level", SERVER),
    ("shutdown-timeout", STOP),
    ("virtual-hosts", SERVER),
    ("loopback-users", SERVER),
    ("server", SERVER),
    ("limits", SERVER),
    ("users", SERVER),
    ("rabbitmq.listener.stream", ONE_KIND),
    ("rabbitmq.cache", "connections and channels are shared here, there is no cache to set"),
    ("rabbitmq.ssl.bundle", PEM),
    ("rabbitmq.ssl.key-store", PEM),
    ("rabbitmq.ssl.key-store-type", PEM),
    ("rabbitmq.ssl.key-store-password", PEM),
    ("rabbitmq.ssl.key-store-algorithm", PEM),
    ("rabbitmq.ssl.trust-store", PEM),
    ("rabbitmq.ssl.trust-store-type", PEM),
    ("rabbitmq.ssl.trust-store-password", PEM),
    ("rabbitmq.ssl.trust-store-algorithm", PEM),
    (
        "rabbitmq.ssl.algorithm",
        "the newest TLS that both sides know is spoken, there is none to choose",
    ),
    (
        "rabbitmq.ssl.verify-hostname",
        "certificate and name are checked together: \
      `ssl.validate-server-certificate`, and `ssl.server-name` for another name than the host's",
    ),
    ("rabbitmq.template.retry.enabled", ONE_LIMIT),
    ("rabbitmq.template.retry.max-attempts", ONE_LIMIT),
    ("rabbitmq.template.retry.max-retries", ONE_LIMIT),
    ("rabbitmq.template.retry.initial-interval", ONE_LIMIT),
    ("rabbitmq.template.retry.multiplier", ONE_LIMIT),
    ("rabbitmq.template.retry.max-interval", ONE_LIMIT),
    (
        "rabbitmq.listener.simple.force-stop",
        "a stop waits for handlers for `rabbitmq.shutdown-timeout`; `app.force_stop()` does not wait, and \
         a pause before the stop gives back what was prefetched",
    ),
    ("rabbitmq.listener.simple.consumer-batch-enabled", BATCH),
    (
        "rabbitmq.listener.simple.receive-timeout",
        "messages are pushed, nobody polls; how long a batch waits is `batch-receive-timeout`",
    ),
    ("rabbitmq.listener.simple.observation-enabled", OBSERVED),
    ("rabbitmq.template.observation-enabled", OBSERVED),
    (
        "rabbitmq.template.default-receive-queue",
        "each call names its queue: `rabbit.receive(\"orders\")`",
    ),
    ("rabbitmq.template.allowed-list-patterns", "no objects are deserialized by their class here"),
    (
        "rabbitmq.dynamic",
        "what is declared is said by `declare = false` of a listener and `.declare(..)` of the builder",
    ),
    (
        "rabbitmq.stream",
        "streams are consumed by AMQP: a queue with `arguments(queue_type = \"stream\")`",
    ),
    ("rabbitmq.listener.simple.retry.stateless", STATELESS),
    (
        "rabbitmq.listener.simple.consumers-per-queue",
        "Spring Boot's `listener.direct` alone has it, and it is `concurrency` here",
    ),
    (
        "rabbitmq.listener.simple.requeue-rejected",
        "Spring Boot calls it `default-requeue-rejected`, and so do we",
    ),
    ("rabbitmq.listener.simple.ack", "Spring Boot calls it `acknowledge-mode`, and so do we"),
    (
        "brokers.*.listener",
        "what holds for all listeners is in `[rabbitmq.listener.simple]`, whichever broker they consume \
         from, and what holds for some in `[profiles.NAME]`",
    ),
    ("management", "health and metrics are routes that you mount: docs/observability.md"),
];

const SERVER: &str = "that belongs to the server's file, which `springhare serve --config` reads; this is an \
     application's";
const STOP: &str = "an application's is `shutdown-timeout` of `[rabbitmq]`, the server's one belongs to the file that \
                    `springhare serve --config` reads";
const ONE_KIND: &str = "there is one kind of listener here, `[rabbitmq.listener.simple]`; a stream is consumed by \
                        AMQP: a queue with `arguments(queue_type = \"stream\")`";
const PEM: &str = "certificates are files in PEM here: `ssl.ca-certificate`, `ssl.certificate`, `ssl.private-key`";
const ONE_LIMIT: &str = "messages are sent again for a time, with growing pauses: \
                         `template.retry.timeout = \"30s\"`";

const BATCH: &str = "a handler takes a batch if its attribute has `batch = ..`";
const OBSERVED: &str = "metrics and traces are features of the crate: docs/observability.md";
const STATELESS: &str = "a message waits in this process between two calls, and nothing is kept of it elsewhere; \
                         for one that waits at the broker the attribute has `retry(delays = [..])`";

/// What Boot calls `concurrency` in its table `listener.direct`.
pub(super) const CONSUMERS_PER_QUEUE: &str = "consumers-per-queue";

/// The paths of all settings, each name by itself.
pub(super) fn known_paths() -> Vec<Vec<&'static str>> {
    let mut paths = Vec::new();
    let mut add = |table: &[&'static str], keys: &[&'static str]| {
        for key in keys {
            paths.push(table.iter().copied().chain(key.split('.')).collect());
        }
    };
    add(&["rabbitmq"], RabbitmqSettings::KEYS);
    add(&["rabbitmq", "listener"], &["type"]);
    add(&["rabbitmq", "listener", "simple"], ListenerSettings::KEYS);
    add(&["rabbitmq", "listener", "direct"], ListenerSettings::KEYS);
    add(&["rabbitmq", "listener", "direct"], &[CONSUMERS_PER_QUEUE]);
    add(&["rabbitmq", "template"], TemplateSettings::KEYS);
    add(&["brokers", ANY], RabbitmqSettings::KEYS);
    add(&["brokers", ANY, "template"], TemplateSettings::KEYS);
    add(&["listener", ANY], ListenerSettings::KEYS);
    add(&["profiles", ANY], ListenerSettings::KEYS);
    add(&["properties"], &[ANY]);
    paths
}

/// Which of the names in an unknown path is the first that nobody knows, and what to do about it.
pub(super) fn unknown(path: &[&str]) -> (usize, String) {
    let paths = known_paths();
    let matching = |depth: usize| -> Vec<&Vec<&'static str>> {
        let begins = |known: &&Vec<&'static str>| {
            known.len() > depth && known.iter().zip(path).take(depth).all(|(k, p)| fits(k, p))
        };
        paths.iter().filter(begins).collect()
    };
    let mut depth = 0;
    while depth + 1 < path.len() && !matching(depth + 1).is_empty() {
        depth += 1;
    }
    let written = path.get(depth).copied().unwrap_or_default();
    let candidates = matching(depth);
    let mut names: Vec<&str> =
        candidates.iter().filter_map(|known| known.get(depth).copied()).collect();
    names.dedup();
    if let Some(lesson) = lesson(path) {
        return (depth, format!("there is no `{written}` here: {lesson}"));
    }
    if names.iter().any(|name| fits(name, written)) {
        return (depth, format!("`{written}` is a table, and stands here as a value or empty"));
    }
    (depth, format!("there is no `{written}` here{}", suggestion(written, &names)))
}

fn fits(known: &str, written: &str) -> bool {
    known == ANY || uniform(known) == uniform(written)
}

fn lesson(path: &[&str]) -> Option<&'static str> {
    let begins = |words: &str, path: &[&str]| {
        let count = words.split('.').count();
        count <= path.len() && words.split('.').zip(path).all(|(word, name)| fits(word, name))
    };
    let of = |path: &[&str]| ELSEWHERE.iter().find(|(words, _)| begins(words, path));
    of(path).or_else(|| of(&said_of_all(path))).map(|(_, lesson)| *lesson)
}

/// The path that the same key has for all: what is said of it holds for the other kind of container, for one
/// listener, a profile and another broker.
fn said_of_all<'p>(path: &[&'p str]) -> Vec<&'p str> {
    match path {
        ["rabbitmq", "listener", "direct", key @ ..] | ["listener" | "profiles", _, key @ ..] => {
            ["rabbitmq", "listener", "simple"].iter().chain(key).copied().collect()
        }
        ["brokers", _, key @ ..] => ["rabbitmq"].iter().chain(key).copied().collect(),
        path => path.to_vec(),
    }
}

/// The lesson for a variable, of whose name this is the bare rest.
pub(super) fn lesson_of(rest: &str) -> Option<&'static str> {
    let rest = rest.replacen("rabbitmqlistenerdirect", "rabbitmqlistenersimple", 1);
    let begins = |words: &str| !words.contains(ANY) && rest.starts_with(&bare(words));
    ELSEWHERE.iter().find(|(words, _)| begins(words)).map(|(_, lesson)| *lesson)
}

/// `; did you mean ..`, or all that there are.
pub(crate) fn suggestion(written: &str, names: &[&str]) -> String {
    match most_alike(written, names) {
        Some(alike) => format!("; did you mean `{alike}`?"),
        None if names.is_empty() => String::new(),
        None => format!("; known are {}", names.join(", ")),
    }
}

fn most_alike<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let alike = names.iter().map(|name| (strsim::jaro(written, name), *name));
    let alike = alike.filter(|(likeness, _)| *likeness > LIKENESS_MIN);
    alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_settings_have_one_name_in_the_environment() {
        let mut seen = BTreeSet::new();
        for path in known_paths() {
            assert!(seen.insert(bare(&path.concat())), "{path:?}");
        }
    }

    #[test]
    fn the_first_name_that_nobody_knows_is_told_with_the_nearest_known_one() {
        for (path, depth, words) in [
            (&["rabitmq", "host"][..], 0, "did you mean `rabbitmq`?"),
            (&["rabbitmq", "hots"], 1, "did you mean `host`?"),
            (&["rabbitmq", "listener", "simpel", "prefetch"], 2, "did you mean `simple`?"),
            (&["listener", "orders", "prefech"], 2, "did you mean `prefetch`?"),
            (&["rabbitmq", "wombat"], 1, "known are url, addresses,"),
            (&["spring", "rabbitmq", "host"], 0, "`[rabbitmq]`"),
            (&["virtual_hosts"], 0, "springhare serve --config"),
            (&["rabbitmq", "ssl", "keyStore"], 2, "files in PEM"),
            (&["listener", "orders", "ack"], 2, "`acknowledge-mode`"),
            (&["rabbitmq"], 0, "is a table"),
        ] {
            let (found, text) = unknown(path);
            assert_eq!(found, depth, "{path:?}: {text}");
            assert!(text.contains(words), "{path:?}: {text}");
        }
    }
}
