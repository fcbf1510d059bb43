//! The spans, with the fields of OpenTelemetry's conventions for messaging.

use std::sync::Arc;

use springhare_broker::Publish;
use tracing::field::Empty;
use tracing::{Instrument, Level, Span};

use super::{Entered, TraceContext, enter};
use crate::listener::context::{BatchContext, DeliveryContext};
use crate::listener::outcome::Outcome;

/// Whether anybody listens to spans: asked for each message.
macro_rules! is_listened_to {
    () => {
        tracing::enabled!(target: "springhare::messaging", Level::INFO)
    };
}

/// The span of a publish.
pub(crate) fn send_span(publish: Option<&Publish>) -> Span {
    let Some(publish) = publish.filter(|_| is_listened_to!()) else { return Span::none() };
    let (exchange, key) = (&*publish.exchange, &*publish.routing_key);
    let destination = destination(exchange, key);
    let span = tracing::info_span!(
        target: "springhare::messaging",
        "send",
        otel.name = format_args!("publish {destination}"),
        otel.kind = "producer",
        messaging.system = "rabbitmq",
        messaging.operation.type = "send",
        messaging.operation.name = "publish",
        messaging.destination.name = destination,
        messaging.rabbitmq.destination.routing_key = key,
        messaging.message.body.size = publish.message.body.len(),
        messaging.message.id = Empty,
        messaging.message.conversation_id = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    let properties = &publish.message.properties;
    record_ids(&span, properties.message_id.as_deref(), properties.correlation_id.as_deref());
    span
}

/// The span of a handler's call.
fn process_span(cx: &DeliveryContext, context: Option<&TraceContext>) -> Span {
    if !is_listened_to!() {
        return Span::none();
    }
    let (exchange, key, queue) = (&**cx.exchange(), &**cx.routing_key(), &**cx.queue());
    let span = tracing::info_span!(
        target: "springhare::messaging",
        "process",
        otel.name = format_args!("process {}", cx.counted_queue()),
        otel.kind = "consumer",
        messaging.system = "rabbitmq",
        messaging.operation.type = "process",
        messaging.operation.name = "process",
        messaging.destination.name = consumed_from(exchange, key, queue),
        messaging.rabbitmq.destination.routing_key = key,
        messaging.rabbitmq.message.delivery_tag = cx.delivery().delivery_tag,
        messaging.message.body.size = cx.body().len(),
        messaging.message.id = Empty,
        messaging.message.conversation_id = Empty,
        listener = cx.listener_id(),
        queue,
        traceparent = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    let properties = cx.properties();
    record_ids(&span, properties.message_id.as_deref(), properties.correlation_id.as_deref());
    if let Some(context) = context {
        // For logs: without OpenTelemetry nothing else in a span says which trace it is of.
        span.record("traceparent", context.traceparent.as_str());
        #[cfg(feature = "otel")]
        super::otel::continue_from(&span, context);
    }
    span
}

/// The span of a call with a batch. It has no parent among its messages, whose traces are many, and is
/// linked to the first 128 of them.
fn batch_span(batch: &BatchContext) -> Span {
    if !is_listened_to!() {
        return Span::none();
    }
    let cx = batch.consumer();
    let queue = &**cx.queue();
    let span = tracing::info_span!(
        target: "springhare::messaging",
        parent: None,
        "process",
        otel.name = format_args!("process {}", cx.counted_queue()),
        otel.kind = "consumer",
        messaging.system = "rabbitmq",
        messaging.operation.type = "process",
        messaging.operation.name = "process",
        messaging.destination.name = queue,
        messaging.batch.message_count = batch.accepted(),
        listener = cx.listener_id(),
        queue,
        error.type = Empty,
        otel.status_code = Empty,
    );
    #[cfg(feature = "otel")]
    super::otel::link(&span, batch.contexts().take(super::LINKS_MAX));
    span
}

fn record_ids(span: &Span, message: Option<&str>, conversation: Option<&str>) {
    if let Some(id) = message {
        span.record("messaging.message.id", id);
    }
    if let Some(id) = conversation {
        span.record("messaging.message.conversation_id", id);
    }
}

/// `exchange:key`, or the key alone: a queue's name on the default exchange.
fn destination(exchange: &str, key: &str) -> String {
    match (exchange, key) {
        ("", key) => key.to_owned(),
        (exchange, "") => exchange.to_owned(),
        (exchange, key) => format!("{exchange}:{key}"),
    }
}

/// The same with the queue, which mostly is the key.
fn consumed_from(exchange: &str, key: &str, queue: &str) -> String {
    if key == queue {
        destination(exchange, queue)
    } else {
        format!("{}:{queue}", destination(exchange, key))
    }
}

/// Does this in a span, which says so if it fails.
pub(crate) async fn done_in<T, E>(
    span: Span,
    kind: fn(&E) -> &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let done = work.instrument(span.clone()).await;
    if let Err(error) = &done {
        has_failed(&span, kind(error));
    }
    done
}

fn has_failed(span: &Span, kind: &'static str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}

/// A handler whose message belongs to a trace, or whose span somebody listens to.
pub(crate) struct Traced {
    context: Option<Arc<TraceContext>>,
    span: Span,
}

impl Traced {
    /// None for neither.
    pub(crate) fn of(cx: &DeliveryContext) -> Option<Box<Self>> {
        let context = TraceContext::of(cx.properties());
        let span = process_span(cx, context.as_deref());
        if context.is_none() && span.is_disabled() {
            return None;
        }
        Some(Box::new(Self { context, span }))
    }

    /// That of a batch: none where nobody listens.
    pub(crate) fn of_batch(batch: &BatchContext) -> Option<Box<Self>> {
        let span = batch_span(batch);
        (!span.is_disabled()).then(|| Box::new(Self { context: None, span }))
    }

    /// Makes both the current ones while the handler is polled.
    pub(crate) fn enter(&self) -> (Option<Entered>, tracing::span::Entered<'_>) {
        (enter(self.context.as_ref()), self.span.enter())
    }

    /// Notes what the handler came to.
    pub(crate) fn ended(&self, outcome: &Outcome) {
        if matches!(outcome, Outcome::Failed(_)) {
            has_failed(&self.span, outcome.kind());
        }
    }
}
