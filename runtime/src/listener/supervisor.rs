//! Keeps one consumer of a listener running: starts it, and starts it again whenever the
//! consumer, its channel or its connection is lost, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use springhare_amqp::{FieldTable, ShortString};
use springhare_broker::{BasicConsumeOptions, QosScope};

use super::backoff::Backoff;
use super::connection::ListenerConnection;
use super::consumer::{ConsumerLoop, Exit, StartedConsumer};
use super::context::{ConsumerScope, DeliveryContext};
use super::endpoint::AcknowledgeMode;
use super::failure::{DeadLetters, FailurePolicy};
use super::plan::ListenerPlan;
use super::stop_signal::{StopPhase, StopSignal};
use crate::channel::{Channel, Purpose};
use crate::connection::LinkError;
use crate::graph::{Graph, declare_for_listener};
use crate::state::StateRegistry;
use crate::template::{RabbitTemplate, error_queue_of};

/// A consumer that has run this long was well: the next loss begins with the shortest pause.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// What all consumers of an application share.
#[derive(Debug)]
pub(crate) struct ListenerScope {
    pub(crate) graph: Graph,
    pub(crate) connection: ListenerConnection,
    pub(crate) template: RabbitTemplate,
    pub(crate) states: Arc<StateRegistry>,
}

/// One consumer of a listener, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Supervised {
    pub(crate) scope: Arc<ListenerScope>,
    pub(crate) plan: Arc<ListenerPlan>,
    pub(crate) queue: ShortString,
    pub(crate) stop: Arc<StopSignal>,
    pub(crate) consuming: Arc<AtomicBool>,
}

/// Whether what the listener consumes from is declared before it consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redeclare {
    Yes,
    No,
}

impl Supervised {
    /// Starts the consumer at the broker; its deliveries wait until it is supervised.
    pub(crate) async fn start(&self, redeclare: Redeclare) -> Result<StartedConsumer, LinkError> {
        let connection = self.scope.connection.open().await?;
        let link = connection.open_channel().await?;
        if redeclare == Redeclare::Yes {
            declare_for_listener(&*link, &self.scope.graph, &self.plan).await?;
        }
        let no_ack = self.plan.acknowledge == AcknowledgeMode::None;
        if !no_ack {
            link.basic_qos(self.plan.prefetch, QosScope::Consumer).await?;
        }
        let mut arguments = FieldTable::new();
        if let Some(priority) = self.plan.priority {
            arguments.set(ShortString::from_static("x-priority"), priority);
        }
        let options = BasicConsumeOptions { no_ack, exclusive: false, arguments };
        let consumer = link.basic_consume(&self.queue, "", options).await?;
        let channel = Channel::new(link, Purpose::Listener);
        let context = DeliveryContext::new(ConsumerScope {
            listener_id: Arc::clone(&self.plan.id),
            queue: self.queue.clone(),
            consumer_tag: consumer.tag().clone(),
            channel: channel.clone(),
            template: self.scope.template.clone(),
            states: Arc::clone(&self.scope.states),
            converters: self.scope.template.converters().clone(),
        });
        Ok(StartedConsumer { channel, link: consumer, context })
    }

    /// Runs the consumer, and gets it back for ever, until it is told to stop.
    pub(crate) async fn supervise(self, started: StartedConsumer) {
        let clock = self.scope.connection.link().clock().clone();
        let mut backoff = Backoff::default();
        let mut next = Some(started);
        while self.stop.phase() == StopPhase::Running {
            let started = match next.take() {
                Some(started) => started,
                None => match self.start_again(&mut backoff).await {
                    Some(started) => started,
                    None => continue,
                },
            };
            let since = clock.now();
            self.consuming.store(true, Ordering::Release);
            let running =
                ConsumerLoop::new(&self.plan, self.failure(), started, clock.clone(), &self.stop);
            let exit = Box::pin(running.run()).await;
            self.consuming.store(false, Ordering::Release);
            let (listener, queue) = (&*self.plan.id, &*self.queue);
            match exit {
                Exit::Stopped => return,
                Exit::Cancelled => tracing::warn!(
                    listener,
                    queue,
                    "the broker cancelled a consumer, its queue is gone; it is declared again"
                ),
                Exit::Lost(reason) => {
                    tracing::warn!(listener, queue, reason, "a consumer was lost; it starts again");
                }
            }
            if clock.now().saturating_sub(since) >= WELL_AFTER {
                backoff.reset();
            }
        }
    }

    /// One attempt to get the consumer back, after its pause.
    async fn start_again(&self, backoff: &mut Backoff) -> Option<StartedConsumer> {
        let pause = backoff.next_pause();
        let attempt = async {
            if !pause.is_zero() {
                self.scope.connection.link().clock().sleep(pause).await;
            }
            self.start(Redeclare::Yes).await
        };
        match self.stop.unless(StopPhase::Draining, attempt).await? {
            Ok(started) => Some(started),
            Err(error) => {
                tracing::warn!(
                    listener = &*self.plan.id,
                    queue = &*self.queue,
                    %error,
                    "a consumer could not be started again; the next attempt follows"
                );
                None
            }
        }
    }

    fn failure(&self) -> FailurePolicy<'_> {
        let queue = self.scope.graph.queues.get(&self.queue);
        let has_exchange = queue.is_some_and(|queue| queue.dead_letter_exchange().is_some());
        FailurePolicy {
            template: &self.scope.template,
            dead_letters: if has_exchange {
                DeadLetters::ToItsExchange
            } else {
                DeadLetters::Nowhere
            },
            // An anonymous queue's name means nothing to who looks for its messages.
            error_queue: if self.plan.anonymous {
                error_queue_of(&self.plan.id)
            } else {
                error_queue_of(&self.queue)
            },
        }
    }
}
