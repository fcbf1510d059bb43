use super::fields::VALUE_BYTES_MAX;
use super::*;
use crate::log::capture::capture;

/// The lines of what `action` logs, parsed.
fn logged(action: impl FnOnce()) -> Vec<Value> {
    let text = capture(EcsLayer::new, action);
    assert!(text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The only line of what `action` logs.
fn line(action: impl FnOnce()) -> Value {
    let mut lines = logged(action);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn a_line_has_the_schemas_names() {
    let line = line(|| {
        tracing::warn!(
            client.ip = %"10.0.0.1",
            client.port = 40_000_u16,
            user.name = "alice",
            event.action = "login",
            queue = "orders",
            "a login was refused"
        );
    });
    assert_eq!(line["log.level"], "warn");
    assert_eq!(line["message"], "a login was refused");
    assert_eq!(line["log.logger"], module_path!());
    assert_eq!(line["ecs.version"], ECS_VERSION);
    assert_eq!(line["service.name"], "springhare");
    assert_eq!(line["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(line["process.pid"], std::process::id());
    assert_eq!(line["event.dataset"], "springhare");
    assert_eq!(line["client.ip"], "10.0.0.1");
    assert_eq!(line["client.port"], 40_000);
    assert_eq!(line["user.name"], "alice");
    assert_eq!(line["event.action"], "login");
    assert_eq!(line["labels.queue"], "orders");
}

#[test]
fn what_the_broker_calls_peer_and_user_has_names_in_the_schema() {
    let lines = logged(|| {
        tracing::info!(peer = %"10.0.0.7:40000 -> 10.0.0.1:5672", user = "bob", "a");
        tracing::info!(peer = %"[::1]:40000 -> [::1]:5672", "b");
        tracing::info!(peer = "somebody", "c");
    });
    assert_eq!(lines[0]["client.ip"], "10.0.0.7");
    assert_eq!(lines[0]["client.port"], 40_000);
    assert_eq!(lines[0]["server.ip"], "10.0.0.1");
    assert_eq!(lines[0]["server.port"], 5672);
    assert_eq!(lines[0]["user.name"], "bob");
    assert_eq!(lines[0]["labels.peer"], Value::Null);
    assert_eq!(lines[1]["client.ip"], "::1");
    assert_eq!(lines[2]["labels.peer"], "somebody");
}

#[test]
fn the_time_is_rfc_3339_in_utc() {
    let line = line(|| tracing::info!("now"));
    let time = line["@timestamp"].as_str().unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000Z");
}

#[test]
fn labels_are_texts_without_dots() {
    let line = line(|| {
        tracing::info!(count = 3, is_durable = true, rate = 0.5, reply.code = 404, "counted");
    });
    assert_eq!(line["labels.count"], "3");
    assert_eq!(line["labels.is_durable"], "true");
    assert_eq!(line["labels.rate"], "0.5");
    assert_eq!(line["labels.reply_code"], "404");
}

#[test]
fn the_fields_of_spans_are_in_the_line_and_inner_ones_win() {
    let line = line(|| {
        let connection = tracing::info_span!(
            "connection",
            client.ip = "10.0.0.1",
            user.name = tracing::field::Empty,
            name = "outer"
        );
        let _connection = connection.enter();
        connection.record("user.name", "bob");
        let _channel = tracing::info_span!("channel", number = 7, name = "inner").entered();
        tracing::info!("hello");
    });
    assert_eq!(line["client.ip"], "10.0.0.1");
    assert_eq!(line["user.name"], "bob");
    assert_eq!(line["labels.number"], "7");
    assert_eq!(line["labels.name"], "inner");
}

/// An error that does not tell its cause by itself.
#[derive(Debug, thiserror::Error)]
#[error("not stored")]
struct NotStored(#[source] std::io::Error);

#[test]
fn an_error_has_its_causes_once() {
    let message = |error: &(dyn std::error::Error + 'static)| {
        line(|| tracing::error!(error, "failed"))["error.message"].clone()
    };
    let full = || std::io::Error::other("disk full");
    assert_eq!(message(&NotStored(full())), "not stored: disk full");
    let signals = ServeError::Signals(full());
    assert_eq!(message(&signals), signals.to_string());
    assert!(signals.to_string().ends_with(": disk full"));
}

#[test]
fn no_field_takes_the_place_of_the_lines_own() {
    let lines = logged(|| {
        tracing::info!(log.level = "fatal", service.name = "other", event.dataset = "x", "a");
        tracing::info!(r#type = "y", "b");
    });
    assert_eq!(lines[0]["log.level"], "info");
    assert_eq!(lines[0]["service.name"], "springhare");
    assert_eq!(lines[0]["event.dataset"], "springhare");
    assert_eq!(lines[0]["labels.event_dataset"], "x");
    assert_eq!(lines[1]["labels.type"], "y");
}

#[test]
fn no_name_is_twice_in_a_line() {
    let text = capture(EcsLayer::new, || {
        let _entered = tracing::info_span!("s", error = "1", process.pid = 1).entered();
        tracing::info!(err = "2", log.logger = "l", ecs.version = 1, "m");
    });
    for name in ["error.message", "process.pid", "log.logger", "ecs.version", "message"] {
        assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{name} in {text}");
    }
}

#[test]
fn hostile_names_stay_in_their_value() {
    let hostile = "a\"}\n{\"log.level\":\"fatal\"}\r\0\u{1b}[2J\u{2028}\\";
    let line = line(|| {
        let _entered = tracing::info_span!("s", name = hostile).entered();
        tracing::info!(queue = %hostile, "{hostile}");
    });
    assert_eq!(line["message"], hostile);
    assert_eq!(line["labels.queue"], hostile);
    assert_eq!(line["labels.name"], hostile);
    assert_eq!(line["log.level"], "info");
}

#[test]
fn a_long_value_is_cut_between_characters() {
    for fill in ["a", "\u{e9}", "\u{1f407}"] {
        let long = format!("x{}", fill.repeat(VALUE_BYTES_MAX));
        let line = line(|| tracing::info!(queue = %long, "{long}"));
        for name in ["labels.queue", "message"] {
            let text = line[name].as_str().unwrap();
            assert!(text.ends_with("..."), "{name}");
            assert!((VALUE_BYTES_MAX - 3..=VALUE_BYTES_MAX + 3).contains(&text.len()), "{name}");
        }
    }
}

#[test]
fn a_failure_is_a_line_too() {
    let error = ServeError::Signals(std::io::Error::other("no\nluck"));
    let text = failure(&error);
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["log.level"], "error");
    assert!(line["error.message"].as_str().unwrap().contains("no\nluck"));
}
