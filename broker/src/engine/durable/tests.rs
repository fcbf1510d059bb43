use std::collections::BTreeSet;
use std::sync::Arc;

use super::decode::Definition;
use super::*;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::definitions::import;
use crate::engine::users::Users;
use crate::store::RecoveredDefinition;

/// What RabbitMQ exported, of a node with one or more of everything.
const EVERYTHING: &str = include_str!("../../definitions/tests/rabbitmq.json");

fn broker(
    virtual_hosts: impl IntoIterator<Item = springhare_amqp::ShortString>,
) -> Arc<BrokerCell> {
    let users = Users::new([], BTreeSet::new()).unwrap();
    let shared = Shared::new(BrokerConfig::default(), Clock::default());
    Arc::new(BrokerCell::new(shared, virtual_hosts, users))
}

/// What a journal would have of a broker.
fn encoded(broker: &BrokerCell) -> Vec<Vec<u8>> {
    let mut all: Vec<_> =
        encode::administration(broker).into_iter().filter_map(|(_, content)| content).collect();
    for host in broker.virtual_hosts().values() {
        let (name, topology) = (host.name().as_str(), host.topology());
        let exchanges = topology.exchanges().filter(is_kept);
        all.extend(exchanges.map(|exchange| encode::exchange(name, exchange)));
        let queues = topology.queues().filter(|(_, queue)| survives(queue.definition()));
        all.extend(queues.map(|(_, queue)| encode::queue(name, queue.id(), queue.definition())));
        let bindings = topology.bindings().filter(|it| binds_what_survives(&topology, it));
        all.extend(bindings.map(|binding| encode::binding(name, binding)));
    }
    all
}

fn recovered(contents: Vec<Vec<u8>>) -> RestoredDefinitions {
    let references = (1..).filter_map(Reference::new);
    let all = references.zip(contents);
    let recovered = |(reference, content): (_, Vec<u8>)| RecoveredDefinition {
        reference,
        content: content.into(),
    };
    RestoredDefinitions::read(all.map(recovered).collect())
}

#[test]
fn a_broker_is_made_again_of_its_definitions() {
    let first = broker([]);
    import(&first, EVERYTHING).unwrap();
    let contents = encoded(&first);
    let restored = recovered(contents.clone());
    let second = broker(restored.virtual_hosts());
    let highest = restored.highest_queue();
    assert_eq!(second.restore_definitions(restored), Vec::<String>::new());
    let ids = |broker: &BrokerCell| -> BTreeSet<_> {
        let hosts = broker.virtual_hosts();
        let topologies = hosts.values().map(|host| host.topology());
        topologies
            .flat_map(|topology| {
                let queues = topology.queues().filter(|(_, queue)| survives(queue.definition()));
                queues.map(|(name, queue)| (name.clone(), queue.id())).collect::<Vec<_>>()
            })
            .collect()
    };
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(ids(&second).iter().map(|(_, id)| *id).max(), Some(highest));
    let sorted = |mut contents: Vec<Vec<u8>>| {
        contents.sort_unstable();
        contents
    };
    assert_eq!(sorted(encoded(&second)), sorted(contents));
}

#[test]
fn what_is_unreadable_or_has_no_place_is_told_and_stops_nothing() {
    let first = broker([]);
    import(&first, EVERYTHING).unwrap();
    let contents = encoded(&first);
    for cut in contents.iter().flat_map(|content| (0..content.len()).map(|to| &content[..to])) {
        let restored = recovered(vec![cut.to_vec()]);
        assert_eq!(broker([]).restore_definitions(restored).len(), 1, "{cut:?}");
    }
    for place in 0..contents.len() {
        let mut rest = contents.clone();
        rest.remove(place);
        let restored = recovered(rest);
        let again = broker(restored.virtual_hosts());
        let faults = again.restore_definitions(restored);
        let removed = Definition::decode(&contents[place]).unwrap();
        if !matches!(removed, Definition::VirtualHost { .. }) {
            // What needs what is missing is told; everything else is there.
            assert_eq!(encoded(&again).len() + faults.len(), contents.len() - 1, "{faults:?}");
        }
    }
}
