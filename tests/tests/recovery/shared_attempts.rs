//! Callers that need a connection of the template's while its broker is away.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use springhare::Error;
use springhare::connection::{
    DeliveryCounting, EmbeddedLink, Link, LinkConnection, LinkError, LinkFuture,
};
use springhare::prelude::*;
use springhare_broker::{Broker, Clock};
use springhare_tests::{Gate, within_limit};

/// A link that has each attempt of the template's own connection wait for the gate, and fails the
/// first.
#[derive(Debug)]
struct Slow {
    inner: EmbeddedLink,
    gate: Gate,
    attempts: Arc<AtomicUsize>,
}

impl Link for Slow {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn clock(&self) -> &Clock {
        self.inner.clock()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.inner.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        if !name.contains("template") {
            return self.inner.connect(name);
        }
        Box::pin(async move {
            let attempt = self.attempts.fetch_add(1, Ordering::AcqRel);
            self.gate.pass().await;
            if attempt == 0 {
                let source = Arc::new(io::Error::from(io::ErrorKind::TimedOut));
                return Err(LinkError::Connect { address: self.describe(), source });
            }
            self.inner.connect(name).await
        })
    }
}

/// An application on such a link.
async fn started() -> (Springhare, Gate, Arc<AtomicUsize>) {
    let broker = Broker::builder().start().unwrap();
    let (gate, attempts) = (Gate::closed(), Arc::<AtomicUsize>::default());
    let inner = EmbeddedLink::new(broker);
    let link = Slow { inner, gate: gate.clone(), attempts: Arc::clone(&attempts) };
    let builder = Springhare::builder().link(link).listeners(listeners![]);
    let app = builder.declare(Queue::durable("q")).start().await.unwrap();
    (app, gate, attempts)
}

/// Ten callers at a time share an attempt that fails, and the next ten one that does not.
#[tokio::test]
async fn those_who_receive_wait_for_one_attempt_together() {
    let (app, gate, attempts) = started().await;
    let rabbit = app.rabbit_template();
    for number in 1..=2 {
        let calls = join_all((0..10).map(|_| rabbit.receive("q").into_future()));
        let mut calls = Box::pin(calls);
        assert!(futures_util::poll!(&mut calls).is_pending());
        assert_eq!(attempts.load(Ordering::Acquire), number, "one makes it for all");
        // Another attempt would wait for ever.
        gate.let_through(1);
        let results = within_limit("all calls", calls).await;
        assert!(results.iter().all(|result| match result {
            Ok(received) => number == 2 && received.is_none(),
            Err(Error::Link(LinkError::Connect { .. })) => number == 1,
            Err(_) => false,
        }));
        assert_eq!(attempts.load(Ordering::Acquire), number);
    }
    app.stop().await.unwrap();
}

/// As a branch of a `select!` in a loop is, while another's body is awaited.
#[tokio::test]
async fn who_began_an_attempt_and_is_not_polled_holds_up_neither_others_nor_the_stop() {
    let (app, gate, attempts) = started().await;
    let rabbit = app.rabbit_template();
    let mut first = Box::pin(rabbit.receive("q").into_future());
    assert!(futures_util::poll!(&mut first).is_pending());
    gate.let_through(1);
    let other = within_limit("another caller", rabbit.receive("q").into_future()).await;
    assert!(matches!(other, Err(Error::Link(LinkError::Connect { .. }))), "{other:?}");
    let mut second = Box::pin(rabbit.receive("q").into_future());
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!(attempts.load(Ordering::Acquire), 2);
    within_limit("the stop", app.stop()).await.unwrap();
    let (first, second) = (first.await, second.await);
    assert!(matches!(first, Err(Error::Stopped | Error::Link(_))), "{first:?}");
    assert!(matches!(second, Err(Error::Stopped)), "{second:?}");
}
