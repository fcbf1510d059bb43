//! Publishes what waits, while an application runs.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use springhare_broker::{Clock, Publish};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber;

use super::AmqpAppender;
use super::buffer::Line;
use super::routing::name_of;
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::template::{IntoPublish, RabbitTemplate};

/// What tells of lines that were dropped.
const TARGET: &str = "springhare::appender";

/// The pause before a line is sent again that the broker could not take.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// What the task does that publishes lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// What is logged meanwhile is no line.
    Publishing,
    /// What is logged says that lines were dropped.
    TellingDropped,
}

tokio::task_local! {
    static DOING: Doing;
}

/// What is done in this task, if that is the one that publishes lines.
pub(super) fn doing() -> Option<Doing> {
    DOING.try_with(|doing| *doing).ok()
}

/// Publishes an appender's lines with one application's template.
#[derive(Debug)]
pub(crate) struct Sender {
    stopping: CancellationToken,
    /// Nothing is published any more, whatever waits.
    abandoned: CancellationToken,
    task: TaskTracker,
}

impl Sender {
    /// Begins to publish. What is told of it goes to who listens to the caller.
    pub(crate) fn start(appender: AmqpAppender, template: RabbitTemplate, clock: Clock) -> Self {
        let (stopping, abandoned) = (CancellationToken::new(), CancellationToken::new());
        let task = TaskTracker::new();
        let publishing = Publishing {
            appender,
            template,
            clock,
            backoff: Backoff::default(),
            resting_until: Duration::ZERO,
            rounds_refused: 0,
        };
        let running = publishing.run(stopping.clone(), abandoned.clone());
        task.spawn(running.with_current_subscriber());
        task.close();
        Self { stopping, abandoned, task }
    }

    /// Leaves what waits or is on its way to another application at once, and does not wait for that.
    pub(crate) fn abandon(&self) {
        self.abandoned.cancel();
        self.stopping.cancel();
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
    /// Nothing is sent before, by the clock.
    resting_until: Duration,
    /// How many times in a row lines were given up.
    rounds_refused: u32,
}

impl Publishing {
    async fn run(mut self, stopping: CancellationToken, abandoned: CancellationToken) {
        let appender = self.appender.clone();
        let buffer = &appender.shared.buffer;
        let clock = self.clock.clone();
        let mut deadline = pin!(async {
            stopping.cancelled().await;
            tokio::select! {
                () = clock.sleep(AmqpAppender::FLUSH_DEADLINE) => {}
                () = abandoned.cancelled() => {}
            }
        });
        loop {
            let mut lines = tokio::select! {
                biased;
                lines = buffer.take() => lines,
                () = stopping.cancelled() => return,
            };
            let is_over = tokio::select! {
                biased;
                () = &mut deadline => true,
                () = DOING.scope(Doing::Publishing, self.send(&mut lines)) => false,
            };
            if is_over || !lines.is_empty() {
                return self.leave(lines);
            }
            let dropped = buffer.take_untold();
            if dropped > 0 {
                DOING.sync_scope(Doing::TellingDropped, || {
                    tracing::warn!(target: TARGET, dropped, "what was logged found no room and was dropped");
                });
            }
        }
    }

    /// Leaves what is not published to another application.
    fn leave(&self, lines: Vec<Line>) {
        let buffer = &self.appender.shared.buffer;
        buffer.put_back(lines);
        let lines = buffer.len();
        if lines > 0 {
            tracing::warn!(target: TARGET, lines, "what was logged is not published before the stop");
        }
    }

    /// Sends lines until the broker has each of them or refuses it, and takes out those that are done: all, but
    /// where the template is stopped.
    async fn send(&mut self, lines: &mut Vec<Line>) {
        while !lines.is_empty() {
            let rest = self.resting_until.saturating_sub(self.clock.now());
            if !rest.is_zero() {
                self.clock.sleep(rest).await;
            }
            let outgoing: Vec<_> =
                lines.iter().map(|line| Outgoing { appender: &self.appender, line }).collect();
            let results = self.template.send_each(outgoing).await;
            if self.template.is_stopped() {
                take_confirmed(lines, &results);
                return;
            }
            self.settle(lines, results);
        }
    }

    /// Takes out the lines that are done, and says how long to rest before the next are sent.
    fn settle(&mut self, lines: &mut Vec<Line>, results: Vec<Result<()>>) {
        let mut round = Round::default();
        let mut results = results.into_iter();
        lines.retain_mut(|line| results.next().is_none_or(|result| round.keeps(line, result)));
        if round.is_answered {
            self.backoff.reset();
        }
        let pause = match round {
            Round { has_failed: true, .. } => self.backoff.after_failure(),
            Round { has_nacked: true, .. } => REFUSED_PAUSE,
            _ => Duration::ZERO,
        };
        self.resting_until = self.clock.now().saturating_add(pause);
        self.give_up(round);
    }

    fn give_up(&mut self, round: Round) {
        self.appender.shared.buffer.give_up(round.given_up);
        let Some(error) = round.refusal else {
            // What is sent again has not come through yet.
            if !round.has_nacked {
                self.rounds_refused = 0;
            }
            return;
        };
        self.rounds_refused = self.rounds_refused.saturating_add(1);
        // Not each: a queue may be full for long.
        if self.rounds_refused.is_power_of_two() {
            let lines = round.given_up;
            tracing::warn!(target: TARGET, %error, lines, "what was logged is refused and dropped");
        }
    }
}

/// What became of lines that were sent together.
#[derive(Default)]
struct Round {
    /// The broker has said something of one, and may go on to.
    is_answered: bool,
    /// Others had better wait: the broker is away, or refuses for good.
    has_failed: bool,
    /// One is to be sent again.
    has_nacked: bool,
    given_up: usize,
    /// Why the last of those was.
    refusal: Option<Error>,
}

impl Round {
    /// Whether a line is sent again.
    fn keeps(&mut self, line: &mut Line, result: Result<()>) -> bool {
        let Err(error) = result else {
            self.is_answered = true;
            return false;
        };
        if error.is_nack() {
            self.is_answered = true;
            line.refusals += 1;
            if line.refusals < AmqpAppender::REFUSALS_MAX {
                self.has_nacked = true;
                return true;
            }
        } else {
            self.has_failed = true;
            // A login that is refused now may not be later: the template asks now and then.
            if error.is_passing() || matches!(error, Error::Link(_) | Error::Stopped) {
                return true;
            }
        }
        self.given_up += 1;
        self.refusal = Some(error);
        false
    }
}

fn take_confirmed(lines: &mut Vec<Line>, results: &[Result<()>]) {
    let mut results = results.iter();
    lines.retain(|_| !results.next().is_some_and(Result::is_ok));
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
