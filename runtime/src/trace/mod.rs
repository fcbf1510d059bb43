//! The trace that a message belongs to: from its publish over its handler to what that publishes.
//!
//! The context of a trace travels in the headers `traceparent` and `tracestate` of the W3C. What a
//! handler publishes while it handles a message goes on with the message's, and so does its reply; a
//! header that is there already stays. With the feature `otel` the spans of this program stand between
//! the two.
//!
//! Spans are `tracing`'s, of the target `springhare::messaging` and level `INFO`, with the fields of
//! OpenTelemetry's conventions for messaging. Where nobody listens to that target none is made.

#[cfg(feature = "otel")]
mod otel;
mod span;

use std::cell::RefCell;
use std::sync::Arc;

use springhare_amqp::{BasicProperties, FieldValue, MessageProperties, ShortString};

pub(crate) use span::{Traced, done_in, send_span};

const TRACEPARENT: ShortString = ShortString::from_static("traceparent");
const TRACESTATE: ShortString = ShortString::from_static("tracestate");
/// `00-<32 digits>-<16 digits>-<2 digits>`, and what later versions may add.
const TRACEPARENT_LENGTHS: std::ops::RangeInclusive<usize> = 55..=256;
/// As much as everybody has to pass on.
const TRACESTATE_MAX_BYTES: usize = 512;
/// How many messages the span of a batch is linked to: as many as OpenTelemetry's default keeps.
#[cfg(feature = "otel")]
const LINKS_MAX: usize = 128;

thread_local! {
    /// The trace of the message whose handler runs on this thread.
    static CURRENT: RefCell<Option<Arc<TraceContext>>> = const { RefCell::new(None) };
}

/// The context of a trace, as a message has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// The context that a message came with.
    pub(crate) fn of(properties: &BasicProperties) -> Option<Arc<Self>> {
        let headers = properties.headers.as_ref()?;
        let text = |name: &ShortString| headers.get(name).and_then(FieldValue::as_str);
        let traceparent = text(&TRACEPARENT).filter(|text| is_traceparent(text))?.to_owned();
        let tracestate = text(&TRACESTATE).filter(|text| text.len() <= TRACESTATE_MAX_BYTES);
        Some(Arc::new(Self { traceparent, tracestate: tracestate.map(str::to_owned) }))
    }

    /// The context of what goes on on this thread.
    pub(crate) fn current() -> Option<Arc<Self>> {
        #[cfg(feature = "otel")]
        if let Some(of_span) = otel::current() {
            return Some(Arc::new(of_span));
        }
        CURRENT.with_borrow(Option::clone)
    }

    /// Gives it to a message that has none.
    pub(crate) fn put_on(&self, properties: &mut MessageProperties) {
        if properties.has_header(&TRACEPARENT) {
            return;
        }
        properties.set_header(TRACEPARENT, FieldValue::from(self.traceparent.as_str()));
        if let Some(tracestate) = &self.tracestate {
            properties.set_header(TRACESTATE, FieldValue::from(tracestate.as_str()));
        }
    }
}

/// The context of what goes on is given to a message that has none.
pub(crate) fn inject(properties: &mut MessageProperties) {
    if let Some(current) = TraceContext::current() {
        current.put_on(properties);
    }
}

/// Makes a context the current one, until it is dropped.
pub(crate) struct Entered(Option<Arc<TraceContext>>);

/// Makes the context of a message the current one, if it has one.
#[must_use = "it is left when this is dropped"]
fn enter(context: Option<&Arc<TraceContext>>) -> Option<Entered> {
    let context = Arc::clone(context?);
    Some(Entered(CURRENT.replace(Some(context))))
}

/// Has `work`, which another thread does, be part of the same trace and the same span.
pub(crate) fn carry_over<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let (context, span) = (CURRENT.with_borrow(Option::clone), tracing::Span::current());
    move || {
        let _entered = enter(context.as_ref());
        span.in_scope(work)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_hex = |part: Option<&str>, length: usize| {
        part.is_some_and(|part| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    TRACEPARENT_LENGTHS.contains(&text.len())
        && is_hex(parts.next(), 2)
        && is_hex(parts.next(), 32)
        && is_hex(parts.next(), 16)
        && is_hex(parts.next(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn with(traceparent: &str, tracestate: &str) -> MessageProperties {
        let mut properties = MessageProperties::default();
        properties.set_header(TRACEPARENT, FieldValue::from(traceparent));
        properties.set_header(TRACESTATE, FieldValue::from(tracestate));
        properties
    }

    #[test]
    fn what_is_published_goes_on_with_the_current_trace_unless_it_has_one() {
        let context = TraceContext::of(&with(PARENT, "a=1"));
        let mut fresh = MessageProperties::default();
        inject(&mut fresh);
        assert!(!fresh.has_header(&TRACEPARENT), "there is none yet");
        let entered = enter(context.as_ref());
        inject(&mut fresh);
        assert_eq!(TraceContext::of(&fresh), context);
        let other = PARENT.replace("00f0", "11f0");
        let mut own = with(&other, "b=2");
        inject(&mut own);
        assert_eq!(TraceContext::of(&own).unwrap().traceparent, other);
        drop(entered);
        assert_eq!(TraceContext::current(), None);
    }

    #[test]
    fn what_is_no_context_is_passed_over() {
        for text in ["", "00-1-2-3", &PARENT.replace('4', "x"), &"0".repeat(55), &PARENT[..54]] {
            assert_eq!(TraceContext::of(&with(text, "")), None, "{text}");
        }
        let long = TraceContext::of(&with(PARENT, &"x".repeat(513))).unwrap();
        assert_eq!(long.tracestate, None);
    }
}
