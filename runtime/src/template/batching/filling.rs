//! The batch that messages are put into, and those that are on their way before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use springhare_amqp::{BasicProperties, MessageProperties};
use springhare_broker::Publish;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{BatchingStrategy, RabbitTemplate, Shared};
use crate::convert::is_wrapped;
use crate::convert::parts::{LENGTH_BYTES, join};
use crate::error::Error;
use crate::trace::TraceContext;

/// What became of a batch, told to each who has a message in it.
pub(super) type Answer = Result<(), Arc<Error>>;

/// The batch that is filling.
#[derive(Debug, Default)]
pub(super) struct Filling(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    batch: Option<Batch>,
    /// How many were begun.
    begun: u64,
    /// Tells that the one before is sent: batches go out in the order in which they were begun.
    before: Option<oneshot::Receiver<()>>,
}

/// A batch that takes messages.
#[derive(Debug)]
struct Batch {
    number: u64,
    messages: Messages,
    bytes: usize,
    released: oneshot::Sender<Messages>,
}

/// What is sent as one.
#[derive(Debug)]
struct Messages {
    first: Publish,
    rest: Vec<Bytes>,
    answers: Vec<oneshot::Sender<Answer>>,
    /// The trace that the first belongs to.
    trace: Option<Arc<TraceContext>>,
}

/// What becomes of a message that is put in.
pub(super) enum Put {
    /// It is in a batch that was there.
    Joined(oneshot::Receiver<Answer>),
    /// It has begun a batch, which somebody has to see off.
    Begun(oneshot::Receiver<Answer>, SeeOff),
    /// There is no batch for it, and no permit to begin one.
    Back(Box<Publish>),
}

/// Sees one batch off: waits until it is released, or its time is over, and sends it.
#[derive(Debug)]
pub(super) struct SeeOff {
    number: u64,
    released: oneshot::Receiver<Messages>,
    before: Option<oneshot::Receiver<()>>,
    _sent: oneshot::Sender<()>,
    _permit: OwnedSemaphorePermit,
}

impl Filling {
    /// Puts a message into the batch, or into a new one for which there is a permit. One that it does
    /// not fit in goes out.
    pub(super) fn put(
        &self,
        publish: Publish,
        permit: Option<OwnedSemaphorePermit>,
        strategy: &BatchingStrategy,
    ) -> Put {
        let mut state = self.state();
        if let Some(mut batch) = state.batch.take() {
            if batch.takes(&publish, strategy) {
                let answer = batch.push(publish);
                state.keep_or_release(batch, strategy);
                return Put::Joined(answer);
            }
            batch.release();
        }
        let Some(permit) = permit else { return Put::Back(Box::new(publish)) };
        let ((answer, told), (release, released)) = (oneshot::channel(), oneshot::channel());
        let (sent, before) = oneshot::channel();
        state.begun += 1;
        let number = state.begun;
        let before = state.before.replace(before);
        let messages = Messages {
            first: publish,
            rest: Vec::new(),
            answers: vec![answer],
            trace: TraceContext::current(),
        };
        let bytes = messages.first.message.body.len() + LENGTH_BYTES;
        let batch = Batch { number, messages, bytes, released: release };
        state.keep_or_release(batch, strategy);
        Put::Begun(told, SeeOff { number, released, before, _sent: sent, _permit: permit })
    }

    /// Lets the batch go, as far as there is one.
    pub(super) fn release(&self) {
        if let Some(batch) = self.state().batch.take() {
            batch.release();
        }
    }

    /// Lets the batch of this number go, if it has not gone.
    fn release_number(&self, number: u64) {
        let batch = self.state().batch.take_if(|batch| batch.number == number);
        if let Some(batch) = batch {
            batch.release();
        }
    }

    /// It is whole between any two statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep_or_release(&mut self, batch: Batch, strategy: &BatchingStrategy) {
        let is_full = 1 + batch.messages.rest.len() >= strategy.batch_size
            || batch.bytes >= strategy.buffer_limit
            || is_wrapped(&batch.messages.first.message.properties);
        if is_full {
            batch.release();
        } else {
            self.batch = Some(batch);
        }
    }
}

impl Batch {
    /// Whether the message can be sent as one with the first, and there is room for it.
    fn takes(&self, publish: &Publish, strategy: &BatchingStrategy) -> bool {
        let first = &self.messages.first;
        let bytes = self.bytes.saturating_add(publish.message.body.len() + LENGTH_BYTES);
        bytes <= strategy.buffer_limit
            && (&first.exchange, &first.routing_key) == (&publish.exchange, &publish.routing_key)
            && first.mandatory == publish.mandatory
            && are_alike(&first.message.properties, &publish.message.properties)
    }

    fn push(&mut self, publish: Publish) -> oneshot::Receiver<Answer> {
        let (answer, told) = oneshot::channel();
        self.bytes += publish.message.body.len() + LENGTH_BYTES;
        self.messages.rest.push(publish.message.body);
        self.messages.answers.push(answer);
        told
    }

    /// Hands it to whoever sees it off. If that one is gone, so is everybody who waits for it.
    fn release(self) {
        let _ = self.released.send(self.messages);
    }
}

/// Whether they are the same but for what tells one message from another.
fn are_alike(one: &MessageProperties, other: &MessageProperties) -> bool {
    let common = |properties: &MessageProperties| BasicProperties {
        message_id: None,
        correlation_id: None,
        timestamp: None,
        ..BasicProperties::clone(properties)
    };
    one == other || common(one) == common(other)
}

impl SeeOff {
    /// `shared` is gone once nobody can put in or wait any more; then the batch goes out as it is.
    pub(super) async fn run(mut self, template: &RabbitTemplate, shared: Weak<Shared>) {
        let publishing = &template.shared.publishing;
        let timeout = shared.upgrade().and_then(|shared| shared.strategy.timeout);
        let timed_out = async {
            match timeout {
                Some(timeout) => publishing.clock().sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let released = tokio::select! {
            biased;
            released = &mut self.released => Some(released.ok()),
            () = timed_out => None,
            () = publishing.until_stopped() => None,
        };
        let messages = match released {
            Some(messages) => messages,
            None => {
                if let Some(shared) = shared.upgrade() {
                    shared.filling.release_number(self.number);
                }
                // Released by now, by this or by another.
                self.released.await.ok()
            }
        };
        if let Some(before) = self.before.take() {
            // Sent or dropped: it is over.
            let _ = before.await;
        }
        if let Some(messages) = messages {
            messages.send(template).await;
        }
    }
}

impl Messages {
    async fn send(self, template: &RabbitTemplate) {
        let Self { first: Publish { message, exchange, routing_key, mandatory }, .. } = self;
        let mut message = join(message, &self.rest);
        if let Some(trace) = &self.trace {
            trace.put_on(&mut message.properties);
        }
        let publish = Publish { exchange, routing_key, mandatory, message };
        let sent = template.send_publish(publish).await.map_err(Arc::new);
        for answer in self.answers {
            // Who has given up does not hear of it.
            let _ = answer.send(sent.clone());
        }
    }
}
