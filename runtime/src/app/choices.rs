//! Where the brokers are that a builder has chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_broker::{Broker, Clock};

use super::SpringhareBuilder;
use super::broker_builder::BrokerBuilder;
use super::builder::BrokerChoice;
use super::planned::PlannedBroker;
use crate::connection::{Address, AmqpLink, EmbeddedAddress, EmbeddedLink, Link};
use crate::error::{Result, StartFault};
use crate::settings::{AddressProblem, Source, WrongAddress};

/// Where a broker is.
#[derive(Debug)]
pub(super) enum Place {
    /// At the end of this link, whatever becomes of the application.
    Elsewhere(Arc<dyn Link>),
    /// In this process: it is started for the application, and ends with it.
    Here(Box<springhare_broker::BrokerBuilder>),
}

/// A link, and the broker at its end if that lives and ends with the application.
pub(super) type Opened = (Arc<dyn Link>, Option<Broker>);

/// What the builder says of its brokers' places.
#[derive(Debug, Default)]
pub(super) struct Choices {
    main: BrokerChoice,
    named: BTreeMap<String, BrokerBuilder>,
    stand_ins: Option<Clock>,
}

impl Choices {
    pub(super) fn of(builder: SpringhareBuilder) -> Self {
        let SpringhareBuilder { broker, brokers, stand_ins, .. } = builder;
        Self { main: broker, named: brokers, stand_ins }
    }

    /// Where this broker is, asked for once; nothing is started yet. An address of the settings that
    /// can't be used is a fault among the others, and then it is nowhere.
    pub(super) fn place_of(
        &mut self,
        broker: &PlannedBroker,
        faults: &mut Vec<StartFault>,
    ) -> Result<Option<Place>> {
        let choice = if broker.is_main() {
            std::mem::take(&mut self.main)
        } else {
            self.named.remove(&*broker.name).unwrap_or_default().choice
        };
        match (choice, &self.stand_ins) {
            (BrokerChoice::Link(link), _) => Ok(Some(Place::Elsewhere(link))),
            (BrokerChoice::Handle(broker), _) => {
                Ok(Some(Place::Elsewhere(Arc::new(EmbeddedLink::new(broker)))))
            }
            (BrokerChoice::Settings, Some(clock)) if !broker.is_main() => {
                Ok(Some(Place::Here(Box::new(Broker::builder().clock(clock.clone())))))
            }
            (BrokerChoice::Settings, _) => place_of_settings(broker, faults),
        }
    }
}

impl Place {
    /// The link to it; a broker in this process is started.
    pub(super) fn open(self) -> Result<Opened> {
        match self {
            Self::Elsewhere(link) => Ok((link, None)),
            Self::Here(builder) => {
                let broker = builder.start()?;
                Ok((Arc::new(EmbeddedLink::new(broker.clone())), Some(broker)))
            }
        }
    }
}

fn place_of_settings(
    broker: &PlannedBroker,
    faults: &mut Vec<StartFault>,
) -> Result<Option<Place>> {
    let address = match broker.settings.address() {
        Ok(Some(address)) => address,
        Ok(None) if broker.is_main() => Address::Embedded(EmbeddedAddress::default()),
        Ok(None) => {
            let name = &broker.name;
            faults.push(StartFault::new(format!(
                "nothing says where the broker `{name}` is: give `[brokers.{name}]` a `url` or a \
                 `host`, or write `.named_broker(\"{name}\", |it| it.url(\"amqp://..\"))`; a broker \
                 in this process has the url `embedded:`"
            )));
            return Ok(None);
        }
        Err(WrongAddress {
            source: Source::Builder,
            problem: AddressProblem::Address(error),
            ..
        }) if broker.is_main() => {
            return Err(error.into());
        }
        Err(WrongAddress { key, source: Source::Builder, problem }) if !broker.is_main() => {
            let name = &broker.name;
            let text = format!("`.named_broker(\"{name}\", ..)`: `{key}`: {problem}");
            faults.push(StartFault::new(text));
            return Ok(None);
        }
        Err(WrongAddress { key, source, problem }) => {
            faults.push(source.fault(format_args!("`{key}`: {problem}")));
            return Ok(None);
        }
    };
    let name = (!broker.is_main()).then_some(&*broker.name);
    tracing::info!(name, broker = %address, "the broker that the settings come to");
    Ok(Some(match address {
        Address::Embedded(address) => {
            let mut builder = Broker::builder().durability(address.durability());
            if let Some(folder) = address.data() {
                builder = builder.data(folder);
            }
            Place::Here(Box::new(builder))
        }
        Address::Amqp(addresses) => {
            let mode = broker.settings.address_shuffle_mode.as_ref();
            let order = mode.map(|mode| mode.value).unwrap_or_default();
            let link = AmqpLink::new(addresses).with_order(order);
            Place::Elsewhere(Arc::new(link.with_limits(broker.settings.limits())))
        }
    }))
}
