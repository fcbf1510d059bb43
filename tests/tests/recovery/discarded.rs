//! Who hears of messages that are given up, where the connection is lost before they are settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use springhare::Discarded;
use springhare::amqp::{AmqpError, MethodId, ReplyCode};
use springhare::connection::{
    Link, LinkChannel, LinkConnection, LinkError, LinkFuture, LinkPublisher, PublishBatch,
    PublishCall, PublishError, PublishResult,
};
use springhare::prelude::*;
use springhare_broker::Clock;
use springhare_tests::eventually;

use crate::support::{LONG, telling};
use crate::switch_link::SwitchLink;

/// A link that loses the listeners' connection once, as soon as a copy of a message is confirmed:
/// the original can't be settled any more, and comes again. For copies that are to wait there is no
/// room, as where their headers fill a frame.
#[derive(Debug, Clone)]
struct LosesOnce {
    link: SwitchLink,
    has_lost: Arc<AtomicBool>,
}

#[derive(Debug)]
struct LosingConnection(Arc<dyn LinkConnection>, LosesOnce);

#[derive(Debug)]
struct LosingPublisher(Arc<dyn LinkPublisher>, LosesOnce);

impl Link for LosesOnce {
    fn describe(&self) -> String {
        self.link.describe()
    }

    fn clock(&self) -> &Clock {
        self.link.clock()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let connection = self.link.connect(name).await?;
            Ok(Arc::new(LosingConnection(connection, self.clone())) as Arc<dyn LinkConnection>)
        })
    }
}

impl LinkConnection for LosingConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        self.0.open_channel()
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        Box::pin(async move {
            let publisher = self.0.publisher().await?;
            Ok(Arc::new(LosingPublisher(publisher, self.1.clone())) as Arc<dyn LinkPublisher>)
        })
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        self.0.close()
    }

    fn closed(&self) -> Option<LinkError> {
        self.0.closed()
    }
}

impl LinkPublisher for LosingPublisher {
    fn poll_publish(&self, cx: &mut Context<'_>, call: &mut PublishCall) -> Poll<PublishResult> {
        self.0.poll_publish(cx, call)
    }

    fn poll_publish_beyond_the_memory_mark(
        &self,
        cx: &mut Context<'_>,
        call: &mut PublishCall,
    ) -> Poll<PublishResult> {
        let route = call.publish.as_ref().map(|publish| &publish.routing_key);
        if route.is_some_and(|key| key.contains(".retry.")) {
            let text = "the headers fill a frame";
            let refused = AmqpError::new(ReplyCode::FrameError, MethodId::BASIC_PUBLISH, text);
            return Poll::Ready(Err(PublishError::Refused(refused)));
        }
        let published = self.0.poll_publish_beyond_the_memory_mark(cx, call);
        if matches!(published, Poll::Ready(Ok(()))) && !self.1.has_lost.swap(true, Ordering::AcqRel)
        {
            self.1.link.close_those_named("listeners");
        }
        published
    }

    fn poll_publish_many(&self, cx: &mut Context<'_>, batch: &mut PublishBatch) -> Poll<()> {
        self.0.poll_publish_many(cx, batch)
    }
}

async fn fails(_body: Bytes) -> ListenerResult {
    Err(ListenerError::msg("no van"))
}

/// Sends a message that is given up, and is so again after the loss.
async fn heard_once(queue: &str, expected: &str) {
    let (link, _broker, hand) = SwitchLink::on();
    let loses = LosesOnce { link, has_lost: Arc::default() };
    let (tell, mut told) = telling::<String>();
    let keyed = |id: &str, key: &str| {
        Listener::queue("d.keyed").id(id).exchange("d.keys").key(key).handler(fails)
    };
    let app = Springhare::builder()
        .link(loses)
        .listeners(listeners![])
        .on_discarded(move |it: &Discarded| tell.tell(format!("{:?}, {:?}", it.reason(), it.to())))
        .add_listener(keyed("d.one", "one"))
        .add_listener(keyed("d.two", "two"))
        .add_listener(Listener::queue("d.full").retry(|it| it.delays([LONG; 5])).handler(fails))
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(queue, "tea").await.unwrap();
    eventually("both copies are there", async || {
        hand.advance(LONG);
        let parked = app.admin().queue_info(&format!("{queue}.error")).await.ok().flatten();
        parked.is_some_and(|parked| parked.messages == 2).then_some(())
    })
    .await;
    assert_eq!(told.next().await, expected);
    app.stop().await.unwrap();
    assert_eq!(told.take(), None, "it is told once, when it is settled");
}

#[tokio::test]
async fn what_no_handler_takes_is_told_once_though_it_could_not_be_settled() {
    heard_once("d.keyed", "Unmatched, ErrorQueue").await;
}

#[tokio::test]
async fn what_has_no_room_for_its_count_is_told_once_though_it_could_not_be_settled() {
    heard_once("d.full", "NoRoomToCount, ErrorQueue").await;
}
