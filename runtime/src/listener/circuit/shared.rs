//! The circuit that the consumers of a container have together.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::Clock;
use tokio::sync::Notify;

use super::{Circuit, CircuitPlan, Turn};
use crate::events::ApplicationEvent;
use crate::listener::telling::Telling;

/// What its consumers may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Admission {
    /// Consume.
    All = 0,
    /// The first of each queue may consume, one message at a time.
    One = 1,
    /// Nothing.
    Nobody = 2,
}

/// What a consumer waits for that may not consume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// For the end of the pause.
    WhileItIsOpen,
    /// For what comes of the one message that another consumer of its queue tries.
    WhileAnotherTries,
}

/// A circuit, and who waits for it.
pub(crate) struct SharedCircuit {
    plan: CircuitPlan,
    circuit: Mutex<Circuit>,
    /// What the circuit says, to be read without its lock.
    admission: AtomicU8,
    /// Who tries one message, by queue.
    trying: Mutex<BTreeMap<ShortString, usize>>,
    changed: Notify,
    telling: Telling,
}

impl SharedCircuit {
    pub(crate) fn new(plan: CircuitPlan, telling: Telling) -> Self {
        Self {
            plan,
            circuit: Mutex::new(Circuit::new(plan)),
            admission: AtomicU8::new(Admission::All as u8),
            trying: Mutex::default(),
            changed: Notify::new(),
            telling,
        }
    }

    pub(crate) fn admission(&self) -> Admission {
        match self.admission.load(Ordering::Acquire) {
            0 => Admission::All,
            1 => Admission::One,
            _ => Admission::Nobody,
        }
    }

    /// Whether a consumer that was let do this may go on with it; else it begins anew.
    pub(crate) fn lets_go_on(&self, admitted: Admission) -> bool {
        let admission = self.admission();
        admission == admitted && admission != Admission::Nobody
    }

    /// A message was handled by a consumer that was let do this.
    pub(crate) fn succeeded(&self, listener: &str, admitted: Admission) {
        let turn = self.change(|circuit| circuit.succeeded(admitted));
        if turn == Turn::Closed {
            tracing::info!(listener, "a message was handled: the listener's circuit is closed");
        }
    }

    /// A message has failed with a consumer that was let do this.
    pub(crate) fn failed(&self, listener: &str, now: Duration, admitted: Admission) {
        if let Turn::Opened { .. } = self.change(|circuit| circuit.failed(now, admitted)) {
            let CircuitPlan { failures, pause } = self.plan;
            tracing::error!(
                listener,
                failures,
                ?pause,
                "failures one after the other have opened the listener's circuit: it pauses"
            );
        }
    }

    /// Why its consumers do not consume.
    pub(crate) fn reason(&self) -> String {
        let CircuitPlan { failures, pause } = self.plan;
        format!(
            "its circuit is open: {failures} messages failed one after the other, and it pauses for \
             {pause:?}"
        )
    }

    /// Waits until this consumer of `queue` may consume: one of each queue when one message may be
    /// tried, the others when that was handled. Each time it has to, it says what it `waits` for.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn admit(
        &self,
        clock: &Clock,
        queue: &ShortString,
        number: usize,
        waits: impl Fn(Waits),
    ) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let now = clock.now();
            let _ = self.change(|circuit| {
                circuit.try_again(now);
                Turn::None
            });
            match self.admission() {
                Admission::All => return,
                Admission::One if self.is_tried_by(queue, number) => return,
                Admission::One => {
                    waits(Waits::WhileAnotherTries);
                    changed.await;
                }
                Admission::Nobody => {
                    waits(Waits::WhileItIsOpen);
                    let until = self.lock().open_until().unwrap_or(now);
                    tokio::select! {
                        () = clock.sleep(until.saturating_sub(now)) => {}
                        () = changed => {}
                    }
                }
            }
        }
    }

    /// Makes the consumer that which tries for its queue, unless another does.
    fn is_tried_by(&self, queue: &ShortString, number: usize) -> bool {
        *self.trying().entry(queue.clone()).or_insert(number) == number
    }

    /// The consumer is no more: another may try for its queue.
    pub(crate) fn leave(&self, queue: &ShortString, number: usize) {
        let mut trying = self.trying();
        if trying.get(queue) == Some(&number) {
            trying.remove(queue);
            drop(trying);
            self.changed.notify_waiters();
        }
    }

    fn trying(&self) -> MutexGuard<'_, BTreeMap<ShortString, usize>> {
        self.trying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Circuit) -> Turn) -> Turn {
        let mut circuit = self.lock();
        let turn = change(&mut circuit);
        let admission = match (circuit.open_until(), circuit.is_half_open()) {
            (Some(_), _) => Admission::Nobody,
            (None, true) => Admission::One,
            (None, false) => Admission::All,
        };
        let is_new = admission != self.admission();
        if is_new {
            // Who reads that one may try comes after it: else two of them could be the first.
            self.trying().clear();
            self.admission.store(admission as u8, Ordering::Release);
        }
        drop(circuit);
        if is_new {
            self.tell(admission);
            self.changed.notify_waiters();
        }
        turn
    }

    /// Tells that its consumers may do this from now on, and might not before.
    fn tell(&self, admission: Admission) {
        let pause = self.plan.pause;
        self.telling.tell(|listener| match admission {
            Admission::All => ApplicationEvent::CircuitClosed { listener },
            Admission::One => ApplicationEvent::CircuitHalfOpened { listener },
            Admission::Nobody => ApplicationEvent::CircuitOpened { listener, pause },
        });
    }

    /// The circuit is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedCircuit").field(&*self.lock()).finish()
    }
}
