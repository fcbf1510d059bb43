//! What a layer makes of spans and events.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::{ECS_VERSION, EcsLayer, FIELDS_MAX, Service, VALUE_BYTES_MAX};

/// Where the lines go. A clone is the same.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the layer makes of that which `action` logs.
fn capture(action: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let service = Service::new("springhare").version("1.2.3");
    let layer = EcsLayer::new(service, move || writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), action);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The lines of what `action` logs, parsed.
fn logged(action: impl FnOnce()) -> Vec<Value> {
    let text = capture(action);
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
    assert_eq!(line["service.version"], "1.2.3");
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
fn a_duration_in_nanoseconds_is_a_number() {
    let line = line(|| {
        let took = std::time::Duration::from_micros(1500).as_nanos();
        tracing::info!(event.duration = took, "done");
    });
    assert_eq!(line["event.duration"], 1_500_000);
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
struct NotStored(#[source] io::Error);

/// An error that does.
#[derive(Debug, thiserror::Error)]
#[error("not stored, since: {0}")]
struct Told(#[source] io::Error);

#[test]
fn an_error_has_its_causes_once() {
    let message = |error: &(dyn std::error::Error + 'static)| {
        line(|| tracing::error!(error, "failed"))["error.message"].clone()
    };
    let full = || io::Error::other("disk full");
    assert_eq!(message(&NotStored(full())), "not stored: disk full");
    assert_eq!(message(&Told(full())), "not stored, since: disk full");
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
    let text = capture(|| {
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
    let text = Service::new("shop").failure("not served", &io::Error::other("no\nluck"));
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["log.level"], "error");
    assert_eq!(line["service.name"], "shop");
    assert_eq!(line["error.message"], "no\nluck");
}

#[test]
fn a_line_names_the_trace_of_the_innermost_span_that_has_one() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let lines = logged(|| {
        tracing::info!("none");
        let outer = format!("00-{}-00f067aa0ba902b7-01", "1".repeat(32));
        let _outer = tracing::info_span!("outer", traceparent = outer).entered();
        tracing::info!("outer");
        let inner = tracing::info_span!("inner", traceparent = tracing::field::Empty);
        inner.record("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
        let _inner = inner.entered();
        tracing::info!("inner");
        tracing::info!(traceparent = "rubbish", "event");
    });
    assert_eq!(lines[0]["trace.id"], Value::Null);
    assert_eq!(lines[1]["trace.id"], "1".repeat(32));
    assert_eq!(lines[2]["trace.id"], TRACE);
    assert_eq!(lines[2]["span.id"], Value::Null, "the span is the sender's");
    assert_eq!(lines[3]["trace.id"], TRACE);
    assert_eq!(lines[3]["labels.traceparent"], "rubbish");
}

#[test]
fn a_line_has_no_more_fields_than_the_limit() {
    let mut fields = crate::fields::Fields::default();
    for number in 0..2 * FIELDS_MAX {
        fields.set(&format!("labels.n{number}"), Value::from("x"));
    }
    fields.set("labels.n0", Value::from("y"));
    assert_eq!(fields.named().count(), FIELDS_MAX);
    let first = fields.named().find(|(name, _)| *name == "labels.n0").unwrap();
    assert_eq!(first.1, "y", "one that is there may still change");
}

/// Logs while it is formatted.
struct Talkative;

impl std::fmt::Debug for Talkative {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        tracing::info!("formatting");
        formatter.write_str("talkative")
    }
}

#[test]
fn a_value_that_logs_by_itself_locks_nothing_up() {
    let lines = logged(|| {
        let span = tracing::info_span!("s", value = tracing::field::Empty);
        let _entered = span.enter();
        span.record("value", tracing::field::debug(Talkative));
        tracing::info!(other = ?Talkative, "done");
    });
    let last = lines.iter().find(|line| line["message"] == "done").unwrap();
    assert_eq!(last["labels.value"], "talkative");
    assert_eq!(last["labels.other"], "talkative");
}

#[test]
fn two_layers_write_the_same_and_do_not_disturb_one_another() {
    let captured = [Captured::default(), Captured::default()];
    let layer = |captured: &Captured| {
        let writer = captured.clone();
        EcsLayer::new(Service::new("shop"), move || writer.clone())
    };
    let [first, second] = &captured;
    let subscriber = tracing_subscriber::registry().with(layer(first)).with(layer(second));
    tracing::subscriber::with_default(subscriber, || {
        let _entered = tracing::info_span!("s", queue = "orders").entered();
        tracing::info!("hello");
    });
    for captured in captured {
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["labels.queue"], "orders");
    }
}

/// With OpenTelemetry's layer, every span is part of a trace.
#[cfg(feature = "otel")]
#[test]
fn a_line_names_opentelemetrys_trace_and_the_span_that_it_was_written_in() {
    use opentelemetry::trace::TracerProvider as _;

    let captured = Captured::default();
    let writer = captured.clone();
    let exporter = opentelemetry_sdk::trace::InMemorySpanExporter::default();
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let subscriber = tracing_subscriber::registry()
        .with(EcsLayer::new(Service::new("shop"), move || writer.clone()))
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
    tracing::subscriber::with_default(subscriber, || {
        let _outer = tracing::info_span!("outer").entered();
        let _inner = tracing::info_span!("inner").entered();
        tracing::info!("hello");
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    let inner = spans.iter().find(|span| span.name == "inner").unwrap();
    assert_eq!(line["span.id"], inner.span_context.span_id().to_string());
    for span in &spans {
        assert_eq!(line["trace.id"], span.span_context.trace_id().to_string());
    }
}
