//! Where the brokers are that a builder has chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_broker::{Broker, Clock};

use super::SpringhareBuilder;
use super::broker_builder::BrokerBuilder;
use super::builder::BrokerChoice;
use super::planned::PlannedBroker;
use crate::connection::{Address, AmqpLink, EmbeddedAddress, EmbeddedLink, Link};
use crate::error::{Fault, Result, StartError};
use crate::settings::{AddressProblem, Source, WrongAddress};

/// A link, and the broker at its end if that lives and ends with the application.
pub(super) type Place = (Arc<dyn Link>, Option<Broker>);

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

    /// The link to this broker, asked for once. An address of the settings that can't be used is a
    /// fault among the others.
    pub(super) fn link_to(
        &mut self,
        broker: &PlannedBroker,
        faults: &mut Vec<Fault>,
    ) -> Result<Place> {
        let choice = if broker.is_main() {
            std::mem::take(&mut self.main)
        } else {
            self.named.remove(&*broker.name).unwrap_or_default().choice
        };
        match (choice, &self.stand_ins) {
            (BrokerChoice::Link(link), _) => Ok((link, None)),
            (BrokerChoice::Handle(broker), _) => Ok((Arc::new(EmbeddedLink::new(broker)), None)),
            (BrokerChoice::Settings, Some(clock)) if !broker.is_main() => {
                own(Broker::builder().clock(clock.clone()))
            }
            (BrokerChoice::Settings, _) => place_of_settings(broker, faults),
        }
    }
}

fn place_of_settings(broker: &PlannedBroker, faults: &mut Vec<Fault>) -> Result<Place> {
    let address = match broker.settings.address() {
        Ok(Some(address)) => address,
        Ok(None) if broker.is_main() => Address::Embedded(EmbeddedAddress::default()),
        Ok(None) => {
            let name = &broker.name;
            faults.push(Fault::new(format!(
                "nothing says where the broker `{name}` is: give `[brokers.{name}]` a `url` or a \
                 `host`, or write `.named_broker(\"{name}\", |it| it.url(\"amqp://..\"))`; a broker \
                 in this process has the url `embedded:`"
            )));
            return not_there(faults);
        }
        Err(WrongAddress {
            source: Source::Builder,
            problem: AddressProblem::Address(error),
            ..
        }) => {
            return Err(error.into());
        }
        Err(WrongAddress { key, source, problem }) => {
            faults.push(source.fault(format_args!("`{key}`: {problem}")));
            return not_there(faults);
        }
    };
    let name = (!broker.is_main()).then_some(&*broker.name);
    tracing::info!(name, broker = %address, "the broker that the settings come to");
    match address {
        Address::Embedded(address) => {
            let mut builder = Broker::builder().durability(address.durability());
            if let Some(folder) = address.data() {
                builder = builder.data(folder);
            }
            own(builder)
        }
        Address::Amqp(addresses) => {
            let mode = broker.settings.address_shuffle_mode.as_ref();
            let order = mode.map(|mode| mode.value).unwrap_or_default();
            let link = AmqpLink::new(addresses).with_order(order);
            Ok((Arc::new(link.with_limits(broker.settings.limits())), None))
        }
    }
}

/// There is no broker to tell what else is wrong: the faults so far are told.
fn not_there(faults: &mut Vec<Fault>) -> Result<Place> {
    StartError::of(std::mem::take(faults))?;
    own(Broker::builder())
}

fn own(builder: springhare_broker::BrokerBuilder) -> Result<Place> {
    let broker = builder.start()?;
    Ok((Arc::new(EmbeddedLink::new(broker.clone())), Some(broker)))
}
