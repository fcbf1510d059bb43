//! Starts and stops consumers of one queue while their listener runs: by their load, and by what
//! the application asks for. When it is told to stop it waits for those that it has started.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use springhare_amqp::ShortString;
use tokio::task::JoinSet;

use super::container::Container;
use super::crew::Crew;
use super::endpoint::Concurrency;
use super::scaling::{Change, LOOK_EVERY, Scaling};
use super::stop_signal::StopSignal;
use super::supervisor::{ListenerScope, Supervised};

#[derive(Debug)]
pub(super) struct Scaler {
    pub(super) scope: Arc<ListenerScope>,
    pub(super) container: Arc<Container>,
    pub(super) queue: ShortString,
    pub(super) crew: Arc<Crew>,
    pub(super) concurrency: Concurrency,
    pub(super) stop: Arc<StopSignal>,
}

/// What the scaler was woken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// It is time for a look.
    Due,
    /// The numbers have changed.
    Changed,
    Stopped,
}

impl Scaler {
    pub(super) async fn run(mut self) {
        let clock = self.scope.connection.clock().clone();
        let Concurrency { min, max } = self.concurrency;
        let mut scaling = Scaling::new(min, max, clock.now());
        let mut started = JoinSet::new();
        self.adjust(&mut started);
        loop {
            match self.woken().await {
                Woken::Stopped => break,
                Woken::Changed => {
                    self.concurrency = self.crew.changed_concurrency().unwrap_or(self.concurrency);
                    scaling.set(self.concurrency.min, self.concurrency.max);
                    self.adjust(&mut started);
                }
                Woken::Due => {
                    let now = clock.now();
                    let (all, busy) = self.crew.look(&self.queue, now);
                    match scaling.look(now, all, busy) {
                        Change::Nothing => {}
                        Change::More => self.more(&mut started),
                        Change::Less => self.less(),
                    }
                }
            }
            while let Some(ended) = started.try_join_next() {
                self.tell_failure(ended);
            }
        }
        while let Some(ended) = started.join_next().await {
            self.tell_failure(ended);
        }
    }

    async fn woken(&self) -> Woken {
        let changed = self.crew.changed.notified();
        let mut changed = pin!(changed);
        // Whoever changed the numbers before this is not missed.
        changed.as_mut().enable();
        if self.crew.changed_concurrency().is_some_and(|changed| changed != self.concurrency) {
            return Woken::Changed;
        }
        let is_fixed = self.concurrency.min == self.concurrency.max;
        let look = (!is_fixed).then(|| self.scope.connection.clock().sleep(LOOK_EVERY));
        let mut look = pin!(look);
        poll_fn(|cx| {
            if self.stop.watch(cx.waker()) > super::StopPhase::Running {
                return Poll::Ready(Woken::Stopped);
            }
            if changed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Woken::Changed);
            }
            match look.as_mut().as_pin_mut() {
                Some(look) => look.poll(cx).map(|()| Woken::Due),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Starts or stops as many as are missing or too many.
    fn adjust(&self, started: &mut JoinSet<()>) {
        let all = self.crew.count(&self.queue);
        for _ in all..self.concurrency.min {
            self.more(started);
        }
        for _ in self.concurrency.max..all {
            self.less();
        }
    }

    fn more(&self, started: &mut JoinSet<()>) {
        let supervised = self.crew.add_by(&self.stop, |states, number| Supervised {
            scope: Arc::clone(&self.scope),
            container: Arc::clone(&self.container),
            queue: self.queue.clone(),
            stop: Arc::default(),
            load: Arc::default(),
            states,
            number,
        });
        // The queue may be removed, and the stop not be noticed yet.
        let Some(supervised) = supervised else { return };
        self.tell("one consumer more");
        started.spawn(supervised.supervise(None));
    }

    fn less(&self) {
        self.crew.dismiss(&self.queue);
        self.tell("one consumer less");
    }

    fn tell(&self, what: &str) {
        let consumers = self.crew.count(&self.queue);
        let (listener, queue) = (&*self.container.name, &*self.queue);
        tracing::info!(listener, queue, consumers, "{what}");
    }

    fn tell_failure(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            tracing::error!(listener = &*self.container.name, %error, "a listener's task failed");
        }
    }
}
