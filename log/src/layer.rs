//! The layer: a span's fields are kept with the span, an event is a line.

use std::io::Write as _;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::fields::Fields;
use crate::line::{Line, Service};
use crate::trace::Traces;

/// Writes each event as a line of JSON.
///
/// ```
/// use springhare_log::{EcsLayer, Service};
/// use tracing_subscriber::prelude::*;
///
/// let layer = EcsLayer::new(Service::new("shop"), std::io::stderr);
/// let subscriber = tracing_subscriber::registry().with(layer);
/// # drop(subscriber);
/// ```
#[derive(Debug)]
pub struct EcsLayer<W> {
    service: Service,
    writer: W,
    traces: Traces,
}

impl<W> EcsLayer<W> {
    /// The lines of `service`, each in one write to a writer of its own: `std::io::stdout`, say.
    #[must_use]
    pub fn new(service: Service, writer: W) -> Self {
        Self { service, writer, traces: Traces::default() }
    }
}

impl<S, W> Layer<S> for EcsLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    #[cfg(feature = "otel")]
    fn on_register_dispatch(&self, subscriber: &tracing::Dispatch) {
        self.traces.register(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        // Another layer of the kind may have put the same there.
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // A value that is formatted may log by itself: the span must not be locked meanwhile.
        let mut recorded = Fields::default();
        values.record(&mut recorded);
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            fields.extend(&recorded);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.extend(of_span);
            }
            self.traces.note(&span.id(), &mut fields);
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = Line {
            service: &self.service,
            level: *metadata.level(),
            logger: metadata.target(),
            fields: &fields,
        };
        // A log that can't be written has nowhere to say so.
        let _ = self.writer.make_writer_for(metadata).write_all(line.json().as_bytes());
    }
}
