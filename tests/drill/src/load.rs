//! Producers and listeners, as an application of springhare's has them.

use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use springhare::prelude::*;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ledger::{Figures, Ledger};

/// The queue; what it is declared as is the drill's own.
const QUEUE: &str = "springhare.drill";

/// How many producers publish at once, each waiting for its confirm.
const PRODUCERS: usize = 16;

/// How long a producer leaves the broker alone after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a publish may take to end after the last one was begun.
const PUBLISH_LIMIT: Duration = Duration::from_secs(60);

/// How long messages may take to arrive after the last publish has ended.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);

/// What producers and listeners have in common.
#[derive(Debug, Clone)]
struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    /// Changes whenever a message was handled.
    handled: watch::Sender<()>,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[rabbit_listener(queue = "springhare.drill", concurrency = 2)]
async fn on_message(number: Json<usize>, shared: State<Shared>) {
    shared.ledger().handle(number.0);
    shared.handled.send_replace(());
}

/// An application under load.
#[derive(Debug)]
pub(crate) struct Load {
    app: Springhare,
    shared: Shared,
    producers: JoinSet<()>,
    /// Changes when producers are to stop.
    stop: watch::Sender<bool>,
}

impl Load {
    /// Starts the application and its producers.
    ///
    /// # Errors
    ///
    /// When the application does not start.
    pub(crate) async fn start(url: &str) -> springhare::Result<Self> {
        let (handled, _) = watch::channel(());
        let shared = Shared { ledger: Arc::default(), handled };
        let app = Springhare::builder()
            .url(url)
            .declare(Queue::durable(QUEUE).argument("x-queue-type", "quorum"))
            .listeners(listeners![on_message])
            .manage(shared.clone())
            .start()
            .await?;
        let (stop, _) = watch::channel(false);
        let mut producers = JoinSet::new();
        for _ in 0..PRODUCERS {
            producers.spawn(produce(app.rabbit_template(), shared.clone(), stop.subscribe()));
        }
        Ok(Self { app, shared, producers, stop })
    }

    /// What has become of the messages up to now.
    pub(crate) fn figures(&self) -> Figures {
        self.shared.ledger().figures()
    }

    /// Stops the producers, waits for what is confirmed to arrive, and stops the application.
    ///
    /// What does not end within its limit is left, and shows in the figures.
    ///
    /// # Errors
    ///
    /// When the application does not stop as it should.
    pub(crate) async fn finish(mut self) -> springhare::Result<Figures> {
        self.stop.send_replace(true);
        let ended = async { while self.producers.join_next().await.is_some() {} };
        if timeout(PUBLISH_LIMIT, ended).await.is_err() {
            tracing::error!("publishes have not ended after {PUBLISH_LIMIT:?}");
            self.producers.abort_all();
        }
        let mut handled = self.shared.handled.subscribe();
        let arrived = async {
            while self.figures().lost > 0 {
                if handled.changed().await.is_err() {
                    future::pending::<()>().await;
                }
            }
        };
        if timeout(ARRIVAL_LIMIT, arrived).await.is_err() {
            tracing::error!("messages have not arrived after {ARRIVAL_LIMIT:?}");
        }
        let figures = self.figures();
        self.app.stop().await?;
        Ok(figures)
    }
}

async fn produce(rabbit: RabbitTemplate, shared: Shared, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let number = shared.ledger().send();
        match rabbit.convert_and_send(QUEUE, &number).await {
            Ok(()) => shared.ledger().confirm(number),
            Err(error) => {
                shared.ledger().fail(number);
                tracing::debug!("message {number}: {error}");
                // Whether it is over or time is up, the loop's condition tells.
                let _ = timeout(PAUSE, stop.wait_for(|stop| *stop)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_where_nobody_is_killed() {
        let load = Load::start("embedded:").await.unwrap();
        let mut handled = load.shared.handled.subscribe();
        timeout(ARRIVAL_LIMIT, handled.changed()).await.unwrap().unwrap();
        let figures = load.finish().await.unwrap();
        assert!(figures.handled > 0);
        let clean = Figures {
            confirmed: figures.sent,
            failed: 0,
            handled: figures.sent,
            duplicates: 0,
            lost: 0,
            foreign: 0,
            ..figures
        };
        assert_eq!(figures, clean);
    }
}
