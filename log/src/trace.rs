//! Which trace a line belongs to.

use crate::fields::Fields;

/// Where the ids come from.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// The subscriber that the layer is part of, which knows OpenTelemetry's spans.
    #[cfg(feature = "otel")]
    subscriber: std::sync::OnceLock<tracing::dispatcher::WeakDispatch>,
}

impl Traces {
    #[cfg(feature = "otel")]
    pub(crate) fn register(&self, subscriber: &tracing::Dispatch) {
        // A layer is part of one subscriber, for good.
        let _ = self.subscriber.set(subscriber.downgrade());
    }

    /// Puts the ids of a span, if it is part of a trace, into the fields of what is in it. The span must
    /// not be locked.
    #[cfg(feature = "otel")]
    pub(crate) fn note(&self, span: &tracing::Id, fields: &mut Fields) {
        use opentelemetry::trace::TraceContextExt as _;
        use serde_json::Value;

        let subscriber = self.subscriber.get().and_then(tracing::dispatcher::WeakDispatch::upgrade);
        let Some(subscriber) = subscriber else { return };
        let Some(context) = tracing_opentelemetry::get_otel_context(span, &subscriber) else {
            return;
        };
        let span = context.span();
        let ids = span.span_context();
        if ids.is_valid() {
            fields.set("trace.id", Value::from(ids.trace_id().to_string()));
            fields.set("span.id", Value::from(ids.span_id().to_string()));
        }
    }

    /// Without OpenTelemetry a span has no ids but those in its fields.
    #[cfg(not(feature = "otel"))]
    pub(crate) fn note(&self, _span: &tracing::Id, _fields: &mut Fields) {}
}

/// The trace of a `traceparent`: `00-<32 digits of the trace>-<16 of the span>-<flags>`.
pub(crate) fn trace_of(traceparent: &str) -> Option<&str> {
    let trace = traceparent.split('-').nth(1)?;
    let is_trace = trace.len() == 32
        && trace.bytes().all(|byte| byte.is_ascii_hexdigit())
        && trace.bytes().any(|byte| byte != b'0');
    is_trace.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_names_its_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_of(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        for none in ["", "-", "00", "00-abc-d-01", &format!("00-{}-d-01", "0".repeat(32))] {
            assert_eq!(trace_of(none), None, "{none}");
        }
    }
}
