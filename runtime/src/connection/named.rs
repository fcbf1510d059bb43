use std::sync::Arc;

use springhare_broker::Clock;

use super::{DeliveryCounting, Link, LinkConnection, LinkError, LinkFuture};

/// What the broker shows an application's connections as, where nobody says otherwise.
const DEFAULT_NAME: &str = "springhare";

/// A link whose connections bear the application's name, in front of what each is for.
#[derive(Debug)]
pub(crate) struct NamedLink {
    link: Arc<dyn Link>,
    name: String,
    /// The broker's name, if the application has another one beside it.
    broker: Option<Arc<str>>,
}

impl NamedLink {
    pub(crate) fn new(link: Arc<dyn Link>, name: Option<String>) -> Self {
        Self { link, name: name.unwrap_or_else(|| DEFAULT_NAME.to_owned()), broker: None }
    }

    /// The link to the broker of this name: whatever tells its address tells the name.
    pub(crate) fn of_broker(mut self, broker: Arc<str>) -> Self {
        self.broker = Some(broker);
        self
    }
}

impl Link for NamedLink {
    fn describe(&self) -> String {
        match &self.broker {
            Some(broker) => format!("broker `{broker}` ({})", self.link.describe()),
            None => self.link.describe(),
        }
    }

    fn clock(&self) -> &Clock {
        self.link.clock()
    }

    fn virtual_host(&self) -> &str {
        self.link.virtual_host()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.link.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move {
            let connected = self.link.connect(&format!("{} {name}", self.name)).await;
            connected.map_err(|error| match error {
                LinkError::Connect { source, .. } if self.broker.is_some() => {
                    LinkError::Connect { address: self.describe(), source }
                }
                other => other,
            })
        })
    }
}
