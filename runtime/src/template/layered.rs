use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use springhare_broker::Publish;
use tokio::sync::{mpsc, oneshot};
use tokio::task::coop::{Unconstrained, unconstrained};

use super::RabbitTemplate;
use super::publishing::PublishingPath;
use super::send::Opening;
use super::send_all::{SendAllError, is_lost};
use crate::connection::{Confirmation, PublishBatch};
use crate::error::{Error, Result};
use crate::middleware::{LayerFuture, NextPublish};

/// Messages that are sent many at a time, each through the publish layers.
///
/// What comes out of them goes to the broker in one batch, in the order in which it comes out: that of
/// the messages where no layer waits. Each by itself would keep no order between exchanges.
pub(super) struct LayeredBatch<'t> {
    template: &'t RabbitTemplate,
    /// In the order of the messages. A layer that need not wait is not made to for the sake of other
    /// tasks, or a later message would come out before.
    in_layers: FuturesOrdered<Unconstrained<LayerFuture<'t>>>,
    /// No more than there are messages in the layers.
    handing: mpsc::UnboundedSender<Handed>,
    handed: mpsc::UnboundedReceiver<Handed>,
    /// None while nothing is on its way: the next may need another.
    path: Option<Arc<PublishingPath>>,
    opening: Option<Opening<'t>>,
    batch: PublishBatch,
    /// Who waits for the results of the batch, in its order.
    answers: VecDeque<oneshot::Sender<Result<()>>>,
}

/// A message that has come out of its layers, and who hears what became of it.
type Handed = (Publish, oneshot::Sender<Result<()>>);

impl<'t> LayeredBatch<'t> {
    pub(super) fn new(template: &'t RabbitTemplate) -> Self {
        let (handing, handed) = mpsc::unbounded_channel();
        Self {
            template,
            in_layers: FuturesOrdered::new(),
            handing,
            handed,
            path: None,
            opening: None,
            batch: PublishBatch::default(),
            answers: VecDeque::new(),
        }
    }

    /// How many messages are in their layers, or on their way behind them.
    pub(super) fn open(&self) -> usize {
        self.in_layers.len().max(self.answers.len())
    }

    /// What [`RabbitTemplate::publish_batch`] does, through the layers: carries on what is in `batch`, and
    /// puts into it one `Ok` for each that is done.
    pub(super) async fn publish_batch(
        &mut self,
        batch: &mut PublishBatch,
        confirmed: usize,
    ) -> Result<(), SendAllError> {
        // Layers that send nothing spend nothing of the task's budget.
        tokio::task::coop::consume_budget().await;
        let mut results = VecDeque::new();
        self.begin(&mut batch.publishes);
        self.carry_on(batch.open_max, &mut results).await;
        if results.iter().all(Result::is_ok) {
            batch.results.extend(results.into_iter().map(|_| Ok(())));
            return Ok(());
        }
        // What is on its way with the one that failed is not left unknown.
        self.carry_on(0, &mut results).await;
        let failed = results.iter().position(Result::is_err).unwrap_or_default();
        let after = results.iter().skip(failed).filter(|result| result.is_ok()).count();
        let error = match results.swap_remove_back(failed) {
            Some(Err(error)) => error,
            _ => Error::Stopped,
        };
        Err(SendAllError { index: confirmed + failed, confirmed_after: after, error })
    }

    /// A result for each, in order.
    pub(super) async fn publish_each(
        mut self,
        mut publishes: VecDeque<Publish>,
    ) -> Vec<Result<()>> {
        let mut results = VecDeque::with_capacity(publishes.len());
        self.begin(&mut publishes);
        self.carry_on(0, &mut results).await;
        results.into()
    }

    /// Puts messages into the outermost layer.
    fn begin(&mut self, publishes: &mut VecDeque<Publish>) {
        for publish in publishes.drain(..) {
            let handing = self.handing.clone();
            let send = move |publish| -> LayerFuture<'t> {
                Box::pin(async move {
                    let (answer, told) = oneshot::channel();
                    // It is there for as long as the layers are polled.
                    handing.send((publish, answer)).map_err(|_| Error::Stopped)?;
                    told.await.unwrap_or(Err(Error::Stopped))
                })
            };
            let next = NextPublish::new(&self.template.middleware().layers, send);
            self.in_layers.push_back(unconstrained(next.run(publish)));
        }
    }

    /// Carries the messages on until at most `open_max` of them have no result, and adds the others'.
    async fn carry_on(&mut self, open_max: usize, results: &mut VecDeque<Result<()>>) {
        poll_fn(|cx| {
            loop {
                while let Poll::Ready(Some(result)) = self.in_layers.poll_next_unpin(cx) {
                    results.push_back(result);
                }
                let has_taken = self.take_handed(cx);
                if !(self.poll_batch(cx) || has_taken) {
                    break;
                }
            }
            // At the end nobody waits for what its layer has given up once the broker had it.
            let left = if open_max == 0 { self.in_layers.len() } else { self.open() };
            if left <= open_max { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Takes out what no layer waits for any more and the broker does not have: it is not sent, as one that
    /// is sent by itself is not then.
    fn withdraw(&mut self) {
        let on_their_way = self.batch.waiting.len();
        let mut place = 0;
        while let Some(answer) = self.answers.get(on_their_way + place) {
            if !answer.is_closed() {
                place += 1;
                continue;
            }
            self.answers.remove(on_their_way + place);
            self.batch.publishes.remove(place);
        }
    }

    /// Takes what has come out of the layers; whether that is anything.
    fn take_handed(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.answers.len();
        while let Poll::Ready(Some((publish, answer))) = self.handed.poll_recv(cx) {
            self.batch.publishes.push_back(publish);
            self.answers.push_back(answer);
        }
        self.answers.len() > before
    }

    /// Sends what has come out of the layers; whether anything was answered.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> bool {
        self.withdraw();
        if self.answers.is_empty() {
            // Others may wait for this attempt.
            (self.path, self.opening) = (None, None);
            return false;
        }
        let publishing = &self.template.shared.publishing;
        let path = match self.poll_path(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(path)) => path,
            Poll::Ready(Err(error)) => {
                self.give_up(error);
                return true;
            }
        };
        // Who waits is told of each result, not of the end.
        let _ = path.publisher.poll_publish_many(cx, &mut self.batch);
        let results = std::mem::take(&mut self.batch.results);
        if results.iter().any(is_lost) {
            publishing.lost(&path);
        }
        let answered = results.len().min(self.answers.len());
        for (result, answer) in results.into_iter().zip(self.answers.drain(..answered)) {
            let result = result.map_err(Error::from);
            publishing.tell(&result, Confirmation::Awaited);
            // A layer may have given the wait up.
            let _ = answer.send(result);
        }
        if self.answers.is_empty() {
            self.path = None;
        }
        answered > 0
    }

    fn poll_path(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arc<PublishingPath>>> {
        if let Some(path) = &self.path {
            return Poll::Ready(Ok(Arc::clone(path)));
        }
        let publishing = &self.template.shared.publishing;
        let opening = self.opening.get_or_insert_with(|| Box::pin(publishing.usable()));
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        if let Ok(path) = &opened {
            self.path = Some(Arc::clone(path));
        }
        Poll::Ready(opened)
    }

    /// There is no way to the broker for what has come out of the layers.
    fn give_up(&mut self, error: Error) {
        let error = Arc::new(error);
        self.batch.publishes.clear();
        for answer in self.answers.drain(..) {
            let given_up = Err(Error::of_shared(&error));
            self.template.shared.publishing.tell(&given_up, Confirmation::Awaited);
            let _ = answer.send(given_up);
        }
    }
}
