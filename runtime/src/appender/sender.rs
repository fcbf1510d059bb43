//! Publishes what waits, while an application runs.

use std::pin::pin;
use std::time::SystemTime;

use springhare_broker::{Clock, Publish};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber;

use super::AmqpAppender;
use super::buffer::Line;
use super::routing::name_of;
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::template::{IntoPublish, RabbitTemplate, SendAllError};

/// What tells of lines that were dropped.
pub(super) const TARGET: &str = "springhare::appender";

tokio::task_local! {
    /// Is there while lines are published, in the task that does it.
    static PUBLISHING: ();
}

/// Whether what is logged here and now comes of publishing lines.
pub(super) fn is_publishing() -> bool {
    PUBLISHING.try_with(|()| ()).is_ok()
}

/// Publishes an appender's lines with one application's template.
#[derive(Debug)]
pub(crate) struct Sender {
    stopping: CancellationToken,
    task: TaskTracker,
}

impl Sender {
    /// Begins to publish. What is told of it goes to who listens to the caller.
    pub(crate) fn start(appender: AmqpAppender, template: RabbitTemplate, clock: Clock) -> Self {
        let (stopping, task) = (CancellationToken::new(), TaskTracker::new());
        let publishing = Publishing { appender, template, clock, backoff: Backoff::default() };
        task.spawn(publishing.run(stopping.clone()).with_current_subscriber());
        task.close();
        Self { stopping, task }
    }

    /// Publishes what waits, if that is done before [`AmqpAppender::FLUSH_DEADLINE`], and nothing after it.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.task.wait().await;
    }
}

struct Publishing {
    appender: AmqpAppender,
    template: RabbitTemplate,
    clock: Clock,
    /// Of failures in a row.
    backoff: Backoff,
}

impl Publishing {
    async fn run(mut self, stopping: CancellationToken) {
        let appender = self.appender.clone();
        let buffer = &appender.shared.buffer;
        let clock = self.clock.clone();
        let mut deadline = pin!(async {
            stopping.cancelled().await;
            clock.sleep(AmqpAppender::FLUSH_DEADLINE).await;
        });
        loop {
            let mut lines = tokio::select! {
                biased;
                lines = buffer.take() => lines,
                () = stopping.cancelled() => return,
            };
            tokio::select! {
                biased;
                () = &mut deadline => {}
                () = PUBLISHING.scope((), self.send(&mut lines)) => {}
            }
            if !lines.is_empty() {
                buffer.give_up(lines.len());
                let lines = lines.len() + buffer.len();
                tracing::warn!(target: TARGET, lines, "what was logged is not published before the stop");
                return;
            }
            let dropped = buffer.take_untold();
            if dropped > 0 {
                tracing::warn!(target: TARGET, dropped, "what was logged found no room and was dropped");
            }
        }
    }

    /// Sends lines until the broker has each of them or refuses it, and takes out those that are done: all, but
    /// where the template is stopped.
    async fn send(&mut self, lines: &mut Vec<Line>) {
        while !lines.is_empty() {
            let outgoing = lines.iter().map(|line| Outgoing { appender: &self.appender, line });
            let outgoing: Vec<_> = outgoing.collect();
            let sent = self.template.convert_and_send_all(outgoing).await;
            let Err(SendAllError { index, error, .. }) = sent else {
                self.backoff = Backoff::default();
                return lines.clear();
            };
            lines.drain(..index.min(lines.len()));
            if index > 0 {
                self.backoff = Backoff::default();
            }
            if matches!(error, Error::Stopped) {
                return;
            }
            let pause = self.backoff.after_failure();
            // A login that is refused now may not be later: the template asks now and then.
            if !error.is_passing() && !matches!(error, Error::Link(_)) {
                lines.drain(..1.min(lines.len()));
                self.appender.shared.buffer.give_up(1);
                if self.backoff.is_told() {
                    tracing::warn!(target: TARGET, %error, "what was logged is refused and dropped");
                }
            }
            self.clock.sleep(pause).await;
        }
    }
}

/// A line on its way.
struct Outgoing<'a> {
    appender: &'a AmqpAppender,
    line: &'a Line,
}

impl IntoPublish for Outgoing<'_> {
    fn into_publish(self, template: &RabbitTemplate) -> Result<Publish> {
        let Self { appender, line } = self;
        let shared = &appender.shared;
        let key = shared.key.key(line.level, &line.target);
        let mut call = template
            .convert_and_send((shared.exchange.name(), key.as_str()), line.text.clone())
            .content_type(&shared.content_type)
            .persistent(shared.is_persistent)
            .timestamp(SystemTime::UNIX_EPOCH + line.time)
            .header("level", name_of(line.level))
            .header("categoryName", &*line.target);
        if let Some(app_id) = &shared.app_id {
            call = call.app_id(app_id);
        }
        let mut publish = call.into_publish(template)?;
        // Nobody need be there to read it, whatever the application's own messages want.
        publish.mandatory = false;
        Ok(publish)
    }
}
