use std::panic::Location;

use super::SpringhareBuilder;
use super::broker_builder::BrokerBuilder;
use crate::error::StartFault;
use crate::settings::MAIN_BROKER;

impl SpringhareBuilder {
    /// Another broker beside the application's own, under a name, for the listeners with `broker = "billing"`.
    /// Where it is may stand in the settings' `[brokers.billing]`. The application's own is that of
    /// [`url`](Self::url) or, as a handle, [`broker`](Self::broker); once it runs,
    /// [`Springhare::broker`](crate::Springhare::broker) has each of them.
    ///
    /// Each broker has its own connections: an outage of one is nothing to the others.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder()
    ///     .url("amqp://orders.example")
    ///     .named_broker("billing", |billing| billing.url("amqp://billing.example"))
    ///     .start()
    ///     .await?;
    /// # app.stop().await
    /// # }
    /// ```
    #[track_caller]
    pub fn named_broker(
        mut self,
        name: impl Into<String>,
        set: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
    ) -> Self {
        let name = name.into();
        let wrong = match name.as_str() {
            "" => Some("a broker's name is not empty"),
            MAIN_BROKER => Some(
                "`rabbitmq` is the application's own broker, which the builder itself speaks of, \
                 as by `.url(..)`",
            ),
            _ => None,
        };
        if let Some(text) = wrong {
            let place = Location::caller();
            let fault = StartFault::new(format!("`.named_broker(\"{name}\", ..)`: {text}"));
            self.faults.push(fault.at(place.file(), place.line()));
            return self;
        }
        let mut broker = set(self.brokers.remove(&name).unwrap_or_default());
        self.faults.append(&mut broker.faults);
        self.settings.brokers.insert(name.clone(), broker.settings.clone());
        self.brokers.insert(name, broker);
        self
    }
}
