//! The appenders of an application: given to its builder, started and stopped with it.

use std::iter;

use super::SpringhareBuilder;
use super::broker_builder::BrokerBuilder;
use super::scopes::BrokerScopes;
use crate::appender::{AmqpAppender, Sender};
use crate::declare::Exchange;
use crate::error::StartFault;
use crate::settings::MAIN_BROKER;

impl SpringhareBuilder {
    /// Publishes what is logged, from the end of the start on until the application is stopped. The
    /// appender's exchange is declared beside what the listeners declare.
    ///
    /// ```
    /// use springhare::AmqpAppender;
    /// use springhare::prelude::*;
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let appender = AmqpAppender::builder().app_id("shop").build();
    /// // Here the log is set up, with a layer that writes to the appender.
    /// let app = Springhare::builder().log_appender(appender).start().await?;
    /// # app.stop().await
    /// # }
    /// ```
    pub fn log_appender(mut self, appender: AmqpAppender) -> Self {
        let exchange = keep(appender, &mut self.appenders, &mut self.faults);
        self.declare(exchange)
    }
}

impl BrokerBuilder {
    /// Publishes what is logged on this broker; see
    /// [`SpringhareBuilder::log_appender`](crate::SpringhareBuilder::log_appender).
    ///
    /// ```
    /// use springhare::AmqpAppender;
    /// use springhare::prelude::*;
    ///
    /// let appender = AmqpAppender::builder().build();
    /// let builder = Springhare::builder().named_broker("logs", |logs| logs.log_appender(appender));
    /// # drop(builder);
    /// ```
    pub fn log_appender(mut self, appender: AmqpAppender) -> Self {
        let exchange = keep(appender, &mut self.appenders, &mut self.faults);
        self.declare(exchange)
    }
}

/// Keeps an appender, and what is wrong with it; what it publishes to is to be declared.
fn keep(
    appender: AmqpAppender,
    appenders: &mut Vec<AmqpAppender>,
    faults: &mut Vec<StartFault>,
) -> Exchange {
    faults.extend(appender.faults());
    let exchange = appender.exchange().clone();
    appenders.push(appender);
    exchange
}

/// All of an application, each with its broker's name.
pub(super) struct Appenders(Vec<(String, AmqpAppender)>);

impl Appenders {
    pub(super) fn of(builder: &SpringhareBuilder) -> Self {
        let named = builder.brokers.iter().map(|(name, broker)| (&**name, &broker.appenders));
        let all = iter::once((MAIN_BROKER, &builder.appenders)).chain(named);
        let each = all.flat_map(|(broker, appenders)| {
            appenders.iter().map(|appender| (broker.to_owned(), appender.clone()))
        });
        Self(each.collect())
    }

    /// Has them publish.
    pub(super) fn start(self, brokers: &mut BrokerScopes) {
        for (name, appender) in self.0 {
            if let Some(broker) = brokers.iter_mut().find(|broker| *broker.name == *name) {
                let (template, clock) =
                    (broker.scope.template.clone(), broker.scope.connection.clock().clone());
                broker.appending.push(Sender::start(appender, template, clock));
            }
        }
    }
}
