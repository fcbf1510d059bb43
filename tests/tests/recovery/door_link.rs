use std::sync::Arc;

use springhare::connection::{
    DeliveryCounting, Link, LinkChannel, LinkConnection, LinkError, LinkFuture, LinkPublisher,
    Product,
};
use springhare_broker::Clock;
use springhare_tests::eventually;
use tokio::sync::watch;

/// A link whose broker takes its time: while the door is shut, who opens a channel on the listeners'
/// connection waits.
#[derive(Debug)]
pub(crate) struct DoorLink<L> {
    inner: L,
    door: Door,
}

/// Shut and opened by a test.
#[derive(Debug, Clone)]
pub(crate) struct Door(Arc<watch::Sender<bool>>);

impl<L: Link> DoorLink<L> {
    /// A link over this one, and its door, which is open.
    pub(crate) fn over(inner: L) -> (Self, Door) {
        let door = Door(Arc::new(watch::Sender::new(true)));
        (Self { inner, door: door.clone() }, door)
    }
}

impl Door {
    pub(crate) fn shut(&self) {
        self.0.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until somebody waits at the door.
    pub(crate) async fn has_a_visitor(&self) {
        eventually("somebody waits at the door", async || {
            (self.0.receiver_count() > 0).then_some(())
        })
        .await;
    }

    async fn pass(&self) {
        let mut is_open = self.0.subscribe();
        is_open.wait_for(|is_open| *is_open).await.unwrap();
    }
}

impl<L: Link> Link for DoorLink<L> {
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
        Box::pin(async move {
            let connection = self.inner.connect(name).await?;
            if !name.contains("listeners") {
                return Ok(connection);
            }
            let connection: Arc<dyn LinkConnection> =
                Arc::new(DoorConnection { inner: connection, door: self.door.clone() });
            Ok(connection)
        })
    }
}

#[derive(Debug)]
struct DoorConnection {
    inner: Arc<dyn LinkConnection>,
    door: Door,
}

impl LinkConnection for DoorConnection {
    fn open_channel(&self) -> LinkFuture<'_, Arc<dyn LinkChannel>> {
        Box::pin(async move {
            self.door.pass().await;
            self.inner.open_channel().await
        })
    }

    fn publisher(&self) -> LinkFuture<'_, Arc<dyn LinkPublisher>> {
        self.inner.publisher()
    }

    fn product(&self) -> Product {
        self.inner.product()
    }

    fn close(&self) -> LinkFuture<'_, ()> {
        self.inner.close()
    }

    fn closed(&self) -> Option<LinkError> {
        self.inner.closed()
    }
}
