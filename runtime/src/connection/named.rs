use std::sync::Arc;

use springhare_broker::Clock;

use super::{DeliveryCounting, Link, LinkConnection, LinkFuture};

/// What the broker shows an application's connections as, where nobody says otherwise.
const DEFAULT_NAME: &str = "springhare";

/// A link whose connections bear the application's name, in front of what each is for.
#[derive(Debug)]
pub(crate) struct NamedLink {
    link: Arc<dyn Link>,
    name: String,
}

impl NamedLink {
    pub(crate) fn new(link: Arc<dyn Link>, name: Option<String>) -> Self {
        Self { link, name: name.unwrap_or_else(|| DEFAULT_NAME.to_owned()) }
    }
}

impl Link for NamedLink {
    fn describe(&self) -> String {
        self.link.describe()
    }

    fn clock(&self) -> &Clock {
        self.link.clock()
    }

    fn delivery_counting(&self) -> DeliveryCounting {
        self.link.delivery_counting()
    }

    fn connect<'a>(&'a self, name: &'a str) -> LinkFuture<'a, Arc<dyn LinkConnection>> {
        Box::pin(async move { self.link.connect(&format!("{} {name}", self.name)).await })
    }
}
