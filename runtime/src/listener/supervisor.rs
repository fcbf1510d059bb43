//! Keeps one consumer of a listener running: starts it, and starts it again whenever the
//! consumer, its channel or its connection is lost, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::{BasicConsumeOptions, QosScope};

use super::circuit::{Admission, SharedCircuit, Waits};
use super::connection::{Extent, ListenerConnection, Opened, WELL_AFTER};
use super::consumer::{self, Exit, StartedConsumer};
use super::consumer_states::{ConsumerStates, News};
use super::container::Container;
use super::context::{ConsumerScope, DeliveryContext};
use super::discarded::Discards;
use super::endpoint::AcknowledgeMode;
use super::failure::{DeadLetters, FailurePolicy, Kept};
use super::observe::Observing;
use super::scaling::Load;
use super::stop_signal::{StopPhase, StopSignal};
use crate::backoff::Backoff;
use crate::channel::{Channel, Purpose};
use crate::connection::{LinkConnection, LinkError};
use crate::error::StartFault;
use crate::events::{ApplicationEvent, BrokerEvents};
use crate::graph::{Generation, Graph, QueueNode, declare_for_queue};
use crate::middleware::Middleware;
use crate::state::StateRegistry;
use crate::template::{RabbitTemplate, error_queue_of};

/// Why a consumer does not consume that lets another one try its listener's circuit.
const ANOTHER_TRIES: &str = "its circuit is half open: another of its consumers tries one message";

/// What all consumers of an application share that have the same broker.
#[derive(Debug)]
pub(crate) struct ListenerScope {
    /// Whether its listeners start by themselves, once there is a connection.
    pub(crate) starts_in_background: bool,
    pub(crate) connection: ListenerConnection,
    pub(crate) template: RabbitTemplate,
    pub(crate) states: Arc<StateRegistry>,
    pub(crate) middleware: Middleware,
    /// Where it is told what happens.
    pub(crate) events: BrokerEvents,
    /// The broker's name, where the application has another one beside it.
    pub(crate) label: Option<Arc<str>>,
    /// Who looks at what the listeners do.
    pub(crate) observing: Option<Observing>,
    /// Where it is told which messages are given up.
    pub(crate) discards: Discards,
}

impl ListenerScope {
    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.connection.graph()
    }

    /// The names that these queues have now: an anonymous one has another on each connection.
    pub(super) fn names_now(&self, queues: Vec<ShortString>) -> Vec<String> {
        let (graph, generation) = (self.graph(), self.connection.generation());
        let now = |queue| match generation {
            Some(generation) => graph.queue_name_in(&queue, generation),
            None => queue,
        };
        queues.into_iter().map(now).map(|queue| queue.to_string()).collect()
    }

    /// Where the application has several brokers, these faults are this one's.
    pub(crate) fn told_of(&self, faults: Vec<StartFault>) -> Vec<StartFault> {
        match &self.label {
            Some(broker) => faults.into_iter().map(|fault| fault.on_broker(broker)).collect(),
            None => faults,
        }
    }
}

/// One consumer of a container, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Supervised {
    pub(crate) scope: Arc<ListenerScope>,
    pub(crate) container: Arc<Container>,
    /// The queue as the graph knows it; an anonymous one has another name on each connection.
    pub(crate) queue: ShortString,
    pub(crate) stop: Arc<StopSignal>,
    pub(crate) load: Arc<Load>,
    pub(crate) states: Arc<ConsumerStates>,
    /// Its number among the consumers of its container.
    pub(crate) number: usize,
}

/// Whether what the listener consumes from is declared before it consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redeclare {
    Yes,
    No,
}

/// What is known of past attempts to get a consumer back.
#[derive(Debug, Default)]
struct Attempts {
    backoff: Backoff,
    /// What is waited for before the next one.
    pause: Duration,
    /// The connection that the last attempt was made on.
    last_on: Option<Generation>,
    /// Another consumer had the queue for itself when the last attempt was made.
    stands_by: bool,
    /// While it consumes: its queue, by the name that it has at the broker.
    consumes: Option<ShortString>,
    /// It was lost, and is not back yet.
    is_lost: bool,
}

impl Supervised {
    /// Starts the consumer at the broker; its deliveries wait until it is supervised.
    pub(crate) async fn start(
        &self,
        connection: &Opened,
        redeclare: Redeclare,
    ) -> Result<StartedConsumer, LinkError> {
        let generation = connection.generation;
        let link = connection.link.open_channel().await?;
        if redeclare == Redeclare::Yes || connection.extent == Extent::InPart {
            let graph = self.scope.connection.shared_graph().declaring().await;
            declare_for_queue(&connection.link, &graph, &self.queue, generation).await?;
        }
        let plan = self.container.common();
        let admitted = self.container.circuit().map_or(Admission::All, SharedCircuit::admission);
        let no_ack = plan.acknowledge == AcknowledgeMode::None;
        if !no_ack {
            let prefetch = if admitted == Admission::One { 1 } else { plan.prefetch };
            link.basic_qos(prefetch, QosScope::Consumer).await?;
        }
        let mut arguments = plan.consumer_arguments.clone();
        if let Some(priority) = plan.priority {
            arguments.set(ShortString::from_static("x-priority"), priority);
        }
        if let Some(offset) = &plan.stream_offset {
            arguments.set(ShortString::from_static("x-stream-offset"), offset);
        }
        let options = BasicConsumeOptions { no_ack, exclusive: plan.exclusive_consumer, arguments };
        let queue = self.scope.graph().queue_name_in(&self.queue, generation);
        let consumer = link.basic_consume(&queue, "", options).await?;
        let observing = self.scope.observing.clone();
        let settlements = observing.as_ref().map(Observing::settlements);
        let channel = Channel::observed(link, Purpose::Listener, settlements);
        let scope = ConsumerScope {
            queue,
            consumer_tag: consumer.tag().clone(),
            channel: channel.clone(),
            template: self.scope.template.clone(),
            states: Arc::clone(&self.scope.states),
            observing,
        };
        let served = &self.container.selection(&self.queue).first().served;
        let context = DeliveryContext::new(scope, Arc::clone(served));
        let connection = connection.clone();
        Ok(StartedConsumer { connection, channel, link: consumer, context, admitted })
    }

    /// Runs the consumer, which may be started already, and gets it back for ever, until it is
    /// told to stop.
    pub(crate) async fn supervise(self, started: Option<StartedConsumer>) {
        let mut attempts = Attempts::default();
        self.keep_consuming(started, &mut attempts).await;
        self.tell_stopped(&mut attempts);
    }

    async fn keep_consuming(&self, mut started: Option<StartedConsumer>, attempts: &mut Attempts) {
        let clock = self.scope.connection.clock();
        // What the broker has sent to a started one may not come again.
        while started.is_some() || self.stop.phase() == StopPhase::Running {
            let next = match started.take() {
                Some(started) => Some(started),
                None => {
                    self.wait_for_circuit().await;
                    self.start_again(attempts).await
                }
            };
            let Some(next) = next else { continue };
            let connection = next.connection.clone();
            attempts.last_on = Some(connection.generation);
            self.tell_started(&next, attempts);
            let news = self.states.consuming(self.number, next.channel.link());
            let (listener, queue) = (&*self.container.name, &**next.context.queue());
            if std::mem::take(&mut attempts.stands_by) {
                tracing::info!(listener, queue, "the listener has its queue for itself now");
            } else if news == News::Yes {
                tracing::info!(listener, queue, "the listener consumes again");
            }
            let since = clock.now();
            let running = consumer::run(
                &self.container,
                &self.queue,
                self.failure(),
                next,
                clock.clone(),
                (&self.stop, &self.load),
            );
            let reason = match Box::pin(running).await {
                Exit::Stopped => return,
                Exit::Circuit => {
                    self.tell_stopped(attempts);
                    // That was for a loss before this consumer.
                    attempts.pause = Duration::ZERO;
                    continue;
                }
                Exit::Cancelled => {
                    "the broker cancelled the consumer, its queue is gone".to_owned()
                }
                Exit::Lost(reason) => reason,
                Exit::Panicked(panic) => {
                    let queue = &*self.queue;
                    let kept = match self.container.common().acknowledge.comes_again() {
                        true => "what it held comes again",
                        false => "what it had in hand is lost",
                    };
                    tracing::error!(listener, queue, panic, "a consumer panicked; {kept}");
                    format!("its consumer panicked: {panic}")
                }
            };
            if self.stop.phase() != StopPhase::Running {
                return;
            }
            if clock.now().saturating_sub(since) >= WELL_AFTER {
                attempts.backoff.reset();
            }
            self.tell_lost(&reason, attempts);
            self.lost(&*connection.link, &reason, attempts, Backoff::after_loss);
        }
    }

    /// Tells that the consumer consumes.
    fn tell_started(&self, started: &StartedConsumer, attempts: &mut Attempts) {
        let is_back = std::mem::take(&mut attempts.is_lost);
        let queue = attempts.consumes.insert(started.context.queue().clone());
        self.container.telling.tell_at(|listener, broker| {
            let queue = queue.to_string();
            let consumer_tag = started.context.consumer_tag().to_string();
            if is_back {
                ApplicationEvent::ConsumerRestarted { listener, broker, queue, consumer_tag }
            } else {
                ApplicationEvent::ConsumerStarted { listener, broker, queue, consumer_tag }
            }
        });
    }

    /// Tells that the consumer is lost, if it has consumed.
    fn tell_lost(&self, reason: &str, attempts: &mut Attempts) {
        let Some(queue) = attempts.consumes.take() else { return };
        attempts.is_lost = true;
        self.container.telling.tell_at(|listener, broker| {
            let (queue, reason) = (queue.to_string(), reason.to_owned());
            ApplicationEvent::ConsumerLost { listener, broker, queue, reason }
        });
    }

    /// Tells that the consumer has ended as it was told to, if it has consumed.
    fn tell_stopped(&self, attempts: &mut Attempts) {
        let Some(queue) = attempts.consumes.take() else { return };
        self.container.telling.tell_at(|listener, broker| {
            let queue = queue.to_string();
            ApplicationEvent::ConsumerStopped { listener, broker, queue }
        });
    }

    /// Tells that it could not be started on this connection.
    fn tell_failed(&self, connection: &Opened, error: &LinkError) {
        let queue = self.scope.graph().queue_name_in(&self.queue, connection.generation);
        self.container.telling.tell_at(|listener, broker| {
            let queue = queue.to_string();
            if error.is_not_found() {
                ApplicationEvent::QueueMissing { listener, broker, queue }
            } else {
                let reason = error.to_string();
                ApplicationEvent::ConsumerFailed { listener, broker, queue, reason }
            }
        });
    }

    /// Waits until the circuit lets the consumer work, or it is told to stop.
    async fn wait_for_circuit(&self) {
        let Some(circuit) = self.container.circuit() else { return };
        let clock = self.scope.connection.clock();
        let admitted = circuit.admit(clock, &self.queue, self.number, |waits| match waits {
            Waits::WhileItIsOpen => {
                self.states.lost_with_connection(self.number, &circuit.reason());
            }
            // Nothing may come for who tries.
            Waits::WhileAnotherTries => self.states.stands_by(self.number, ANOTHER_TRIES),
        });
        self.stop.unless(StopPhase::Draining, admitted).await;
    }

    /// One attempt to get the consumer back, once there is a connection.
    async fn start_again(&self, attempts: &mut Attempts) -> Option<StartedConsumer> {
        match self.stop.unless(StopPhase::Draining, self.attempt(attempts)).await? {
            (_, Ok(started)) => Some(started),
            (connection, Err(error)) if self.container.stands_by_at(&error) => {
                self.stand_by(&*connection.link, &error, attempts);
                None
            }
            (connection, Err(error)) => {
                self.tell_failed(&connection, &error);
                let reason = error.to_string();
                self.lost(&*connection.link, &reason, attempts, Backoff::after_failure);
                None
            }
        }
    }

    async fn attempt(
        &self,
        attempts: &mut Attempts,
    ) -> (Opened, Result<StartedConsumer, LinkError>) {
        let connections = &self.scope.connection;
        let mut connection = connections.ready().await;
        if attempts.last_on == Some(connection.generation) {
            // The connection is well, so it is the consumer that should not come back too fast.
            connections.clock().sleep(attempts.pause).await;
            connection = connections.ready().await;
        }
        let last_on = attempts.last_on.replace(connection.generation);
        // A new connection has everything declared on it.
        let is_new = last_on != Some(connection.generation);
        let redeclare = if is_new { Redeclare::No } else { Redeclare::Yes };
        let started = self.start(&connection, redeclare).await;
        (connection, started)
    }

    /// Tells that the consumer was lost; for all of those that a connection took with it, the
    /// connection does that.
    fn lost(
        &self,
        connection: &dyn LinkConnection,
        reason: &str,
        attempts: &mut Attempts,
        next_pause: fn(&mut Backoff) -> Duration,
    ) {
        if connection.closed().is_some() {
            return self.states.lost_with_connection(self.number, reason);
        }
        attempts.pause = next_pause(&mut attempts.backoff);
        if self.states.lost(self.number, reason) == News::Yes {
            tracing::warn!(
                listener = &*self.container.name,
                queue = &*self.queue,
                address = self.scope.connection.link().describe(),
                reason,
                attempt = attempts.backoff.attempts(),
                next_attempt_in = ?attempts.pause,
                "a listener has lost a consumer, which starts again"
            );
        }
    }

    /// Another consumer has the queue for itself: this one asks again, and takes over when that is
    /// gone.
    fn stand_by(
        &self,
        connection: &dyn LinkConnection,
        error: &LinkError,
        attempts: &mut Attempts,
    ) {
        let reason = error.to_string();
        if connection.closed().is_some() {
            return self.states.lost_with_connection(self.number, &reason);
        }
        attempts.pause = attempts.backoff.after_failure();
        self.states.stands_by(self.number, &reason);
        if !std::mem::replace(&mut attempts.stands_by, true) {
            tracing::info!(
                listener = &*self.container.name,
                queue = &*self.queue,
                reason,
                next_attempt_in = ?attempts.pause,
                "the listener stands by: it takes over when the other consumer is gone"
            );
        }
    }

    fn failure(&self) -> FailurePolicy<'_> {
        let graph = self.scope.graph();
        let queue = graph.queues.get(&self.queue);
        let exchange = queue.and_then(|queue| queue.dead_letter_exchange());
        let is_stream = queue.is_some_and(QueueNode::is_stream);
        let has_key = queue.is_some_and(QueueNode::has_dead_letter_key);
        let plan = self.container.common();
        FailurePolicy {
            template: &self.scope.template,
            dead_letters: match exchange {
                Some(_) if has_key => DeadLetters::UnderItsKey,
                Some(exchange) => DeadLetters::ToExchange(ShortString::truncated(exchange)),
                None => DeadLetters::Nowhere,
            },
            // An anonymous queue's name means nothing to who looks for its messages.
            error_queue: if plan.anonymous {
                error_queue_of(&plan.id)
            } else {
                error_queue_of(&self.queue)
            },
            kept: if is_stream { Kept::InStream } else { Kept::UntilSettled },
            discards: &self.scope.discards,
        }
    }
}

/// A task that ends otherwise than by a stop has failed: health must not go on saying that it
/// consumes.
impl Drop for Supervised {
    fn drop(&mut self) {
        if let Some(circuit) = self.container.circuit() {
            circuit.leave(&self.queue, self.number);
        }
        self.states.ended(self.number);
    }
}
