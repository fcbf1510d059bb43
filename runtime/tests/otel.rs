//! What an application with OpenTelemetry shows of itself: spans at an exporter, and log lines that
//! name their traces. One subscriber serves the whole process, so each case has queues of its own.
#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::Value;
use springhare::prelude::*;
use springhare_log::{EcsLayer, Service};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::Instrument as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// What was written. A clone is the same.
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

struct Observed {
    log: Captured,
    exporter: InMemorySpanExporter,
    _provider: SdkTracerProvider,
}

/// For all threads: one that has none decides for the others whether a place is listened to.
static OBSERVED: LazyLock<Observed> = LazyLock::new(|| {
    let (log, exporter) = (Captured::default(), InMemorySpanExporter::default());
    let writer = log.clone();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(EcsLayer::new(Service::new("shop"), move || writer.clone()))
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
        .init();
    Observed { log, exporter, _provider: provider }
});

impl Observed {
    /// The spans that have ended and say something of this queue.
    fn spans(&self, queue: &str) -> Vec<SpanData> {
        let spans = self.exporter.get_finished_spans().unwrap();
        spans.into_iter().filter(|span| span.name.ends_with(queue)).collect()
    }

    fn span(&self, name: &str) -> SpanData {
        let spans = self.exporter.get_finished_spans().unwrap();
        let found = spans.iter().find(|span| span.name == name).cloned();
        found.unwrap_or_else(|| panic!("no span {name} in {spans:#?}"))
    }

    /// The line of what was done.
    fn line(&self, action: &str) -> Value {
        let text = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = lines.find(|line| line["event.action"] == action);
        found.unwrap_or_else(|| panic!("no {action} in {text}"))
    }
}

fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

type Seen = State<UnboundedSender<()>>;

#[rabbit_listener(id = "o.cook", queue = "o.kitchen")]
async fn cook(Text(dish): Text, rabbit: RabbitTemplate) -> ListenerResult {
    tracing::info!(event.action = "o.cooked", dish, "cooked");
    rabbit.convert_and_send("o.tables", &dish).await?;
    Ok(())
}

#[rabbit_listener(id = "o.serve", queue = "o.tables")]
async fn serve(seen: Seen) -> ListenerResult {
    seen.send(())?;
    Ok(())
}

#[tokio::test]
async fn a_trace_goes_from_a_publish_over_its_handler_to_what_that_publishes() {
    let observed = &*OBSERVED;
    let (sender, mut seen) = unbounded_channel::<()>();
    let builder = Springhare::builder().manage(sender).listeners(listeners![cook, serve]);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    let order = async {
        tracing::info!(event.action = "o.ordered", "ordered");
        rabbit.convert_and_send("o.kitchen", "soup").message_id("m-1").await
    };
    order.instrument(tracing::info_span!("o.order")).await.unwrap();
    seen.recv().await.unwrap();
    app.stop().await.unwrap();

    let names = [
        "o.order",
        "publish o.kitchen",
        "process o.kitchen",
        "publish o.tables",
        "process o.tables",
    ];
    let spans = names.map(|name| observed.span(name));
    for (parent, child) in spans.iter().zip(&spans[1..]) {
        let name = &child.name;
        assert_eq!(child.parent_span_id, parent.span_context.span_id(), "{name}");
        assert_eq!(child.span_context.trace_id(), parent.span_context.trace_id(), "{name}");
        let is_remote = name.starts_with("process");
        assert_eq!(child.parent_span_is_remote, is_remote, "{name}");
        let (kind, operation) = match is_remote {
            true => (SpanKind::Consumer, "process"),
            false => (SpanKind::Producer, "send"),
        };
        assert_eq!(child.span_kind, kind, "{name}");
        assert_eq!(attribute(child, "messaging.system"), "rabbitmq", "{name}");
        assert_eq!(attribute(child, "messaging.operation.type"), operation, "{name}");
        assert_eq!(attribute(child, "messaging.message.body.size"), "4", "{name}");
        assert_eq!(attribute(child, "error.type"), "", "{name}");
    }
    let [_, sent, processed, ..] = &spans;
    for span in [sent, processed] {
        assert_eq!(attribute(span, "messaging.rabbitmq.destination.routing_key"), "o.kitchen");
        assert_eq!(attribute(span, "messaging.message.id"), "m-1");
    }
    assert_eq!(attribute(sent, "messaging.destination.name"), "o.kitchen");
    assert_eq!(attribute(sent, "messaging.operation.name"), "publish");
    assert_eq!(attribute(processed, "messaging.destination.name"), "o.kitchen");
    assert_eq!(attribute(processed, "messaging.rabbitmq.message.delivery_tag"), "1");

    let (ordered, cooked) = (observed.line("o.ordered"), observed.line("o.cooked"));
    assert_eq!(ordered["trace.id"], spans[0].span_context.trace_id().to_string());
    assert_eq!(cooked["trace.id"], ordered["trace.id"], "publish and handler are of one trace");
    assert_eq!(cooked["span.id"], processed.span_context.span_id().to_string());
    assert_eq!(cooked["labels.listener"], "o.cook");
    assert_eq!(cooked["labels.queue"], "o.kitchen");
    for (name, _) in ordered.as_object().unwrap().iter().chain(cooked.as_object().unwrap()) {
        assert!(is_of_the_schema(name), "{name} in {ordered} or {cooked}");
    }
}

/// The schema's names that these lines may have; a label may have any, without a dot.
fn is_of_the_schema(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "@timestamp",
        "ecs.version",
        "event.action",
        "event.dataset",
        "log.level",
        "log.logger",
        "message",
        "process.pid",
        "service.name",
        "span.id",
        "trace.id",
    ];
    let label = name.strip_prefix("labels.");
    NAMES.contains(&name) || label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
}

#[rabbit_listener(id = "o.answer", queue = "o.questions")]
async fn answer(Text(question): Text) -> ListenerResult<Text> {
    match question.as_str() {
        "why" => Err(ListenerError::fatal("nobody knows")),
        _ => Ok(Text::from("42")),
    }
}

#[tokio::test]
async fn a_reply_is_of_the_trace_of_its_request_and_a_failure_names_its_kind() {
    let observed = &*OBSERVED;
    let app = Springhare::builder().listeners(listeners![answer]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let ask = async {
        let reply = rabbit.send_and_receive("o.questions", Message::new("what")).await.unwrap();
        let failed = rabbit.send_and_receive("o.questions", Message::new("why")).await;
        assert!(failed.is_err());
        reply
    };
    let reply = ask.instrument(tracing::info_span!("o.asked")).await;
    app.stop().await.unwrap();
    let asked = observed.span("o.asked").span_context;
    let requests = observed.spans("publish o.questions");
    assert_eq!(requests.len(), 2, "{requests:#?}");
    for span in &requests {
        assert_eq!(span.parent_span_id, asked.span_id());
    }
    let first = &requests[0].span_context;
    let traceparent = format!("00-{}-{}-01", first.trace_id(), first.span_id());
    let header = reply.properties.header("traceparent").and_then(|value| value.as_str());
    assert_eq!(header, Some(&*traceparent), "a reply has the context of its request");
    let processed = observed.spans("process o.questions");
    assert_eq!(processed.len(), 2, "{processed:#?}");
    for (span, request) in processed.iter().zip(&requests) {
        assert_eq!(span.parent_span_id, request.span_context.span_id());
        assert_eq!(span.span_context.trace_id(), asked.trace_id());
    }
    let mut errors = processed.iter().map(|span| attribute(span, "error.type")).collect::<Vec<_>>();
    errors.sort();
    assert_eq!(errors, ["", "fatal"]);
    let failed = requests.iter().filter(|span| matches!(span.status, Status::Error { .. }));
    assert_eq!(failed.map(|span| attribute(span, "error.type")).collect::<Vec<_>>(), ["remote"]);
}

#[rabbit_listener(id = "o.slow", queue = "o.slow", timeout = "1ms")]
async fn slow(seen: Seen) -> ListenerResult {
    seen.send(())?;
    std::future::pending().await
}

#[tokio::test]
async fn what_fails_has_a_status_and_its_kind() {
    let observed = &*OBSERVED;
    let (sender, mut seen) = unbounded_channel::<()>();
    let builder = Springhare::builder().manage(sender).listeners(listeners![slow]);
    let app = builder.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("o.nowhere", "key"), "soup").await.unwrap_err();
    rabbit.convert_and_send("o.nobodys", "soup").await.unwrap_err();
    rabbit.convert_and_send("o.slow", "soup").await.unwrap();
    seen.recv().await.unwrap();
    app.stop().await.unwrap();
    for (name, kind) in [
        ("publish o.nowhere:key", "no_exchange"),
        ("publish o.nobodys", "unroutable"),
        ("process o.slow", "timeout"),
    ] {
        let span = observed.span(name);
        assert!(matches!(span.status, Status::Error { .. }), "{span:#?}");
        assert_eq!(attribute(&span, "error.type"), kind);
    }
    assert_eq!(observed.span("publish o.slow").status, Status::Unset);
}

#[rabbit_listener(id = "o.bake", queue = "o.oven", batch = 3, batch_timeout = "10m")]
async fn bake(dishes: Vec<Text>, rabbit: RabbitTemplate, seen: Seen) -> ListenerResult {
    rabbit.convert_and_send("o.shelf", &dishes.len()).await?;
    seen.send(())?;
    match dishes.first().map(|dish| dish.as_str()).unwrap_or_default() {
        "stone" => Err(ListenerError::fatal("nobody eats that")),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_batch_is_one_span_that_is_linked_to_those_of_its_messages() {
    let observed = &*OBSERVED;
    let (sender, mut seen) = unbounded_channel::<()>();
    let builder = Springhare::builder().manage(sender).listeners(listeners![bake]);
    let app = builder.declare(Queue::durable("o.shelf")).start().await.unwrap();
    let rabbit = app.rabbit_template();
    for dish in ["bread", "cake", "pie", "stone", "stone", "stone"] {
        let order = async { rabbit.convert_and_send("o.oven", dish).await };
        order.instrument(tracing::info_span!("o.baked")).await.unwrap();
    }
    seen.recv().await.unwrap();
    seen.recv().await.unwrap();
    app.stop().await.unwrap();

    let sent = observed.spans("publish o.oven");
    let batches = observed.spans("process o.oven");
    assert_eq!((sent.len(), batches.len()), (6, 2), "{batches:#?}");
    for (batch, messages) in batches.iter().zip(sent.chunks(3)) {
        let links = batch.links.iter().map(|link| link.span_context.span_id());
        let contexts = messages.iter().map(|message| message.span_context.span_id());
        assert_eq!(links.collect::<Vec<_>>(), contexts.collect::<Vec<_>>());
        assert_eq!(batch.parent_span_id, opentelemetry::trace::SpanId::INVALID, "one of its own");
        assert_eq!(batch.span_kind, SpanKind::Consumer);
        assert_eq!(attribute(batch, "messaging.batch.message_count"), "3");
        assert_eq!(attribute(batch, "messaging.destination.name"), "o.oven");
        assert_eq!(attribute(batch, "listener"), "o.bake");
    }
    let errors = batches.iter().map(|batch| attribute(batch, "error.type"));
    assert_eq!(errors.collect::<Vec<_>>(), ["", "fatal"]);
    let sent = observed.spans("publish o.shelf");
    assert_eq!(sent.len(), batches.len());
    for (batch, sent) in batches.iter().zip(sent) {
        assert_eq!(sent.parent_span_id, batch.span_context.span_id(), "its handler's goes on");
    }
}
