//! The spans of this program as the parents of what it publishes, and as children of what it received.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::TraceContext;

/// The context of the current span, if it is part of a trace.
pub(super) fn current() -> Option<TraceContext> {
    let context = Span::current().context();
    let span = context.span();
    let of_span = span.span_context();
    if !of_span.is_valid() {
        return None;
    }
    let (trace, id, flags) = (of_span.trace_id(), of_span.span_id(), of_span.trace_flags());
    let tracestate = of_span.trace_state().header();
    Some(TraceContext {
        traceparent: format!("00-{trace}-{id}-{:02x}", flags.to_u8()),
        tracestate: (!tracestate.is_empty()).then_some(tracestate),
    })
}

/// Makes the span a child of the one that the message was published in.
pub(super) fn continue_from(span: &Span, context: &TraceContext) {
    if let Some(parent) = remote(context) {
        // A subscriber without OpenTelemetry's layer has no use for it.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Links the span of a batch to those that its messages were published in.
pub(super) fn link(span: &Span, contexts: impl Iterator<Item = Arc<TraceContext>>) {
    let linked = contexts.filter_map(|context| remote(&context));
    linked.for_each(|linked| span.add_link(linked));
}

fn remote(context: &TraceContext) -> Option<SpanContext> {
    let mut parts = context.traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    let state = context.tracestate.as_deref().and_then(|state| state.parse().ok());
    let state: TraceState = state.unwrap_or_default();
    Some(SpanContext::new(trace, span, TraceFlags::new(flags), true, state))
}
