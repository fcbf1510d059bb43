use std::sync::Arc;
use std::task::{Context, Poll};

use springhare::connection::{LinkPublisher, PublishBatch, PublishCall, PublishResult};

use super::record::LaneWriter;
use super::shown::Shown;

/// A publisher that notes what became of each message. An error names the message's way itself.
#[derive(Debug)]
pub(super) struct RecordingPublisher {
    pub(super) inner: Arc<dyn LinkPublisher>,
    pub(super) lane: LaneWriter,
}

impl RecordingPublisher {
    fn note(&self, result: &PublishResult) {
        self.lane.note("publish", &result.shown());
    }
}

impl LinkPublisher for RecordingPublisher {
    fn poll_publish(&self, cx: &mut Context<'_>, call: &mut PublishCall) -> Poll<PublishResult> {
        self.inner.poll_publish(cx, call).map(|result| {
            self.note(&result);
            result
        })
    }

    fn poll_publish_beyond_the_memory_mark(
        &self,
        cx: &mut Context<'_>,
        call: &mut PublishCall,
    ) -> Poll<PublishResult> {
        self.inner.poll_publish_beyond_the_memory_mark(cx, call).map(|result| {
            self.note(&result);
            result
        })
    }

    fn poll_publish_many(&self, cx: &mut Context<'_>, batch: &mut PublishBatch) -> Poll<()> {
        let before = batch.results.len();
        let polled = self.inner.poll_publish_many(cx, batch);
        for result in batch.results.iter().skip(before) {
            self.note(result);
        }
        polled
    }
}
