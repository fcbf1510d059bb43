//! The brokers that a case runs on.

use std::time::Duration;

use springhare::test::Harness;
use springhare::{Result, SpringhareBuilder};
use springhare_broker::Broker;
use springhare_tests::{RabbitMq, VirtualHost};

/// Which broker a case runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    Embedded,
    Tcp,
    RabbitMq,
}

/// A broker of a case's own; none for the harness's.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) url: Option<String>,
}

impl Door {
    pub(crate) async fn play(self, case: impl AsyncFn(&Place)) {
        match self {
            Self::Embedded => case(&Place { url: None }).await,
            Self::Tcp => {
                let address = "127.0.0.1:0".parse().unwrap();
                let broker = Broker::builder().listen(address).start().unwrap();
                let url = format!("amqp://guest:guest@{}", broker.local_addrs()[0]);
                case(&Place { url: Some(url) }).await;
            }
            Self::RabbitMq => {
                let Some(node) = RabbitMq::shared() else { return };
                let added = tokio::task::spawn_blocking(|| VirtualHost::add(node)).await;
                let host = added.unwrap().unwrap();
                case(&Place { url: Some(host.url()) }).await;
                tokio::task::spawn_blocking(|| host.delete()).await.unwrap().unwrap();
            }
        }
    }
}

impl Place {
    pub(crate) async fn try_start(
        &self,
        build: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder,
    ) -> Result<Harness> {
        match &self.url {
            Some(url) => Harness::start_at(url, build).await,
            None => Harness::start(build).await,
        }
    }

    pub(crate) async fn start(
        &self,
        build: impl FnOnce(SpringhareBuilder) -> SpringhareBuilder,
    ) -> Harness {
        self.try_start(build).await.unwrap()
    }
}

/// Lets time pass until this is so.
pub(crate) async fn time_passes_until(h: &Harness, what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        h.advance(Duration::from_millis(100)).await;
    }
    panic!("20 s have passed in vain until {what}");
}
